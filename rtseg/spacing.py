"""Choose the pixel spacing of each frame of a stream: the frame's own, the stream's, or the user's."""

import math
from dataclasses import replace
from typing import TypeAlias

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Spacing, StreamInfo

GivenSpacing: TypeAlias = Spacing | float
"""Millimeters per pixel (down, along); or one number, the height of a pixel, whose width follows from its aspect."""

_TOLERANCE = 1e-6  # relative: two statements of the same spacing


class StreamSpacing:
    """Holds what is known of a stream's spacing, and chooses that of each frame.

    A frame's own spacing wins. That of the stream's description holds for frames of the first size, until a frame states its
    own; from then on a frame without one has none. given: the user's spacing, which replaces what the source states for the
    first frame. Where the source states another spacing later, as after a change of depth, the user's value changes in the
    same ratio; where the size changes and the source states nothing, there is none. Raises ConfigError.
    """

    def __init__(self, given: GivenSpacing | None = None) -> None:
        check_given(given)
        self.given = given
        self._info: StreamInfo | None = None
        self._first: Spacing | None = None  # as stated for the first frame
        self._first_size: tuple[int, int] | None = None
        self._is_per_frame = False

    def begin(self, info: StreamInfo) -> None:
        """Start a stream that the source describes by `info`."""
        self._info, self._first_size = info, (info.height, info.width)
        self._first, self._is_per_frame = info.spacing_mm, False

    def of(self, frame: Frame) -> Spacing | None:
        """Return the spacing of the stream's next frame, (down, along) in mm; None where it is unknown."""
        return self.choose((frame.height, frame.width), own_spacing(frame), frame.pixel_aspect)

    def choose(self, size: tuple[int, int], own: Spacing | None, pixel_aspect: float = 1.0) -> Spacing | None:
        """Return the spacing of the stream's next frame, of which size (H, W), own spacing and pixel aspect are known."""
        is_first = self._first_size is None
        self._first_size = self._first_size or size
        if is_first and self._info is None:
            self._first = own
        self._is_per_frame = self._is_per_frame or own is not None
        stated = own
        if not self._is_per_frame and self._info is not None and size == self._first_size:
            stated = self._info.spacing_mm
        return self._chosen(stated, size, pixel_aspect)

    def _chosen(self, stated: Spacing | None, size: tuple[int, int], aspect: float) -> Spacing | None:
        """Return the user's spacing where it still holds, and what the source states where there is none."""
        if self.given is None:
            return stated
        given = spacing_pair(self.given, aspect)
        if stated is None:
            holds = size == self._first_size and not self._is_per_frame
            return given if holds else None
        if self._first is None:
            return stated  # the source stated none at first, so that there is no ratio
        if all(math.isclose(now, first, rel_tol=_TOLERANCE) for now, first in zip(stated, self._first, strict=True)):
            return given
        return given[0] * stated[0] / self._first[0], given[1] * stated[1] / self._first[1]


def own_spacing(frame: Frame) -> Spacing | None:
    """Return the spacing that a frame states, its own or that of its origin; None where it states none."""
    if frame.spacing_mm is not None or frame.origin is None:
        return frame.spacing_mm
    return frame.origin.spacing_mm


def spacing_pair(given: GivenSpacing, pixel_aspect: float) -> Spacing:
    """Return (down, along) in mm; one number is the height of a pixel, and its width follows from `pixel_aspect`."""
    return given if isinstance(given, tuple) else (float(given), float(given) * pixel_aspect)


def with_spacing(info: StreamInfo, given: GivenSpacing | None) -> StreamInfo:
    """Return a stream's description with the user's spacing in place of the source's, where there is one."""
    return info if given is None else replace(info, spacing_mm=spacing_pair(given, info.pixel_aspect))


def check_given(given: GivenSpacing | None) -> None:
    """Raise ConfigError unless `given` is None, a positive number, or two of them."""
    values = given if isinstance(given, tuple) else (given, given)
    is_right = given is None or (len(values) == 2 and all(_is_positive(value) for value in values))
    if not is_right:
        raise ConfigError(f"a pixel size of {given!r} is not possible: give one positive number or two, in mm a pixel")


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
