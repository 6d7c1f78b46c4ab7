"""Opens a stream over HTTP whose reads have deadlines, and which can be closed from any thread."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from urllib.request import (
    AbstractDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    getproxies,
    parse_http_list,
    parse_keqv_list,
    proxy_bypass,
)

from rtseg.errors import SourceError

_MAX_REDIRECTS = 5
_CHUNK_BYTES = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)


def request_headers(options: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that the options `user_agent` and `headers` of an address stand for, as FFmpeg reads them."""
    lines = [line.partition(":") for line in options.get("headers", "").replace("\\r\\n", "\n").splitlines()]
    headers = {name.strip(): value.strip() for name, colon, value in lines if colon and name.strip()}
    return headers | ({"User-Agent": options["user_agent"]} if "user_agent" in options else {})


class HttpStream:
    """Holds the response to one request. content_type: in small letters, without parameters. is_endless: without a length."""

    def __init__(self, connection: HTTPConnection, peer: socket.socket, response: HTTPResponse) -> None:
        self._connection, self._socket, self._response = connection, peer, response
        self.content_type = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
        if self.content_type.startswith("multipart/"):
            response.length = None  # some servers state the length of one part
        self.is_endless = response.length is None

    def read(self, deadline_s: float) -> bytes:
        """Return some bytes as soon as there are any, none at the end.

        deadline_s: on the clock of `time.monotonic`. Raises OSError, which TimeoutError is one of.
        """
        self._socket.settimeout(max(1e-3, deadline_s - monotonic()))
        try:
            return self._response.read1(_CHUNK_BYTES)
        except (HTTPException, ValueError, AttributeError) as error:  # a wrong chunk, or closed by another thread
            raise OSError("the response breaks off") from error

    def close(self) -> None:
        """Close the connection; a read in progress ends."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, ValueError, AttributeError):
            self._response.close()  # the reader's lock is free by now
        self._connection.close()
        with suppress(OSError):
            self._socket.close()


class HttpClient:
    """Requests one address, as often as needed. Redirects are followed, Basic and Digest passwords are answered.

    Certificates are not verified, as FFmpeg does not: cameras sign their own. name: for messages, without credentials.
    headers: further ones of each request. open_s: time-out until the response begins, in seconds.
    """

    def __init__(self, address: str, name: str, headers: Mapping[str, str], open_s: float) -> None:
        self._address, self._name, self._headers, self.open_s = address, name, dict(headers), open_s

    def is_direct(self) -> bool:
        """Return whether no proxy of the environment stands between."""
        parts = urlsplit(self._address)
        return parts.scheme not in getproxies() or bool(proxy_bypass(parts.hostname or ""))

    def open(self) -> HttpStream | None:
        """Return the response, None where the answer is not HTTP. Raises SourceError, whose text holds no credentials."""
        try:
            return self._follow(monotonic() + self.open_s)
        except TimeoutError:
            problem = "it did not answer in time"
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error) or "no reason given"
        except HTTPException:
            return None
        raise SourceError(f"{self._name} cannot be opened ({problem}): check the address, the peer and the network between")

    def _follow(self, deadline_s: float) -> HttpStream:
        address, authorization = self._address, ""
        for _ in range(_MAX_REDIRECTS):
            connection, peer, response = self._request(address, authorization, deadline_s)
            if response.status < 300:
                return HttpStream(connection, peer, response)
            HttpStream(connection, peer, response).close()
            challenge, target = response.headers.get_all("WWW-Authenticate", []), response.headers.get("Location")
            if response.status == 401 and not authorization and (authorization := _answer(address, challenge)):
                continue
            if response.status not in _REDIRECTS or not target:
                raise OSError(None, f"HTTP status {response.status} {response.reason}")
            address, authorization = _redirected(address, target), ""
        raise OSError(None, "it redirects without end")

    def _request(
        self, address: str, authorization: str, deadline_s: float
    ) -> tuple[HTTPConnection, socket.socket, HTTPResponse]:
        parts = urlsplit(address)
        connection = _connection(parts, max(1e-3, deadline_s - monotonic()))
        try:
            connection.connect()
            peer = connection.sock
            headers = {"Accept": "*/*", "User-Agent": "rtseg", "Connection": "close", **self._headers}
            headers |= {"Authorization": authorization} if authorization else {}
            connection.request("GET", _target(parts), headers=headers)
            peer.settimeout(max(1e-3, deadline_s - monotonic()))
            return connection, peer, connection.getresponse()
        except BaseException:
            connection.close()
            raise


def _connection(parts: SplitResult, timeout_s: float) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=timeout_s)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _redirected(address: str, target: str) -> str:
    """Return where a redirect leads; the credentials stay with their host."""
    before, after = urlsplit(address), urlsplit(urljoin(address, target))
    if after.scheme not in ("http", "https"):
        raise OSError(None, "it redirects to another protocol")
    if (before.hostname, before.port) == (after.hostname, after.port) and "@" not in after.netloc and "@" in before.netloc:
        after = after._replace(netloc=before.netloc)
    return after.geturl()


def _answer(address: str, challenges: list[str]) -> str:
    """Return the header that answers a challenge with the address's credentials, "" where there are none."""
    parts = urlsplit(address)
    if parts.username is None:
        return ""
    user, password = unquote(parts.username), unquote(parts.password or "")
    for challenge in challenges:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "digest":
            passwords = HTTPPasswordMgrWithDefaultRealm()
            url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_target(parts)}"
            passwords.add_password(None, url, user, password)
            handler = AbstractDigestAuthHandler(passwords)
            found = handler.get_authorization(Request(url), parse_keqv_list(parse_http_list(rest)))
            if found:
                return f"Digest {found}"
        elif scheme.lower() == "basic":
            return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    return ""
