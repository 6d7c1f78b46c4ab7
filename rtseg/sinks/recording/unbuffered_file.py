"""A file to which every write is complete, and in the system's hands when it returns."""

import io
from pathlib import Path
from typing import Any

from rtseg.output.private_file import opener


class WholeFile(io.FileIO):
    """Unbuffered, so that a killed process loses nothing; raises OSError where the disk takes a part and no more.

    Private and locked, as `rtseg.output.private_file` has it. Raises SinkError where another run writes it.
    """

    def __init__(self, path: str | Path, mode: str) -> None:
        super().__init__(path, mode, opener=opener)

    def write(self, data: Any) -> int:
        """Write every byte of `data`."""
        left = memoryview(data).cast("B")
        while left:
            left = left[super().write(left) :]
        return len(data)
