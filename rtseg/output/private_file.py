"""Files and folders that a run writes: private, locked while they are written, and never reached by a stranger's link.

What rtseg writes may show patients. So a file has the permissions 0600 and a folder 0700, whatever the umask, unless
`set_mode` says otherwise. Folders that were there keep theirs. Devices, pipes and sockets are written as they are.
"""

import errno
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from rtseg.errors import ConfigError, SinkError
from rtseg.output.file_lock import lock

_log = logging.getLogger(__name__)
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


class Permissions(NamedTuple):
    """Permission bits of what is written."""

    file: int = 0o600
    folder: int = 0o700


_permissions = Permissions()  # of the process, as its umask is
_held: dict[tuple[int, int], "FolderLock"] = {}  # by device and inode


def parse_mode(text: str) -> Permissions:
    """Return the permissions of files such as "640", and of folders that fit them. Raises ConfigError."""
    if not re.fullmatch(r"0?6[046][046]", text):
        raise ConfigError(f"--mode {text!r} is no file mode: give 600, 640, 660, 644, 664 or 666, as chmod takes them")
    file = int(text, 8)
    return Permissions(file, file | (file & 0o444) >> 2)  # who reads a file enters its folder


def set_mode(text: str = "600") -> None:
    """Set the permissions of all that this process writes from now on. Raises ConfigError."""
    global _permissions  # noqa: PLW0603  a setting of the process, as the umask
    _permissions = parse_mode(text)


def opener(path: str | Path, flags: int) -> int:
    """Open a file to write it, as `open(..., opener=opener)`: private from its first byte, and locked.

    A file that was there gets the permissions too. Raises OSError; SinkError where another run writes it, where it is a
    link in a folder of others, or where it belongs to somebody else.
    """
    place = Path(path)
    follow = _NO_FOLLOW if _is_foreign(place.parent) else 0
    try:
        file = os.open(place, flags & ~os.O_TRUNC | follow, _permissions.file)
    except OSError as error:
        if follow and error.errno == errno.ELOOP:
            raise _link_refused(place) from None
        raise
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            _check_owner(file, place)
            lock(file, place)
            _set_permissions(file, place)
            if flags & os.O_TRUNC:
                os.ftruncate(file, 0)
    except BaseException:
        os.close(file)
        raise
    return file


def make_folder(path: Path) -> list[Path]:
    """Make a private folder and the folders above it that are missing; return those made. Raises OSError, SinkError."""
    refuse_link(path)
    made: list[Path] = []
    for folder in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        with suppress(FileExistsError):  # another run made it in between
            folder.mkdir(_permissions.folder)
            folder.chmod(_permissions.folder)
            made.append(folder)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return made


class FolderLock:
    """The lock of a folder against other processes; those of this process who write there share it."""

    def __init__(self, path: Path) -> None:
        found = path.stat()
        self._file, self._holders, self._key = _opened_folder(path), 1, (found.st_dev, found.st_ino)
        try:
            lock(self._file, path)
        except BaseException:
            os.close(self._file)
            raise
        _held[self._key] = self

    def share(self) -> "FolderLock":
        """Return this lock for one more holder."""
        self._holders += 1
        return self

    def release(self) -> None:
        """Give the lock back; the last holder opens the folder to other processes."""
        self._holders -= 1
        if not self._holders:
            del _held[self._key]
            os.close(self._file)


def hold_folder(path: Path) -> FolderLock:
    """Lock a folder. Raises OSError; SinkError where another process writes to it."""
    found = path.stat()
    held = _held.get((found.st_dev, found.st_ino))
    return held.share() if held else FolderLock(path)


@contextmanager
def held_folder(path: Path) -> Iterator[None]:
    """Make a folder and hold its lock inside the block; a new one that stayed empty goes. Raises OSError, SinkError."""
    made = make_folder(path)
    held = hold_folder(path)
    try:
        yield
    finally:
        held.release()
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


def refuse_link(path: Path) -> None:
    """Raise SinkError for a link in a folder where others may place one."""
    if path.is_symlink() and _is_foreign(path.parent):
        raise _link_refused(path)


def _link_refused(path: Path) -> SinkError:
    return SinkError(f"{path} is a link in a folder where others write, and may lead anywhere: name the place it leads to")


def _is_foreign(folder: Path) -> bool:
    """Whether others than this user and the system's may place links in a folder."""
    try:
        found = folder.stat()
    except OSError:
        return True
    return bool(found.st_mode & stat.S_IWOTH) or (_user() is not None and found.st_uid not in (0, _user()))


def _check_owner(file: int, path: Path) -> None:
    """Raise SinkError for a file that somebody else laid where everybody writes: he would read what comes."""
    found = os.fstat(file)
    try:
        everybody = bool(path.parent.stat().st_mode & stat.S_IWOTH)
    except OSError:
        everybody = True
    if everybody and _user() is not None and (found.st_uid != _user() or found.st_nlink > 1):
        raise SinkError(f"{path} was laid there by somebody else or under a second name: remove it, or name another folder")


def _set_permissions(file: int, path: Path) -> None:
    """Give an open file its permissions. Raises SinkError where it is somebody else's; where none are kept, warn."""
    if _user() is None:
        return  # Windows: a folder's access list holds for what is in it
    try:
        os.fchmod(file, _permissions.file)
    except OSError as error:
        if os.fstat(file).st_uid != _user():
            raise SinkError(f"{path} belongs to somebody else, who could read it: remove it, or name another file") from None
        _log.debug("%s: %s", path, error)
    if stat.S_IMODE(os.fstat(file).st_mode) != _permissions.file:
        _log.warning("%s is on a file system that keeps no permissions: others may read it", path)


def _opened_folder(path: Path) -> int:
    """Open a folder, or on Windows a hidden file in it, which goes when it is closed."""
    if _user() is None:
        return os.open(path / ".rtseg.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_TEMPORARY", 0))
    return os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))


def _user() -> int | None:
    """The user's number; None on Windows."""
    return os.geteuid() if hasattr(os, "geteuid") else None
