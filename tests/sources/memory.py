"""Checks the memory that reading a source takes."""

import tracemalloc

FEW = 2_000_000  # bytes: less than any of the recordings that are read so


def reads_in_little_memory(source, count):
    """Check that a source has `count` frames, and that reading them takes less than FEW bytes at any time."""
    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == count
        assert tracemalloc.get_traced_memory()[1] < FEW
    finally:
        tracemalloc.stop()
