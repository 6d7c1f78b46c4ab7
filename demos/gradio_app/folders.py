"""Create the server's folder for visitors' files, and remove the folders left behind by killed servers."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rtseg.errors import SinkError

if sys.platform != "win32":  # Windows has no flock: an abandoned folder stays until the system clears its temporary files
    import fcntl

_PREFIX = "rtseg-demo-server-"
_LOCK = ".lock"


class ServerFolder:
    """Creates a private folder (0700), locked while this server runs; construction removes abandoned ones.

    parent: the folder in which to create it; the system's temporary folder by default. Raises SinkError.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        remove_abandoned(parent)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            _try_lock(self._lock)
        except OSError as error:
            raise SinkError(f"no folder for uploads can be made in {parent} ({error}): set TMPDIR to another one") from error

    def new(self) -> Path:
        """Return a new folder (0700) for one visitor."""
        return Path(tempfile.mkdtemp(prefix="visitor-", dir=self.path))

    def close(self) -> None:
        """Remove the folder and release its lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user's dead servers, recognized by a lock that is free."""
    if sys.platform == "win32":
        return
    for path in parent.glob(f"{_PREFIX}*"):
        lock = _open_lock(path)
        if lock is not None:
            try:
                if _try_lock(lock):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _open_lock(path: Path) -> int | None:
    """Open a folder's lock file without following links; None unless both are private and owned by this user."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        lock = os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        if _is_private(os.fstat(folder), stat.S_ISDIR) and _is_private(os.fstat(lock), stat.S_ISREG):
            return lock
        os.close(lock)
    except OSError:
        pass  # the folder is being created, or is not one of a server
    finally:
        os.close(folder)
    return None


def _is_private(told: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    return is_kind(told.st_mode) and told.st_uid == os.getuid() and not told.st_mode & 0o077


def _try_lock(file: int) -> bool:
    """Lock a file without blocking and return whether that succeeded; always True on Windows."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
