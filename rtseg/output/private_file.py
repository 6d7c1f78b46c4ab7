"""Open files and folders for writing: private, locked while they are written, and never through another user's link.

What rtseg writes may show patients. So a file gets the permissions 0600 and a folder 0700, whatever the umask, unless
`set_mode` sets others. Existing folders keep theirs. Devices, pipes and sockets are opened unchanged.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from rtseg.errors import ConfigError, SinkError
from rtseg.output.file_lock import lock_file
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


class Permissions(NamedTuple):
    """Holds the permission bits of written files and folders."""

    file: int = 0o600  # of files
    folder: int = 0o700  # of folders


class OutputSettings:
    """Holds what `rtseg`'s command line sets for the outputs of its own process, as the umask is one for a process."""

    permissions = Permissions()
    """The permission bits of everything that is written."""


_settings = OutputSettings()
_folder_locks: dict[tuple[int, int], "FolderLock"] = {}  # by device and inode


def parse_mode(text: str) -> Permissions:
    """Return the permissions of files such as "640", and of folders that fit them. Raises ConfigError."""
    if not re.fullmatch(r"0?6[046][046]", text):
        raise ConfigError(f"--mode {text!r} is no file mode: give 600, 640, 660, 644, 664 or 666, as chmod takes them")
    file = int(text, 8)
    return Permissions(file, file | (file & 0o444) >> 2)  # a reader of the files must enter the folder


def set_mode(text: str = "600") -> None:
    """Set the permissions of everything that this process writes from now on. Raises ConfigError."""
    _settings.permissions = parse_mode(text)


def opener(path: str | Path, flags: int) -> int:
    """Open a file for writing, as in `open(..., opener=opener)`: private from its first byte, and locked.

    An existing file gets the permissions too. Raises OSError; SinkError where another run writes the file, where it is a link
    in a folder where others write, or where it belongs to another user.
    """
    place = Path(path)
    follow = _NO_FOLLOW if _is_foreign(place.parent) else 0
    try:
        file = os.open(place, flags & ~os.O_TRUNC | follow, _settings.permissions.file)
    except OSError as error:
        if follow and error.errno == errno.ELOOP:
            raise _link_refused(place) from None
        raise
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            _check_owner(file, place)
            lock_file(file, place)
            _set_permissions(file, place)
            if flags & os.O_TRUNC:
                os.ftruncate(file, 0)
    except BaseException:
        os.close(file)
        raise
    return file


def make_folder(path: Path) -> list[Path]:
    """Make a private folder and its missing parents; return the folders made. Raises OSError, SinkError."""
    refuse_link(path)
    made: list[Path] = []
    for folder in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        with suppress(FileExistsError):  # another run made it meanwhile
            folder.mkdir(_settings.permissions.folder)
            folder.chmod(_settings.permissions.folder)
            made.append(folder)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return made


class FolderLock:
    """Locks a folder against other processes; several writers of this process share the lock."""

    def __init__(self, path: Path) -> None:
        found = path.stat()
        self._file, self._holders, self._key = _open_folder(path), 1, (found.st_dev, found.st_ino)
        try:
            lock_file(self._file, path)
        except BaseException:
            os.close(self._file)
            raise
        _folder_locks[self._key] = self

    @property
    def is_shared(self) -> bool:
        """Return whether several writers of this process hold the lock."""
        return self._holders > 1

    def share(self) -> "FolderLock":
        """Return this lock for one more holder."""
        self._holders += 1
        return self

    def release(self) -> None:
        """Release one share; the last one unlocks the folder for other processes."""
        self._holders -= 1
        if not self._holders:
            del _folder_locks[self._key]
            os.close(self._file)


def lock_folder(path: Path) -> FolderLock:
    """Lock a folder, and return the lock or a share of it. Raises OSError; SinkError where another process writes to it."""
    found = path.stat()
    held = _folder_locks.get((found.st_dev, found.st_ino))
    return held.share() if held else FolderLock(path)


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Make a folder and lock it during the block; new folders that stay empty are removed. Raises OSError, SinkError."""
    made = make_folder(path)
    held = lock_folder(path)
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
    """Return whether users other than this one and root may place links in a folder."""
    try:
        found = folder.stat()
    except OSError:
        return True
    return bool(found.st_mode & stat.S_IWOTH) or (_user_id() is not None and found.st_uid not in (0, _user_id()))


def _check_owner(file: int, path: Path) -> None:
    """Raise SinkError for another user's file in a folder where everybody writes, since its owner could read it."""
    found = os.fstat(file)
    try:
        everybody = bool(path.parent.stat().st_mode & stat.S_IWOTH)
    except OSError:
        everybody = True
    if everybody and _user_id() is not None and (found.st_uid != _user_id() or found.st_nlink > 1):
        raise SinkError(f"{path} was laid there by somebody else or under a second name: remove it, or name another folder")


def _set_permissions(file: int, path: Path) -> None:
    """Set the permissions of an open file. Raises SinkError for another user's file.

    On a file system that keeps no permissions, a warning is logged.
    """
    if _user_id() is None:
        return  # on Windows the folder's access list applies
    try:
        os.fchmod(file, _settings.permissions.file)
    except OSError as error:
        if os.fstat(file).st_uid != _user_id():
            raise SinkError(f"{path} belongs to somebody else, who could read it: remove it, or name another file") from None
        _log.debug("%s: %s", path, error)
    if stat.S_IMODE(os.fstat(file).st_mode) != _settings.permissions.file:
        _log.warning("%s is on a file system that keeps no permissions: others may read it", path)


def _open_folder(path: Path) -> int:
    """Open a folder, or on Windows a hidden file in it that is deleted on closing."""
    if _user_id() is None:
        return os.open(path / ".rtseg.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_TEMPORARY", 0))
    return os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))


def _user_id() -> int | None:
    """Return the effective user ID; None on Windows."""
    return os.geteuid() if hasattr(os, "geteuid") else None
