"""Defines the orders in which the emulator runs the blocks of a launch and the threads of a block."""

import ctypes
from enum import IntEnum
from pathlib import Path


class Schedule(IntEnum):
    """Selects the order of blocks and threads."""

    FORWARDS = 0
    BACKWARDS = 1
    SHUFFLED = 2  # newly at each barrier, and threads also yield at atomics

    def choose(self, library: Path, seed: int = 7) -> None:
        """Use this order in a library from now on."""
        ctypes.CDLL(str(library)).emulated_schedule(int(self), seed)
