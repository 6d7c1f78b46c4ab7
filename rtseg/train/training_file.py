"""Writes the files of a training atomically."""

from pathlib import Path

from rtseg.errors import SinkError
from rtseg.output.atomic_file import write_atomically


def write_training_file(path: Path, data: bytes) -> None:
    """Replace a file atomically; the old one stays if that fails. Raises SinkError."""
    try:
        write_atomically(path, data)
    except SinkError:
        raise
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror}): make room on its disk, or name another folder") from None
