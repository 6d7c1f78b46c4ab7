"""Reads transport streams for PyAV through their repair: from pipes and networks, and from files at any place."""

from collections.abc import Callable
from pathlib import Path

from rtseg.sources.transport_packets import TransportRepair


class RepairedReader:
    """Reads the bytes of a stream for PyAV through `TransportRepair`.

    read: returns up to so many bytes, or more, and none at the end. close: called where PyAV closes what it opened.
    """

    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None] | None = None) -> None:
        self._read, self._repair, self._ready, self._is_over = read, TransportRepair(), b"", False
        self.close = close or _do_nothing

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end."""
        while not self._ready and not self._is_over:
            data = self._read(size)
            self._is_over = not data
            self._ready = self._repair.feed(data, is_drained=len(data) < size) if data else self._repair.flush()
        data, self._ready = self._ready[:size], self._ready[size:]
        return data


class RepairedFile:
    """Reads a transport stream from a file for PyAV through `TransportRepair`, from any place. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._reader, self._at = RepairedReader(self._file.read), 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end."""
        data = self._reader.read(size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the file, and return it."""
        at = self._file.seek(offset + self._at * (whence == 1), 0 if whence == 1 else whence)
        if at != self._at:
            self._reader = RepairedReader(self._file.read)
        else:
            self._file.seek(at)
        self._at = at
        return at

    def tell(self) -> int:
        """Return the place in the file."""
        return self._at

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _do_nothing() -> None:
    """Close nothing: the owner of the bytes does."""
