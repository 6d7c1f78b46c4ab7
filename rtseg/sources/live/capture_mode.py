"""Chooses the format in which a camera is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy.typing as npt

from rtseg.errors import SourceError
from rtseg.sources.pixels.pixel_formats import FOURCC

_FLUENT_FPS = 25.0  # frames a second: a lossless format with fewer gives way to a faster one
_SAME_RATE = 0.98  # ratio from which two rates count as equal, such as 59.94 and 60


class Capture(Protocol):
    """Declares the part of `cv2.VideoCapture` that is used."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def set(self, prop: int, value: float, /) -> bool: ...
    def get(self, prop: int, /) -> float: ...
    def read(self) -> tuple[bool, npt.NDArray[Any]]: ...
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CaptureMode:
    """Describes a format that a camera delivers."""

    form: str  # a key of FOURCC
    height: int  # pixels
    width: int  # pixels
    fps: float  # frames a second, 0 where the driver reports none

    def __str__(self) -> str:
        return f"{self.form} {self.width}x{self.height} at {self.fps:.4g} fps"


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Holds the format requested of a camera; None keeps the camera's own."""

    size: tuple[int, int] | None = None  # (height, width) in pixels
    fps: float | None = None  # frames a second
    form: str | None = None  # a key of FOURCC

    def is_met_by(self, mode: CaptureMode) -> bool:
        """Return whether a mode satisfies the request; a camera's 59.94 counts as 60."""
        sized = self.size is None or self.size == (mode.height, mode.width)
        return sized and (self.fps is None or mode.fps >= 0.98 * self.fps) and self.form in (None, mode.form)


@dataclass(frozen=True, slots=True)
class Negotiated:
    """Holds the result of a negotiation."""

    mode: CaptureMode  # as set
    reason: str  # why it was chosen, in words


def negotiate(capture: Capture, request: CaptureRequest, offered: Sequence[CaptureMode] = ()) -> CaptureMode:
    """Set the format that `choose` finds, and return it."""
    return choose(capture, request, offered).mode


def choose(capture: Capture, request: CaptureRequest, offered: Sequence[CaptureMode] = ()) -> Negotiated:
    """Set the format in which the camera is read best.

    With a requested rate or format it is the first in FOURCC's order, which begins without loss, that satisfies the request;
    else the fastest, and among equally fast ones the first. Without a requested size the camera's own is kept. offered: the
    modes that the driver lists, which state the rates that can be set. Raises SourceError with the modes of the camera.
    """
    given, fitting = list[CaptureMode](), list[CaptureMode]()
    for form in [request.form] if request.form else FOURCC:
        mode = _try_format(capture, form, request)
        if mode and request.fps is None:
            mode = replace(mode, fps=max([mode.fps, *_rates(offered, mode)]))
        if mode and request.is_met_by(mode):
            if request.fps:
                return Negotiated(mode, "the first that gives the requested rate, a format without loss before one with")
            fitting.append(mode)
        given += [mode] if mode else []
    if fitting:
        return _set_fastest(capture, request, fitting)
    offers = "; ".join(dict.fromkeys(map(str, given))) or "none of " + ", ".join([request.form] if request.form else FOURCC)
    raise SourceError(f"the camera does not give what was asked for, but {offers}: ask for that, or leave the options out")


def _set_fastest(capture: Capture, request: CaptureRequest, fitting: list[CaptureMode]) -> Negotiated:
    highest = max(mode.fps for mode in fitting)
    best = next(mode for mode in fitting if mode.fps >= _SAME_RATE * highest)
    found = _try_format(capture, best.form, replace(request, fps=best.fps or None)) or best
    slower = [mode for mode in fitting if mode.fps < _SAME_RATE * highest]
    reason = "the only format" if len(fitting) == 1 else "the first of the fastest, a format without loss before one with"
    if slower:
        reason = f"the fastest; slower: {'; '.join(map(str, slower))}"
    if highest < _FLUENT_FPS:
        reason += f"; less than {_FLUENT_FPS:g} fps: ask for a smaller size, or use a faster port"
    return Negotiated(found, reason)


def _rates(offered: Sequence[CaptureMode], mode: CaptureMode) -> list[float]:
    """Return the rates that the driver lists for a format and size."""
    return [one.fps for one in offered if (one.form, one.height, one.width) == (mode.form, mode.height, mode.width)]


def _try_format(capture: Capture, form: str, request: CaptureRequest) -> CaptureMode | None:
    code = cv2.VideoWriter.fourcc(*FOURCC[form])
    capture.set(cv2.CAP_PROP_FOURCC, code)
    if request.size:
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, request.size[0])
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, request.size[1])
    if request.fps:
        capture.set(cv2.CAP_PROP_FPS, request.fps)
    if int(capture.get(cv2.CAP_PROP_FOURCC)) != code:
        return None
    height, width = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    return CaptureMode(form, height, width, capture.get(cv2.CAP_PROP_FPS))
