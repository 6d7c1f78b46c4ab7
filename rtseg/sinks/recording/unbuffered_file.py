"""Write to a file without a buffer: each write is complete when it returns."""

import io
from pathlib import Path
from typing import Any, BinaryIO

from rtseg.errors import SinkError
from rtseg.output.private_file import opener


class UnbufferedFile(io.FileIO):
    """Writes without a buffer, so that a killed process loses nothing; a full disk raises OSError.

    The file is private and locked, see `rtseg.output.private_file`. Raises SinkError when another run is writing the file.
    """

    def __init__(self, path: str | Path, mode: str) -> None:
        super().__init__(path, mode, opener=opener)

    def write(self, data: Any) -> int:
        """Write every byte of `data` and return their number."""
        left = memoryview(data).cast("B")
        while left:
            left = left[super().write(left) :]
        return len(data)


def created_file(path: Path) -> UnbufferedFile:
    """Create or overwrite a file of lines. Raises SinkError."""
    try:
        return UnbufferedFile(path, "wb")
    except SinkError:
        raise
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror}): name a file in a folder you may write to") from error


class UnbufferedStream:
    """Writes to a stream that somebody else has opened, such as standard output, and leaves it open."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = getattr(stream, "raw", stream)  # else what a closed pipe did not take fails again when Python exits
        stream.flush()

    def write(self, data: Any) -> int:
        """Write every byte of `data` and return their number."""
        left = memoryview(data).cast("B")
        while left:
            left = left[self._stream.write(left) or 0 :]
        self._stream.flush()
        return len(data)

    def seek(self, position: int) -> None:
        """Refuse, since nobody knows where the stream began. Raises OSError."""
        raise OSError(f"a stream has no position {position}")

    def seekable(self) -> bool:
        """Return False."""
        return False

    def close(self) -> None:
        """Leave the stream open."""
