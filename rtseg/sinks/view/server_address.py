"""Tell the addresses of a server, and whether a request names it."""

import ipaddress
import socket
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, which only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def server_url(host: str, port: int) -> str:
    """Return the URL of a server; for one that listens on all interfaces, the loopback URL."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def is_own_host(host: str) -> bool:
    """Return whether a Host header names this machine: an IP address, localhost, or the hostname.

    A DNS rebinding attack is recognized by its Host header, which holds the attacker's domain.
    """
    own = socket.gethostname().lower()
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in ("localhost", own, f"{own}.local") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def is_own_origin(origin: str | None, host: str) -> bool:
    """Return whether a request comes from a page of the server that it is for, or from no page.

    A browser states the origin of the page that sends a POST.
    """
    return origin is None or (origin.partition("://")[2] == host and bool(host))
