"""Reads the address of a DICOM archive."""

import re
from dataclasses import dataclass

from rtseg.errors import ConfigError

_FORM = re.compile(r"(?P<title>[^@]+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(?P<port>[0-9]{1,5})")
_LONGEST_TITLE = 16  # characters


@dataclass(frozen=True, slots=True)
class ArchiveAddress:
    """Names an archive, and the program that sends to it."""

    title: str
    """Title of the archive's application entity."""
    host: str
    """Name or number of its machine."""
    port: int
    """Port on which it listens."""
    own_title: str = "RTSEG"
    """Title under which rtseg calls it; many archives take only those that they know."""

    @property
    def folder_name(self) -> str:
        """Return a name of the archive for a folder."""
        return re.sub(r"[^A-Za-z0-9_.@-]", "_", f"{self.title}@{self.host}_{self.port}")

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


def parse_archive(text: str, own_title: str = "RTSEG") -> ArchiveAddress:
    """Return the archive that a text such as "PACS@archive.local:104" names. Raises ConfigError."""
    form = _FORM.fullmatch(text.strip())
    if form is None or not 0 < int(form["port"]) < 1 << 16:
        raise ConfigError(f"{text!r} names no archive: give TITLE@HOST:PORT, as in PACS@archive.local:104")
    for title in (form["title"], own_title):
        if not 0 < len(title.strip()) <= _LONGEST_TITLE or not (title.isascii() and title.isprintable()) or "\\" in title:
            raise ConfigError(f"{title!r} is no title of a DICOM program: give 1 to {_LONGEST_TITLE} letters, digits or signs")
    return ArchiveAddress(form["title"].strip(), form["host"].strip("[]"), int(form["port"]), own_title.strip())
