"""Writes ONNX files atomically, and refuses to overwrite what they are made of."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtseg.errors import ModelError, RtsegError
from rtseg.output.atomic_file import atomic_path


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
