"""Parses the address of an OpenIGTLink server and of its device."""

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from rtseg.errors import ConfigError
from rtseg.text.credentials import masked_address

PORT = 18944
_FORM = "igtl://HOST:18944/DEVICE"


@dataclass(frozen=True, slots=True)
class IgtlAddress:
    """Holds the address of a server and of its device."""

    host: str  # name or address, without brackets
    port: int = PORT  # of TCP
    device: str = ""  # empty: the first that sends an image
    white: int | None = None
    """The pixel value of white, where it is not the largest of its type: 4095 for 12 bits in 16."""
    crc: bool = True  # false: checksums are not verified, since some senders leave them out
    timeout_s: float = 5.0  # for the connection, and between two images, in seconds

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return masked_address(f"igtl://{host}:{self.port}/{self.device}")


def read_address(uri: str) -> IgtlAddress:
    """Parse `igtl://HOST:PORT/DEVICE?white=4095&crc=off&timeout=5`. Raises ConfigError."""
    try:
        parts = urlsplit(uri)
        host, port, pairs = parts.hostname, parts.port, parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:  # its text may hold parts of the address
        raise ConfigError(f"{masked_address(uri)} is no address: write {_FORM}") from None
    if not host:
        raise ConfigError(f"{masked_address(uri)} names no host: write {_FORM}")
    address = IgtlAddress(host, PORT if port is None else port, unquote(parts.path.removeprefix("/")))
    for name, value in pairs:
        address = _with_option(address, name, value)
    return address


def _with_option(address: IgtlAddress, name: str, value: str) -> IgtlAddress:
    match name, value:
        case "white", _:
            return replace(address, white=int(_number(name, value, 1, 65535)))
        case "timeout", _:
            return replace(address, timeout_s=_number(name, value, 0.01, 3600))
        case "crc", "on" | "off":
            return replace(address, crc=value == "on")
    told = f"{name}={value}" if name == "crc" else name if name.isidentifier() else "an option"  # a value may be a password
    raise ConfigError(f"igtl:// does not know {told}: give white=4095, timeout=5 or crc=off")


def _number(name: str, text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise ConfigError(f"{name}={text} is not possible: give a number from {least:g} to {most:g}")
    return number
