"""Captures a part of this machine's screen, for scanners whose own program shows the image beside rtseg."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter_ns
from typing import Any
from urllib.parse import parse_qs

import cv2
import numpy as np

from rtseg.errors import ConfigError, MissingExtra, SourceError
from rtseg.frame import Frame, Image, Spacing, StreamInfo
from rtseg.sources.base import DEFAULT_FPS, stream_info
from rtseg.sources.pixels.intensity import ColorLatch

try:
    import mss
except ImportError as error:
    raise MissingExtra("a screen: source", "screen") from error

_NO_SCREEN = "run rtseg in a session with a screen (DISPLAY on Linux; Wayland lets no program look), and allow screen recording"


class ScreenSource:
    """Captures a region of the screen `fps` times a second; it is live, so that a slow reader misses frames.

    region: left, top, width, height in pixels of all monitors together; None for the first monitor. A missed capture leaves
    a gap in the index. Raises SourceError, ConfigError.
    """

    def __init__(
        self, region: tuple[int, int, int, int] | None = None, fps: float = DEFAULT_FPS, spacing_mm: Spacing | None = None
    ) -> None:
        with _screen_capture() as capture:
            self._area = _area(capture, region)
            height, width = _grab(capture, self._area).shape[:2]
        self._info = stream_info(height, width, fps, spacing_mm).as_live()
        self._closed = threading.Event()

    @property
    def info(self) -> StreamInfo:
        """Return the region's size and the capture rate."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        grey, starts_ns, period_ns = ColorLatch(), perf_counter_ns(), self._info.period_ns
        index = 0
        with _screen_capture() as capture:
            while not self._closed.wait(max(0, starts_ns + index * period_ns - perf_counter_ns()) / 1e9):
                image = grey.apply(_grab(capture, self._area))
                yield Frame(image, index, perf_counter_ns())
                index = max(index + 1, (perf_counter_ns() - starts_ns) // period_ns)

    def close(self) -> None:
        """End the stream."""
        self._closed.set()


def open_screen(words: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> ScreenSource:
    """Open what follows `screen:`: nothing for the first monitor, or LEFT,TOP,WIDTH,HEIGHT, then perhaps `?fps=30`.

    Raises ConfigError, SourceError.
    """
    place, _, options = words.partition("?")
    known = parse_qs(options, keep_blank_values=True)
    if set(known) - {"fps"}:
        raise ConfigError(f"screen: knows no option {sorted(set(known) - {'fps'})[0]!r}: give ?fps=30 or nothing")
    try:
        numbers = [int(word) for word in place.split(",")] if place else []
        rate = fps if fps is not None else float(known.get("fps", [str(DEFAULT_FPS)])[-1])
    except ValueError:
        numbers, rate = [0], 0.0
    if len(numbers) not in (0, 4) or not rate:
        raise ConfigError(f"screen:{words} is no part of a screen: give screen:LEFT,TOP,WIDTH,HEIGHT in pixels, or screen:")
    return ScreenSource((numbers[0], numbers[1], numbers[2], numbers[3]) if numbers else None, rate, spacing_mm)


@contextmanager
def _screen_capture() -> Iterator[Any]:
    """Open the screen for capture, and close it at the end. Raises SourceError where there is none."""
    try:
        capture = mss.MSS()
    except Exception as error:
        raise SourceError(f"the screen cannot be looked at ({error}): {_NO_SCREEN}") from error
    try:
        yield capture
    finally:
        with suppress(Exception):  # fails for a screen that has gone, which the capture reported
            capture.close()


def _area(capture: Any, region: tuple[int, int, int, int] | None) -> dict[str, int]:
    """Return the region as mss names it. Raises ConfigError where it does not lie on the screen."""
    every, first = capture.monitors[0], capture.monitors[min(1, len(capture.monitors) - 1)]
    if region is None:
        return {side: first[side] for side in ("left", "top", "width", "height")}
    left, top, width, height = region
    right, bottom = every["left"] + every["width"], every["top"] + every["height"]
    inside = every["left"] <= left and every["top"] <= top and left + width <= right and top + height <= bottom
    if not inside or width < 1 or height < 1:
        raise ConfigError(
            f"screen:{left},{top},{width},{height} does not lie on the screen, which reaches from "
            f"{every['left']},{every['top']} to {right},{bottom}: give LEFT,TOP,WIDTH,HEIGHT inside it"
        )
    return {"left": left, "top": top, "width": width, "height": height}


def _grab(capture: Any, area: dict[str, int]) -> Image:
    """Return the region's pixels (H, W, 3) RGB, uint8. Raises SourceError."""
    try:
        seen = capture.grab(area)
        pixels = np.frombuffer(seen.raw, np.uint8).reshape(seen.height, seen.width, 4)
    except Exception as error:
        raise SourceError(f"the screen can no longer be looked at ({error}): {_NO_SCREEN}") from error
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)
