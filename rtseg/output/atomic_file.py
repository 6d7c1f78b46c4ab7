"""Write files atomically: reports, which a run may reserve from its beginning, and files that a library writes by path."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rtseg.errors import SinkError
from rtseg.output.file_lock import lock_file
from rtseg.output.private_file import opener, refuse_link

_MAX_ATTEMPTS = 20  # to open a partial file while other runs rename theirs
_reserved: dict[Path, int] = {}  # the open partial file of each reserved file


def reserve(*paths: Path | None) -> None:
    """Lock files that `write_atomically` will write at the end of a run, or `release` gives up. Raises SinkError."""
    for path in paths:
        if path and _is_replaceable(path) and (final := _resolve_target(path)) not in _reserved:
            try:
                _reserved[final] = _open_part(final)
            except SinkError:
                raise
            except OSError as error:
                raise SinkError(f"{path} cannot be written ({error.strerror}): name a file you may write to") from error


def release() -> None:
    """Release the files that were reserved and not written."""
    while _reserved:
        final, file = _reserved.popitem()
        _discard(final, file)


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a private file, whole or in parts, atomically, replacing an existing one. Raises OSError, SinkError.

    Devices and pipes are written directly.
    """
    if not _is_replaceable(path):
        _write_through(path, content)
        return
    final = _resolve_target(path)
    file = _reserved.pop(final, None) or _open_part(final)
    try:
        _write(file, content)
        os.fsync(file)  # the content reaches the disk before the name does
        _part_path(final).replace(final)
    except BaseException:
        _discard(final, file)
        raise
    os.close(file)


def write_or_refuse(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file as `write_atomically` does, and raise SinkError for every failure; an existing file then stays."""
    try:
        write_atomically(path, content)
    except SinkError:
        raise
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror}): make room on its disk, or name another folder") from None


@contextmanager
def atomic_path(path: Path, prefix: str) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends; if the block raises, `path` is unchanged.

    For a library that writes by path, and for files without patients: models and plans get the umask's permissions, no lock.
    prefix: the start of the name of the temporary folder beside `path`, which is deleted with its content. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as scratch:
        part = Path(scratch) / path.name
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())  # the content reaches the disk before the name does
        part.replace(path)


def _write_through(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write to a device or a pipe."""
    file = opener(path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        _write(file, content)
    finally:
        os.close(file)


def _write(file: int, content: bytes | Iterable[bytes]) -> None:
    for part in [content] if isinstance(content, bytes) else content:
        left = memoryview(part)
        while left:
            left = left[os.write(file, left) :]


def _discard(final: Path, file: int) -> None:
    _part_path(final).unlink(missing_ok=True)
    os.close(file)


def _part_path(final: Path) -> Path:
    """Return the path of the hidden partial file that becomes `final`; one left by a killed process is reused."""
    return final.with_name(f".{final.name}.part")


def _open_part(final: Path) -> int:
    """Open and lock the partial file of `final`. Raises OSError, SinkError."""
    if final.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(final))
    _check_not_written(final)
    part = _part_path(final)
    for _ in range(_MAX_ATTEMPTS):
        file = opener(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), part.stat()):
                return file
        os.close(file)  # another run renamed or removed it before the lock
    raise SinkError(f"{final} is written by other runs again and again: name another output")


def _check_not_written(final: Path) -> None:
    """Raise SinkError where a run writes to the final file itself."""
    try:
        file = os.open(final, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return  # it does not exist, or replacing it will fail and say why
    try:
        lock_file(file, final)
    finally:
        os.close(file)


def _resolve_target(path: Path) -> Path:
    """Return the path to replace, with links resolved. Raises SinkError for a link in a folder where others write."""
    refuse_link(path)
    return path.resolve()


def _is_replaceable(path: Path) -> bool:
    """Return whether a path can be replaced: no device, pipe or socket stands there."""
    return not path.exists() or path.is_file() or path.is_dir()
