"""What a source may cost while it is read."""

import tracemalloc

FEW = 2_000_000  # bytes: less than any of the recordings that are read so


def reads_in_little_memory(source, count):
    """Read a source to its end: so many frames, and never more than FEW bytes at once."""
    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == count
        assert tracemalloc.get_traced_memory()[1] < FEW
    finally:
        tracemalloc.stop()
