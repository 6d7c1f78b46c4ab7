"""Control the access to the demo's server: check origin, password, route and limits before any other code runs."""

import asyncio
import base64
import binascii
import ipaddress
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import monotonic
from typing import Any, TypeAlias

from rtseg.demos.gradio_app.events import EVENTS, EventRefused, check_event
from rtseg.demos.gradio_app.events import MAX_EVENT_BYTES as MOST_EVENT
from rtseg.demos.gradio_app.uploads import MAX_UPLOAD_BYTES, MIN_UPLOAD_BYTES, UPLOAD_TIMEOUT_S
from rtseg.errors import ConfigError
from rtseg.sinks.view.server_address import is_loopback, is_own_host, is_own_origin

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# The header in which `AccessControl` passes the client's identity on; a client's own value is removed
CLIENT_HEADER = "x-rtseg-party"
MAX_REQUESTS = 128  # concurrent requests of one client

_MAX_BODY = 1 << 19  # bytes of a request other than an upload: one image of the browser's camera
_ROUTES = re.compile(  # the allowed paths; Gradio has many more, which serve files, fetch addresses, run commands
    r"/|/config/?|/theme\.css|/manifest\.json|/favicon\.ico"
    r"|/gradio_api/(info/?|startup-events|app_id|theme\.css|heartbeat/\w+|queue/data|queue/join|run/predict)"
    r"|/(assets|static|svelte|rtseg)(/[\w@~+-][\w@~+.-]*)+"
    r"|/live/[\w-]+/(video|figures|camera|close|upload|prompt|forget|undo|files/[\w.-]+)",
    re.ASCII,
)


class AccessControl:
    """Passes to `app` only requests with a valid host, origin, account, path and size.

    accounts: each "NAME:PASSWORD"; without any, no password is required. Raises ConfigError.
    """

    def __init__(self, app: App, accounts: Sequence[str] = ()) -> None:
        if any(not name or not password for name, _, password in (account.partition(":") for account in accounts)):
            raise ConfigError("an account is NAME:PASSWORD: give both to --auth")
        self._app, self._accounts = app, [account.encode() for account in accounts]
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a request with an error status, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._pass_within_limit(scope, receive, send, _client_id(scope, headers if self._accounts else {}))
        elif scope["type"] == "http":
            await _refuse(send, *refusal)

    async def _pass_within_limit(self, scope: Scope, receive: Receive, send: Send, client_id: str) -> None:
        """Pass a request on, unless the client has too many open ones."""
        if self._open[client_id] >= MAX_REQUESTS:
            await _refuse(send, 429, f"more than {MAX_REQUESTS} requests at one time: wait for the others to end")
            return
        self._open[client_id] += 1
        try:
            await self._pass_on(scope, receive, send, client_id)
        finally:
            self._open[client_id] -= 1
            self._open += Counter()  # removes the zero counts

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, client_id: str) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != CLIENT_HEADER.encode()]
        limited = _limit_body(receive, _max_body(scope["path"]), MIN_UPLOAD_BYTES if scope["path"].endswith("/upload") else 0)
        try:
            if scope["path"] in EVENTS:
                body = check_event(await _read_body(limited))
                limited = _replay_body(body, limited)
                headers = [(name, value) for name, value in headers if name.lower() not in _BODY_HEADERS]
                headers += [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        except EventRefused as error:
            await _refuse(send, 400, str(error))
            return
        headers.append((CLIENT_HEADER.encode(), client_id.encode("utf-8").hex().encode()))
        await self._app({**scope, "headers": headers}, limited, send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return the status and text with which to reject a request; None for an allowed one."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if scope["type"] != "http" or not is_own_host(host):
            return 403, "this server is not asked by that name: use its address"
        if not is_own_origin(origin, host):
            return 403, "a page of somebody else may not ask this server"
        if self._accounts and not self._is_authorized(headers.get("authorization", "")):
            return 401, "name and password, please"
        if not _ROUTES.fullmatch(scope["path"]):
            return 404, "there is nothing here"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or len(length) > 15 or int(length) > _max_body(scope["path"]):
            return 413, f"that is too much: upload at most {MAX_UPLOAD_BYTES >> 20} MB"
        return None

    def _is_authorized(self, authorization: str) -> bool:
        """Return whether the account is valid; every account is compared, in constant time."""
        given = _credentials(authorization)
        known = [secrets.compare_digest(given, account) for account in self._accounts]
        return any(known)


_BODY_HEADERS = (b"content-length", b"content-type", b"transfer-encoding", b"content-encoding")


def check_host(host: str, accounts: Sequence[str]) -> None:
    """Raise ConfigError for a host that is reachable from the network without a password."""
    if not is_loopback(host) and not accounts:
        raise ConfigError(f"{host} can be reached from the network: give --auth NAME:PASSWORD, or serve 127.0.0.1")


def decode_client_id(header: str | None) -> str:
    """Return the client's identity from the header that `AccessControl` has set; "" without one."""
    return bytes.fromhex(header).decode("utf-8") if header else ""


def network_of(client: tuple[str, int] | None) -> str:
    """Return a client's address, of IPv6 the network (/64); "" where it has none."""
    try:
        address: Any = ipaddress.ip_address((client or ("",))[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))


def _client_id(scope: Scope, headers: dict[str, str]) -> str:
    """Return the client's identity: its account and its address (for IPv6 the /64 network), which are costly to multiply."""
    name = _credentials(headers.get("authorization", "")).partition(b":")[0].decode("utf-8", "replace")
    return f"{name}@{network_of(scope.get('client'))}"


def _credentials(authorization: str) -> bytes:
    """Return NAME:PASSWORD of a basic authorization header; b"" when it holds none."""
    scheme, _, coded = authorization.partition(" ")
    try:
        return base64.b64decode(coded, validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b""


def _max_body(path: str) -> int:
    """Return the maximum number of bytes in the body of a request to a path."""
    return MOST_EVENT if path in EVENTS else MAX_UPLOAD_BYTES if path.endswith("/upload") else _MAX_BODY


def _limit_body(receive: Receive, most: int, least: int) -> Receive:
    """Wrap `receive`: a body that exceeds `most` bytes, or is too slow, is reported as a disconnect.

    least: bytes that must arrive within each `UPLOAD_TIMEOUT_S` of waiting; 0 where the whole body must arrive within it.
    """
    taken, counted, left_s, is_over = 0, 0, UPLOAD_TIMEOUT_S, False

    async def next_message() -> Message:
        nonlocal taken, counted, left_s, is_over
        if is_over:
            return await receive()
        began_s = monotonic()
        try:
            message = await asyncio.wait_for(receive(), left_s)
        except (TimeoutError, asyncio.TimeoutError):
            left_s = 0.0
            return {"type": "http.disconnect"}
        taken, counted = (count + len(message.get("body", b"")) for count in (taken, counted))
        left_s = max(0.0, left_s - (monotonic() - began_s))
        if 0 < least <= counted:
            counted, left_s = 0, UPLOAD_TIMEOUT_S
        is_over = not message.get("more_body", False)
        return message if taken <= most else {"type": "http.disconnect"}

    return next_message


async def _read_body(receive: Receive) -> bytes:
    """Read a whole body. Raises EventRefused when it was cut off."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise EventRefused(f"this event is longer than {MOST_EVENT} bytes, or was cut: reload the page")
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """Wrap `receive`: the first message is a body that was read already."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text.encode())).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="rtseg", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
