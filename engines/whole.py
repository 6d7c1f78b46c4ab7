"""Model files, whole or not at all."""

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
        part.replace(path)
