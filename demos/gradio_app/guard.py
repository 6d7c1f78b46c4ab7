"""Who may ask the demo's server, and for how much: checked before anything else sees a request."""

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from rtseg.demos.gradio_app.uploads import MOST_BYTES
from rtseg.errors import ConfigError
from rtseg.sinks.view_server import is_loopback, is_ours

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_MOST_BODY = 2 << 20  # bytes of a request that is no upload
_ENVELOPE = 1 << 16  # bytes that an upload's form takes beside its file


class Gate:
    """Passes on to `app` what comes by a name of ours, from our own page, with a known password, and is not too long.

    accounts: "NAME:PASSWORD"; none: everybody. Raises ConfigError.
    """

    def __init__(self, app: App, accounts: Sequence[str] = ()) -> None:
        if any(not name or not password for name, _, password in (account.partition(":") for account in accounts)):
            raise ConfigError("an account is NAME:PASSWORD: give both to --auth")
        self._app, self._accounts = app, [account.encode() for account in accounts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, _limited(receive, _most(scope["path"])), send)
        elif scope["type"] == "http":
            await _refuse(send, *refusal)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and text, where a request is not to be answered."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if scope["type"] != "http" or not is_ours(host):
            return 403, "this server is not asked by that name: use its address"
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "a page of somebody else may not ask this server"
        if self._accounts and not self._knows(headers.get("authorization", "")):
            return 401, "name and password, please"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _most(scope["path"]):
            return 413, f"that is too much: upload at most {MOST_BYTES >> 20} MB"
        return None

    def _knows(self, authorization: str) -> bool:
        """Whether the account is one of ours; every account is compared, so that time tells nothing."""
        scheme, _, coded = authorization.partition(" ")
        try:
            given = base64.b64decode(coded, validate=True)
        except (binascii.Error, ValueError):
            return False
        known = [secrets.compare_digest(given, account) for account in self._accounts]
        return scheme.lower() == "basic" and any(known)


def check_host(host: str, accounts: Sequence[str]) -> None:
    """Refuse to serve the network without a password. Raises ConfigError."""
    if not is_loopback(host) and not accounts:
        raise ConfigError(f"{host} can be reached from the network: give --auth NAME:PASSWORD, or serve 127.0.0.1")


def _most(path: str) -> int:
    """Bytes that a request to a path may bring."""
    return MOST_BYTES + _ENVELOPE if path.endswith("/upload") else _MOST_BODY


def _limited(receive: Receive, most: int) -> Receive:
    """What is received, until it is too much: then the other end is said to have left."""
    taken = 0

    async def next_message() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= most else {"type": "http.disconnect"}

    return next_message


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="rtseg", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
