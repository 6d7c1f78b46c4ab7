"""The orders in which the emulator runs the blocks of a launch and the threads of a block."""

import ctypes
from enum import IntEnum
from pathlib import Path


class Schedule(IntEnum):
    FORWARDS = 0
    BACKWARDS = 1
    SHUFFLED = 2  # anew at each barrier, and threads also give way at atomics

    def choose(self, library: Path, seed: int = 7) -> None:
        """From now on, for this library."""
        ctypes.CDLL(str(library)).emulated_schedule(int(self), seed)
