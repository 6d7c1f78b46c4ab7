"""A file to which every write is complete, and in the system's hands when it returns."""

import io
from typing import Any


class WholeFile(io.FileIO):
    """Unbuffered, so that a killed process loses nothing; raises OSError where the disk takes a part and no more."""

    def write(self, data: Any) -> int:
        """Write every byte of `data`."""
        left = memoryview(data).cast("B")
        while left:
            left = left[super().write(left) :]
        return len(data)
