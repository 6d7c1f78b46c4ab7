"""Splits a stream's address into its parts and options; `masked_address` returns the form that is safe to display."""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlsplit

from rtseg.errors import ConfigError
from rtseg.text.credentials import masked_address

__all__ = ["host", "masked_address", "read_options", "split_options"]


def split_options(uri: str, known: Collection[str]) -> tuple[str, Mapping[str, str]]:
    """Return the address without its fragment, and the fragment's options, as in `rtsp://probe/live#rtsp_transport=udp`.

    A fragment is never sent, so no option of the server is mistaken for one of rtseg. Raises ConfigError.
    """
    address, _, fragment = uri.partition("#")
    if "@" in fragment:
        raise ConfigError("a '#' stands before the '@' of the address: write it as %23 where it belongs to a password")
    try:
        return address, read_options(fragment, known)
    except ConfigError:
        if "?" not in address:
            raise
    raise ConfigError(  # the text is left out: it may be the end of a password
        "what follows the '#' of the address is no known option: write it as %23 where it belongs to the query; "
        f"options are {', '.join(sorted(known))}"
    )


def read_options(text: str, known: Collection[str]) -> dict[str, str]:
    """Return the options of `a=1&b=2`. Raises ConfigError for one that is unknown, empty, or given twice."""
    options: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in known or not value or name in options:
            raise ConfigError(f"the option {name!r} is unknown, empty or given twice: there are {', '.join(sorted(known))}")
        options[name] = value
    if text and not options:
        raise ConfigError(f"what follows is no option of the form name=value: there are {', '.join(sorted(known))}")
    return options


def host(uri: str) -> str:
    """Return the host's name, empty where the address has a port alone. Raises ConfigError where it has neither."""
    try:
        found = urlsplit(uri)
        _ = found.port  # reading the port checks it
    except ValueError:
        raise ConfigError(f"{masked_address(uri)} is no address: give scheme://host:port/path") from None
    if not found.hostname and not found.port:
        raise ConfigError(f"{masked_address(uri)} names no host: give scheme://host:port/path")
    return found.hostname or ""
