"""Name several sources, so that their outputs and messages can be told apart, and refuse one that is listed twice."""

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from rtseg.errors import ConfigError
from rtseg.sources.address import masked_address
from rtseg.sources.base import path_exists

_MAX_LENGTH = 60  # of a name, which becomes that of a file
_SUFFIX_LENGTH = 6  # hexadecimal digits that tell sources of one name apart
_CAMERA = re.compile(r"camera:(?:/dev/video)?(\d+)\b")


def stream_names(sources: Sequence[str]) -> list[str]:
    """Return a name for each source: that of its file, or its address in safe characters.

    A name depends on its source, not on the order; where two have the same file name, both get digits made from their
    addresses. Credentials are left out. Raises ConfigError where a source is listed twice.
    """
    check_distinct(sources)
    short = [_short_name(source) for source in sources]
    count = Counter(name.casefold() for name in short)
    return [
        name if count[name.casefold()] == 1 else f"{name}-{_digits(source)}"
        for name, source in zip(short, sources, strict=True)
    ]


def check_distinct(sources: Sequence[str]) -> None:
    """Raise ConfigError where two sources are the same file, device or address."""
    seen = dict[str, str]()
    for source in sources:
        where = source_identity(source)
        if where in seen:
            raise ConfigError(f"{masked_address(source)} is listed twice: name each source once")
        seen[where] = source


def check_names(names: Sequence[str]) -> None:
    """Raise ConfigError where a name is no part of a file's name, or two streams have one name."""
    for name in names:
        if not name or name != safe_name(name):
            raise ConfigError(f"{name!r} cannot be part of a file's name: give letters, digits, '-', '_' and '.'")
    for name, count in Counter(name.casefold() for name in names).items():
        if count > 1:
            raise ConfigError(f"two streams are named {name!r}, so that their outputs would be one: give each its own name")


def source_identity(source: str) -> str:
    """Return a text that is the same for all spellings of one file, device or address."""
    if path_exists(source):
        return str(Path(source).resolve())
    scheme, colon, rest = source.partition(":")
    if colon and path_exists(rest) and scheme.isalpha() and "//" not in source:
        return str(Path(rest).resolve())  # dicom:FILE, replay:FOLDER
    if camera := _CAMERA.match(source):
        return f"camera:{int(camera[1])}"
    address = source.partition("#")[0]  # the options of a fragment are rtseg's own
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.rpartition('@')[2].lower()}{slash}{path}".rstrip("/") if rest else address


def safe_name(text: str) -> str:
    """Return a text with every character replaced by '-' that may not stand in a file's name."""
    return re.sub(r"[^\w.-]+|\.{2,}", "-", text, flags=re.ASCII).strip("-.")[:_MAX_LENGTH].rstrip("-.")


def _short_name(source: str) -> str:
    if ":" in source and not path_exists(source):
        bare = re.sub(r"//[^/@]*@", "//", masked_address(source))
    else:
        name = Path(source).name or Path(source).resolve().name
        bare = Path(name).stem.removesuffix(".nii")
    return safe_name(bare) or "stream"


def _digits(source: str) -> str:
    return sha256(source_identity(source).encode("utf-8", "surrogateescape")).hexdigest()[:_SUFFIX_LENGTH]
