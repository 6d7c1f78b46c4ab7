"""Files of models and plans, whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path, prefix: str) -> Iterator[Path]:
    """A place to write what stands at `path` once the block has ended; where that raises, nothing has changed there.

    prefix: of the hidden folder beside `path` that the place lies in, and that goes with all that is in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as scratch:
        part = Path(scratch) / path.name
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())  # what the name stands for is on the disk before the name is
        part.replace(path)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(path, f".{path.name}-") as part:
        part.write_bytes(content)
