"""Writes the files of models and plans atomically."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtseg.errors import ModelError, RtsegError


@contextmanager
def atomic_path(path: Path, prefix: str) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends; if the block raises, `path` is unchanged.

    prefix: the start of the name of the temporary folder beside `path`, which is deleted with its content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as scratch:
        part = Path(scratch) / path.name
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())  # the content must be on the disk before the name refers to it
        part.replace(path)


@contextmanager
def atomic_onnx_path(path: Path, prefix: str, *sources: Path) -> Iterator[Path]:
    """Yield a temporary path for an ONNX file that is made from `sources`, as `atomic_path` does.

    Raises ModelError where `path` does not end in .onnx, is one of the sources, or cannot be written.
    """
    if path.suffix != ".onnx":
        raise ModelError(f"{path} does not end in .onnx, by which a network is known: name an .onnx file to write")
    if path.resolve() in {source.resolve() for source in sources}:
        raise ModelError(
            f"{path} is one of the models it is made of, which nothing could bring back: name another file to write"
        )
    try:
        with atomic_path(path, prefix) as part:
            yield part
    except OSError as error:
        if isinstance(error, RtsegError):
            raise
        raise ModelError(f"{path} cannot be written ({error.strerror or error}): name a file in a folder with space") from error


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_path(path, f".{path.name}-") as part:
        part.write_bytes(content)
