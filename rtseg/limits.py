"""Limit the number of pixels of one image, before anything is decoded."""

from rtseg.errors import ConfigError, SourceError

DEFAULT_MAX_PIXELS = 1 << 26  # 67 megapixels: twice an 8K picture of 7680 x 4320
_LARGEST = (1 << 31) - 1  # FFmpeg's own limit

_max_pixels = [DEFAULT_MAX_PIXELS]


def max_pixels() -> int:
    """Return the most pixels that an image of a source or a dataset may have in this process."""
    return _max_pixels[0]


def set_max_pixels(pixels: int | None) -> None:
    """Set the most pixels of an image for the whole process; None restores the default. Raises ConfigError."""
    if pixels is not None and not 0 < pixels <= _LARGEST:
        raise ConfigError(f"--max-pixels {pixels} is out of range: give a number from 1 to {_LARGEST}")
    _max_pixels[0] = DEFAULT_MAX_PIXELS if pixels is None else pixels


def check_size(name: object, height: int, width: int) -> None:
    """Raise SourceError for an image of more pixels than the limit. name: the input, for the message."""
    if height * width > max_pixels():
        raise SourceError(
            f"{name} has pictures of {width}x{height} pixels, and {max_pixels()} are the most: "
            f"raise that with --max-pixels {height * width} if the input is trusted"
        )
