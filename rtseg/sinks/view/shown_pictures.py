"""Remember the pictures that were drawn for viewers, so that a place in one of them is found in the frame it shows."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from rtseg.errors import ConfigError
from rtseg.frame import Life
from rtseg.result import Result
from rtseg.session.prompts import Point

MAX_STALE_S = 1.0  # by which the frames went on since a picture at which a viewer points
_CAPACITY = 512  # pictures, which is 8 s at 60 a second
_NEW_VIEW = (Life.NEW, Life.CUT)


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """Holds what a picture shows."""

    size: tuple[int, int]
    """Height and width of the frame in pixels."""
    panels: int
    """Number of drawings of the frame, side by side."""
    captured_ns: int
    """Time of the frame's capture, by `perf_counter_ns`."""
    view: int
    """Counts the views of the stream; a cut begins another one."""
    is_withheld: bool
    """Whether the frame's ultrasound is redacted."""

    def pixel(self, point: Point) -> Point:
        """Return the pixel (x, y) of the frame at a point of the picture, given in shares of its width and height.

        Raises ConfigError outside the picture.
        """
        if not all(0 <= share <= 1 for share in point):
            raise ConfigError("that is outside the picture: point at a structure in it")
        return self._pixel(point, self._panel(point[0]))

    def box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Return left, top, width and height in pixels of the frame of a box in shares of the picture, cut off at its border.

        Raises ConfigError for a box whose center is outside, or one that is smaller than a pixel.
        """
        self.pixel((left + width / 2, top + height / 2))
        panel = self._panel(left + width / 2)
        (x0, y0), (x1, y1) = (self._pixel(corner, panel) for corner in ((left, top), (left + width, top + height)))
        if x1 - x0 < 1 or y1 - y0 < 1:
            raise ConfigError("the box is smaller than a pixel: drag it around a structure")
        return x0, y0, x1 - x0, y1 - y0

    def _panel(self, share: float) -> int:
        return min(self.panels - 1, int(share * self.panels))

    def _pixel(self, point: Point, panel: int) -> Point:
        height, width = self.size
        x, y = (point[0] * self.panels - panel) * width - 0.5, point[1] * height - 0.5  # the center of a pixel is its place
        return round(min(max(x, 0.0), width - 1.0), 1), round(min(max(y, 0.0), height - 1.0), 1)


class ShownPictures:
    """Numbers the pictures that are drawn, and returns what one of the last 512 shows. Callable from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._shown: OrderedDict[int, ShownPicture] = OrderedDict()
        self._number = self._view = 0
        self._size = (0, 0)
        self._moved_ns = 0  # capture of the newest frame that is not a repetition

    @property
    def view(self) -> int:
        """Return the count of the views so far."""
        return self._view

    @property
    def moved_ns(self) -> int:
        """Return the time of capture of the newest frame that differs from the one before it."""
        return self._moved_ns

    def begin(self) -> None:
        """Begin another stream: nothing can be pointed at in the pictures of the one before."""
        with self._lock:
            self._view += 1

    def observe(self, result: Result) -> None:
        """Note a frame, whether or not it is drawn."""
        frame, life = result.frame, result.segmentation.life
        with self._lock:
            if life in _NEW_VIEW or (frame.height, frame.width) != self._size:
                self._view += 1
                self._size = (frame.height, frame.width)
            if life is not Life.HELD:
                self._moved_ns = frame.captured_ns

    def add(self, result: Result, width: int) -> int:
        """Return the number of a picture of a result, from 1. width: of the picture in pixels."""
        frame, is_withheld = result.frame, bool(result.redaction and result.redaction.is_withheld)
        panels = max(1, round(width / frame.width))
        with self._lock:
            self._number += 1
            size = frame.height, frame.width
            self._shown[self._number] = ShownPicture(size, panels, frame.captured_ns, self._view, is_withheld)
            if len(self._shown) > _CAPACITY:
                self._shown.popitem(last=False)
            return self._number

    def pointed(self, number: int | None) -> ShownPicture:
        """Return the picture at which a viewer points. number: None for the newest.

        Raises ConfigError where it does not show what the newest frame shows.
        """
        with self._lock:
            found = self._shown.get(self._number if number is None else number)
            view, moved_ns = self._view, self._moved_ns
        if found is None:
            raise ConfigError("the picture that you pointed at is gone: point at the one that is shown")
        if found.view != view:
            raise ConfigError("the view changed since you pointed: point at the picture that is shown now")
        if (stale_s := (moved_ns - found.captured_ns) / 1e9) > MAX_STALE_S:
            raise ConfigError(f"the picture that you pointed at is {stale_s:.1f} s old: point at one that is newer")
        if found.is_withheld:
            raise ConfigError("the ultrasound is withheld from the picture: point at it once it is shown")
        return found
