"""The address of a stream: its parts and its options; `shown` is the form of it that may be shown."""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlsplit

from rtseg.errors import ConfigError
from rtseg.text.credentials import shown

__all__ = ["host", "read_options", "shown", "split_options"]


def split_options(uri: str, known: Collection[str]) -> tuple[str, Mapping[str, str]]:
    """The address without its fragment, and the fragment's options, as in `rtsp://probe/live#rtsp_transport=udp`.

    A fragment is never sent, so that nothing of the peer's own is taken for ours. Raises ConfigError.
    """
    address, _, fragment = uri.partition("#")
    if "@" in fragment:
        raise ConfigError("a '#' stands before the '@' of the address: write it as %23 where it belongs to a password")
    try:
        return address, read_options(fragment, known)
    except ConfigError:
        if "?" not in address:
            raise
    raise ConfigError(  # without its words, which may be the end of a password
        "what follows the '#' of the address is no known option: write it as %23 where it belongs to the query; "
        f"options are {', '.join(sorted(known))}"
    )


def read_options(text: str, known: Collection[str]) -> dict[str, str]:
    """The options of `a=1&b=2`. Raises ConfigError for one that is not known, is empty, or stands twice."""
    options: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in known or not value or name in options:
            raise ConfigError(f"the option {name!r} is unknown, empty or given twice: there are {', '.join(sorted(known))}")
        options[name] = value
    if text and not options:
        raise ConfigError(f"what follows is no option of the form name=value: there are {', '.join(sorted(known))}")
    return options


def host(uri: str) -> str:
    """The name of the peer. Raises ConfigError where the address has none."""
    try:
        found = urlsplit(uri)
        _ = found.port  # is checked when it is asked for
    except ValueError:
        raise ConfigError(f"{shown(uri)} is no address: give scheme://host:port/path") from None
    if not found.hostname and not found.port:
        raise ConfigError(f"{shown(uri)} names no host: give scheme://host:port/path")
    return found.hostname or ""
