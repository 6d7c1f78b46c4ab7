"""Opens a frame grabber or webcam of this machine."""

import sys
from collections.abc import Callable

import av
from av.container import InputContainer

from rtseg.errors import ConfigError
from rtseg.frame import Spacing
from rtseg.sources.address import read_options
from rtseg.sources.base import Source
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.live.reconnect import ReconnectingSource
from rtseg.sources.live.v4l2 import CaptureRequest, V4l2Link
from rtseg.sources.pixels.pixel_formats import FOURCC

_OPTIONS = ("size", "fps", "format")
_PIXELS = {"yuyv": "yuyv422", "nv12": "nv12", "rgb24": "rgb24", "bgr24": "bgr24", "grey": "gray"}  # names in FFmpeg


def open_camera(
    where: str, *, fps: float | None = None, spacing_mm: Spacing | None = None, platform: str = sys.platform
) -> ReconnectingSource:
    """Open a camera by number or name: `0`, or `/dev/video0?size=1920x1080&fps=60&format=yuyv`.

    Linux uses V4L2; macOS and Windows use FFmpeg's devices. Raises SourceError, SourceNotFound, ConfigError.
    """
    device, request = parse_camera(where)
    name = f"camera:{device}"

    def open_link() -> Source:
        if platform == "linux":
            path = f"/dev/video{device}" if device.isdecimal() else device
            return V4l2Link(path, request, fps=fps, spacing_mm=spacing_mm)
        return StreamLink(ffmpeg_opener(device, request, platform), LinkSettings(name, fps or request.fps, spacing_mm))

    return ReconnectingSource(open_link, name=name)


def parse_camera(where: str) -> tuple[str, CaptureRequest]:
    """Return the device and the settings requested of it. Raises ConfigError."""
    device, _, text = where.partition("?")
    options = read_options(text, _OPTIONS)
    form = options.get("format")
    if form not in (None, *FOURCC):
        raise ConfigError(f"no format {form!r}: a camera's formats are {', '.join(FOURCC)}")
    return device or "0", CaptureRequest(_size(options.get("size")), _rate(options.get("fps")), form)


def ffmpeg_opener(device: str, request: CaptureRequest, platform: str) -> Callable[[], InputContainer]:
    """Return a function that opens a camera through the platform's FFmpeg device.

    Raises ConfigError for a platform without one.
    """
    forms = {"darwin": ("avfoundation", f"{device}:none"), "win32": ("dshow", f"video={device}")}
    if platform not in forms:
        raise ConfigError(f"cameras of {platform} are not known: pipe one in, as in `ffmpeg -i IN -f nut - | rtseg run -`")
    form, place = forms[platform]
    return lambda: av.open(place, format=form, options=device_options(request), timeout=(10.0, 2.0), metadata_errors="replace")


def device_options(request: CaptureRequest) -> dict[str, str]:
    """Return a request as options of FFmpeg's devices."""
    options = {"fflags": "nobuffer"}
    if request.size:
        options["video_size"] = f"{request.size[1]}x{request.size[0]}"
    if request.fps:
        options["framerate"] = f"{request.fps:g}"
    if request.form == "mjpeg":
        options["vcodec"] = "mjpeg"
    elif request.form:
        options["pixel_format"] = _PIXELS[request.form]
    return options


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ConfigError(f"a camera has no size {text!r}: give WIDTHxHEIGHT, as in 1920x1080")
    return int(height), int(width)


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise ConfigError(f"a camera has no rate {text!r}: give frames a second, as in 60")
    return rate
