"""Reads a frame grabber or webcam on Linux, through OpenCV's V4L2.

FFmpeg would request as many buffers as the driver has, of which up to 32 may be stale, and block without a time-out. OpenCV
takes two buffers, blocks with a time-out, and returns the kernel's timestamp.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns

import cv2

from rtseg.errors import SourceError, SourceNotFound
from rtseg.frame import Frame, Origin, Spacing, StreamInfo
from rtseg.sources.base import DEFAULT_FPS, SourceDiagnostics, stream_info
from rtseg.sources.live.capture_mode import Capture, CaptureMode, CaptureRequest, choose, negotiate
from rtseg.sources.live.clock import SourceClock
from rtseg.sources.live.v4l2_modes import list_modes
from rtseg.sources.pixels.pixel_formats import RawReader
from rtseg.system.process_environment import default_variable

__all__ = ["BUFFERS", "CaptureMode", "CaptureRequest", "V4l2Link", "devices", "negotiate", "usb_speed"]

BUFFERS = 2  # one is being filled while the other is read
_MAX_BROKEN = 30
_MAX_DELAY_NS = 10_000_000_000


class V4l2Link:
    """Reads one opening of a V4L2 device; it ends with SourceError when the device is unplugged or silent.

    path: as in /dev/video0. fps: overrides the driver's rate. capture: opens the device. mode: the negotiated format, and
    reason: why. offered: the modes that the driver lists. damaged: buffers without a whole picture. Raises SourceError,
    SourceNotFound.
    """

    def __init__(
        self,
        path: str,
        request: CaptureRequest,
        *,
        fps: float | None = None,
        spacing_mm: Spacing | None = None,
        capture: Callable[[str], Capture] | None = None,
    ) -> None:
        self._path, self._spacing_mm, self._clock = path, spacing_mm, SourceClock()
        self._closed, self._given, self.damaged = False, 0, 0
        self._capture = (capture or _open)(path)
        try:
            if not self._capture.isOpened():
                raise _opening_error(path)
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
            self.offered = list_modes(path)
            chosen = choose(self._capture, request, self.offered)
            self.mode, self.reason = chosen.mode, chosen.reason
            rate = fps or self.mode.fps or request.fps or DEFAULT_FPS
            self._info = stream_info(self.mode.height, self.mode.width, rate, spacing_mm)
        except BaseException:
            self._capture.release()
            raise
        self._reader = RawReader(self.mode.form, (self.mode.height, self.mode.width))

    @property
    def info(self) -> StreamInfo:
        """Return the negotiated size and rate."""
        return self._info

    def diagnostics(self) -> SourceDiagnostics:
        """Return the format, the damaged pictures and the jumps of the clock so far."""
        return SourceDiagnostics(
            self.format, self.damaged, self._clock.jumps, modes=tuple(map(str, self.offered)), reason=self.reason
        )

    @property
    def format(self) -> str:
        """Return the negotiated format in words."""
        return f"v4l2, {self.mode}, {BUFFERS} buffers"

    def __iter__(self) -> Iterator[Frame]:
        try:
            broken = 0
            while not self._closed and broken < _MAX_BROKEN:
                frame = self._next()
                broken = 0 if frame else broken + 1
                if frame and not self._closed:
                    yield frame
        finally:
            self._capture.release()
        if not self._closed:
            raise SourceError(f"{self._path} gives broken pictures: check its cable, or ask for a smaller size or rate")

    def close(self) -> None:
        """End the stream; a pending picture is not yielded."""
        self._closed = True

    def _next(self) -> Frame | None:
        """Return the next picture as a frame, None where it is broken. Raises SourceError."""
        there, raw = self._capture.read()
        if not there:
            raise SourceError(f"{self._path} gives no picture any more: check that it is plugged in, and has a signal")
        image = self._reader.read(raw.view("u1"))
        index, self._given = self._given, self._given + 1
        if image is None:
            self.damaged += 1
            return None
        now_ns = perf_counter_ns()
        return Frame(image, index, now_ns, self._origin(now_ns))

    def _origin(self, now_ns: int) -> Origin | None:
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        if stamp_ns <= 0:
            return None
        # On Linux the kernel's monotonic clock is that of `perf_counter_ns`; any other clock is mapped to it.
        on_our_clock = 0 <= now_ns - stamp_ns < _MAX_DELAY_NS
        corrected_ns = stamp_ns if on_our_clock else self._clock.correct(stamp_ns, now_ns)
        return Origin(self._path, stamp_ns, corrected_ns, self._spacing_mm)


def _open(path: str) -> Capture:
    number = Path(path).resolve().name.removeprefix("video")  # /dev/v4l/by-id/... are links to the numbered ones
    with default_variable("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2"):  # read at each opening; the default is ten seconds
        return cv2.VideoCapture(int(number) if number.isdecimal() else path, cv2.CAP_V4L2)


def _opening_error(path: str) -> SourceError:
    """Return the error that says why a device could not be opened."""
    if not Path(path).exists():
        there = ", ".join(str(one) for one in devices()) or "none"
        return SourceNotFound(f"there is no camera {path} (there are: {there}): plug it in, or name another")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        remedy = {
            errno.EACCES: "add yourself to the group `video`",
            errno.EBUSY: "end the program that uses it",
        }.get(error.errno or 0, "check the device")
        return SourceError(f"{path} cannot be opened ({error.strerror}): {remedy}")
    return SourceError(f"{path} is no camera, or another program uses it: see `v4l2-ctl --list-devices`")


def devices() -> list[Path]:
    """Return the V4L2 devices of this machine."""
    return sorted(Path("/dev").glob("video[0-9]*"), key=lambda path: int(path.name.removeprefix("video")))


def usb_speed(device: str, root: Path = Path("/sys")) -> float | None:
    """Return the megabits a second of a V4L2 device's USB port; None where it has none, or it is unknown.

    device: as in /dev/video0. Source: Linux's sysfs, Documentation/ABI/testing/sysfs-bus-usb.
    """
    place = (root / "class/video4linux" / Path(device).resolve().name).resolve()
    for folder in (place, *place.parents):
        with suppress(OSError, ValueError):
            return float((folder / "speed").read_text())
    return None
