"""Keeps objects on disk until an archive has taken them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rtseg.errors import SinkError
from rtseg.output.atomic_file import write_atomically
from rtseg.output.private_file import FolderLock, lock_folder, make_folder

_PART = 1 << 20
_SUFFIX = ".dcm"


class SendSpool:
    """Holds the objects that wait for one archive, in a private folder. One process at a time sends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: FolderLock | None = None

    def open(self) -> bool:
        """Make and lock the folder; return whether this process may send. Raises SinkError where it cannot be made."""
        try:
            make_folder(self.folder)
        except OSError as error:
            raise SinkError(
                f"{self.folder} cannot hold what waits for an archive ({error.strerror}): name another --dicom-spool"
            ) from None
        with suppress(SinkError, OSError):
            self._lock = self._lock or lock_folder(self.folder)
        return self._lock is not None

    def add(self, path: Path, name: str) -> None:
        """Add an object under a name that tells it apart. Raises OSError, SinkError.

        It is a second name of the same file, which takes no room, or a copy where the disk has no second names.
        """
        place, part = self.folder / f"{name}{_SUFFIX}", self.folder / f".{name}.link"
        try:
            part.unlink(missing_ok=True)
            os.link(path, part)
            part.replace(place)
        except OSError:
            write_atomically(place, _parts(path))

    def pending(self) -> list[Path]:
        """Return what waits, the oldest first."""
        with suppress(OSError):
            return sorted(self.folder.glob(f"[!.]*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return []

    def remove(self, path: Path) -> None:
        """Remove an object that the archive has taken."""
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process send."""
        lock, self._lock = self._lock, None
        if lock:
            lock.release()


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(_PART):
            yield part
