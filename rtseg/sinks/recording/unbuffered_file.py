"""Write to a file without a buffer: each write is complete when it returns."""

import io
from pathlib import Path
from typing import Any

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
