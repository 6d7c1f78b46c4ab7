"""Defines the `Source` protocol and the checks that all sources share."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.frame import Frame, Spacing, StreamInfo

DEFAULT_FPS = 25.0  # frames a second, for images and streams without a rate of their own


class Source(Protocol):
    """Yields a stream's frames once, in order.

    An iteration continues where the last one stopped; a second pass needs a second source.
    """

    @property
    def info(self) -> StreamInfo:
        """Return what is known of the stream before its first frame."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises SourceError where the stream breaks, after every frame that could be read.
        """

    def close(self) -> None:
        """Release everything, from any thread; an iteration in progress ends, and closing twice is harmless."""


def stream_info(
    height: int, width: int, fps: float, spacing_mm: Spacing | None = None, frames: int | None = None
) -> StreamInfo:
    """Return the checked description of a stream that is not live. Raises ConfigError."""
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ConfigError(f"a frame rate of {fps:g} is out of range: give --fps between 0 and 1000 frames a second")
    if spacing_mm is not None and not (len(spacing_mm) == 2 and all(math.isfinite(mm) and mm > 0 for mm in spacing_mm)):
        raise ConfigError(f"a pixel size of {spacing_mm} is not possible: give two positive numbers, in mm a pixel")
    return StreamInfo(height, width, float(fps), spacing_mm=spacing_mm, frames=frames)


def path_exists(path: str | Path) -> bool:
    """Return whether a path exists; no name raises, however odd or long it is."""
    try:
        Path(path).stat()
    except (OSError, ValueError):
        return False
    return True


def existing_file(path: Path) -> Path:
    """Return the path if it is a regular file. Raises SourceNotFound, SourceError."""
    if not path_exists(path):
        raise SourceNotFound(f"{path} does not exist or is out of reach: check the path and its permissions")
    if not path.is_file():
        raise SourceError(f"{path} is not a file: give the file's own path")
    return path
