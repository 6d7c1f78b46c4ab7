"""Files of models and plans, whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtseg.errors import ModelError, RtsegError


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


@contextmanager
def whole_onnx(path: Path, prefix: str, *sources: Path) -> Iterator[Path]:
    """The same for an ONNX file that is made of `sources`. Raises ModelError where it is one of them, or cannot be written."""
    if path.suffix != ".onnx":
        raise ModelError(f"{path} does not end in .onnx, by which a network is known: name an .onnx file to write")
    if path.resolve() in {source.resolve() for source in sources}:
        raise ModelError(
            f"{path} is one of the models it is made of, which nothing could bring back: name another file to write"
        )
    try:
        with whole(path, prefix) as part:
            yield part
    except OSError as error:
        if isinstance(error, RtsegError):
            raise
        raise ModelError(f"{path} cannot be written ({error.strerror or error}): name a file in a folder with space") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(path, f".{path.name}-") as part:
        part.write_bytes(content)
