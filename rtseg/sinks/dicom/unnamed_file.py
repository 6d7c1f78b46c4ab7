"""Holds bytes in a file without a name, which nobody else can open and which a killed process leaves nothing of."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

_PART = 1 << 20


class UnnamedFile:
    """Appends bytes and reads them back. folder: on whose disk they lie. size: bytes that were appended completely."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed by `close`
        self.size = 0

    def append(self, *pieces: bytes | memoryview) -> None:
        """Append pieces, or none of them where OSError is raised, as on a full disk."""
        self._file.seek(self.size)
        added = 0
        for piece in pieces:
            left = memoryview(piece)
            added += left.nbytes
            while left:
                left = left[self._file.write(left) :]
        self.size += added

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes that were appended."""
        self._file.seek(offset)
        return self._file.read(length)

    def cut(self, size: int) -> None:
        """Drop what was appended beyond `size` bytes."""
        self.size = size
        self._file.truncate(size)

    def parts(self) -> Iterator[bytes]:
        """Yield everything, a megabyte at a time."""
        for at in range(0, self.size, _PART):
            yield self.read(at, min(_PART, self.size - at))

    def close(self) -> None:
        """Delete everything."""
        self._file.close()
