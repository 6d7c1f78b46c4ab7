"""Lock the files and folders of a run; the system releases the locks when the process ends, however it ends."""

import errno
import os
import sys
from pathlib import Path

from rtseg.errors import SinkError
from rtseg.text.log_records import get_logger

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_log = get_logger(__name__)
_LOCKED_ERRORS = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_LOCK_TABLE = Path("/proc/locks")


def lock_file(file: int, path: Path) -> None:
    """Lock an open file or folder until it is closed. Raises SinkError where another run holds it.

    file: a descriptor. path: its name for messages. On a file system without locks, such as some NFS, a warning is logged.
    """
    try:
        _lock_exclusively(file)
    except OSError as error:
        if error.errno in _LOCKED_ERRORS:
            raise SinkError(
                f"{path} is being written by {_describe_holder(file)}: stop that run, or name another output"
            ) from None
        _log.warning("%s cannot be locked (%s): start no other run that writes to it", path, error.strerror)


def _lock_exclusively(file: int) -> None:
    if sys.platform == "win32":
        os.lseek(file, 1 << 30, os.SEEK_SET)  # far past the end, since on Windows others cannot read a locked range
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _describe_holder(file: int) -> str:
    """Describe the process that holds the lock of a file, as far as /proc/locks shows it."""
    found = os.fstat(file)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}" if hasattr(os, "major") else ""
    try:
        lines = [line.split() for line in _LOCK_TABLE.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        return "another run"
    for words in lines:
        if words[1] == "FLOCK" and words[5] == place and words[4].isdecimal():
            return "this same run" if int(words[4]) == os.getpid() else f"another run, process {words[4]}"
    return "another run"
