"""Limit the number of pixels of one image, before anything is decoded."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rtseg.errors import ConfigError, SourceError

DEFAULT_MAX_PIXELS = 1 << 26  # 67 megapixels: twice an 8K picture of 7680 x 4320
MAX_PIXELS_VARIABLE = "RTSEG_MAX_PIXELS"  # of the environment: the limit of a whole process
_LARGEST = (1 << 31) - 1  # FFmpeg's own limit

_limit: ContextVar[int | None] = ContextVar("rtseg_max_pixels", default=None)


def max_pixels() -> int:
    """Return the most pixels that an image of a source or a dataset may have here.

    That is the limit of the innermost `pixel_limit`, else of the environment variable RTSEG_MAX_PIXELS, else the default.
    Raises ConfigError for a variable that is no limit.
    """
    limit = _limit.get()
    if limit is not None:
        return limit
    text = os.environ.get(MAX_PIXELS_VARIABLE)
    return check_max_pixels(text, MAX_PIXELS_VARIABLE) if text else DEFAULT_MAX_PIXELS


@contextmanager
def pixel_limit(pixels: int) -> Iterator[None]:
    """Set the most pixels of an image inside the context, and in the threads that rtseg starts there. Raises ConfigError."""
    before = _limit.set(check_max_pixels(pixels, "the limit"))
    try:
        yield
    finally:
        _limit.reset(before)


def check_max_pixels(pixels: int | str, name: str = "--max-pixels") -> int:
    """Return a limit of pixels as a number. name: that of the setting, for the message. Raises ConfigError."""
    try:
        limit = int(pixels)
    except ValueError:
        limit = 0
    if not 0 < limit <= _LARGEST:
        raise ConfigError(f"{name} {pixels} is out of range: give a number from 1 to {_LARGEST}")
    return limit


def check_size(name: object, height: int, width: int) -> None:
    """Raise SourceError for an image of more pixels than the limit. name: the input, for the message."""
    if height * width > max_pixels():
        raise SourceError(
            f"{name} has pictures of {width}x{height} pixels, and {max_pixels()} are the most: "
            f"raise that with --max-pixels {height * width} if the input is trusted"
        )
