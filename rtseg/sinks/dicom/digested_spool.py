"""Collects frames on disk beside a digest of what was added."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from rtseg.sinks.dicom.unnamed_file import UnnamedFile


class DigestedSpool:
    """Is the base of the spools, which code the frames. folder: on whose disk they lie. count: frames so far."""

    def __init__(self, folder: Path) -> None:
        self._file, self.count, self._digest = UnnamedFile(folder), 0, sha256()

    def checkpoint(self) -> Callable[[], None]:
        """Return what drops the frames that are added from now on."""
        before = self._file.size, self.count, self._digest.copy()

        def revert() -> None:
            size, self.count, self._digest = before
            self._file.cut(size)

        return revert

    def digest(self) -> bytes:
        """Return the SHA-256 of all pixels so far."""
        return self._digest.digest()

    def close(self) -> None:
        """Delete the frames."""
        self._file.close()
