"""Tests cameras with a fake `cv2.VideoCapture`: no device is here, so a real grabber remains untested."""

import struct
import time

import av
import cv2
import numpy as np
import pytest
from sources.conftest import speckle
from sources.links import wait_until

from rtseg.connection import LinkState
from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.sources import open_source
from rtseg.sources.live import camera, v4l2
from rtseg.sources.live.capture_mode import choose
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.live.v4l2 import CaptureMode, CaptureRequest, V4l2Link, usb_speed
from rtseg.sources.live.v4l2_modes import list_modes
from rtseg.sources.pixels.pixel_formats import FOURCC, RawReader

LETTERS = {form: cv2.VideoWriter.fourcc(*code) for form, code in FOURCC.items()}


class FakeCapture:
    """Simulates a camera with some modes, the first of them its own; it returns `pictures` in the set format, then fails."""

    def __init__(self, *modes, pictures=(), opened=True, stamp_ms=None):
        self._modes, self._now, self._opened = modes, modes[0] if modes else None, opened
        self._pictures, self._stamp_ms = list(pictures), stamp_ms
        self.asked, self.released = {}, 0

    def isOpened(self):  # noqa: N802  OpenCV's
        return self._opened

    def set(self, prop, value):
        self.asked[prop] = value
        wanted = [mode for mode in self._modes if LETTERS[mode.form] == self.asked.get(cv2.CAP_PROP_FOURCC)]
        size = self.asked.get(cv2.CAP_PROP_FRAME_HEIGHT), self.asked.get(cv2.CAP_PROP_FRAME_WIDTH)
        sized = [mode for mode in wanted if (mode.height, mode.width) == size]
        self._now = (sized or wanted or [self._now])[0]
        return bool(wanted)

    def get(self, prop):
        mode = self._now
        values = {
            cv2.CAP_PROP_FOURCC: LETTERS[mode.form],
            cv2.CAP_PROP_FRAME_HEIGHT: mode.height,
            cv2.CAP_PROP_FRAME_WIDTH: mode.width,
            cv2.CAP_PROP_FPS: mode.fps,
            cv2.CAP_PROP_POS_MSEC: self._stamp_ms() if self._stamp_ms else 0.0,
        }
        return float(values[prop])

    def read(self):
        return (True, self._pictures.pop(0)) if self._pictures else (False, np.zeros(0, np.uint8))

    def release(self):
        self.released += 1


YUYV_SLOW, YUYV_SMALL = CaptureMode("yuyv", 1080, 1920, 5.0), CaptureMode("yuyv", 480, 640, 60.0)
NV12, MJPEG = CaptureMode("nv12", 1080, 1920, 30.0), CaptureMode("mjpeg", 1080, 1920, 60.0)


@pytest.mark.parametrize(
    ("modes", "requested", "chosen"),
    [
        ([MJPEG, YUYV_SMALL], CaptureRequest(), YUYV_SMALL),  # without loss first
        ([MJPEG], CaptureRequest(), MJPEG),
        ([YUYV_SLOW, NV12, MJPEG], CaptureRequest((1080, 1920), 30.0), NV12),
        ([YUYV_SLOW, NV12, MJPEG], CaptureRequest((1080, 1920), 60.0), MJPEG),
        ([YUYV_SLOW, NV12, MJPEG], CaptureRequest((1080, 1920), 5.0, "yuyv"), YUYV_SLOW),
        ([YUYV_SLOW, YUYV_SMALL], CaptureRequest((480, 640)), YUYV_SMALL),
        ([CaptureMode("yuyv", 480, 720, 59.94)], CaptureRequest((480, 720), 60.0), CaptureMode("yuyv", 480, 720, 59.94)),
    ],
)
def test_the_format_is_negotiated(modes, requested, chosen):
    assert v4l2.negotiate(FakeCapture(*modes), requested) == chosen


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        (CaptureRequest((1080, 1920), 60.0, "yuyv"), "but yuyv 1920x1080 at 5 fps: ask for that"),
        (CaptureRequest((720, 1280)), "yuyv 1920x1080 at 5 fps; nv12 1920x1080 at 30 fps"),
        (CaptureRequest(form="rgb24"), "none of rgb24"),
    ],
)
def test_what_a_camera_does_not_give_is_answered_with_what_it_does(requested, words):
    with pytest.raises(SourceError, match=words):
        v4l2.negotiate(FakeCapture(YUYV_SLOW, NV12), requested)


def raw_of(picture, form):
    """Return a buffer as V4L2 would fill it with an RGB image (H, W, 3)."""
    height, width = picture.shape[:2]
    if form == "mjpeg":
        return cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].reshape(1, -1)
    if form == "grey":
        return picture[..., 1].copy()
    if form in ("rgb24", "bgr24"):
        return picture.copy() if form == "rgb24" else picture[..., ::-1].copy()
    pixels = {"yuyv": "yuyv422", "nv12": "nv12"}[form]
    packed = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixels).to_ndarray()
    return packed.reshape(height, width, 2) if form == "yuyv" else packed.reshape(height * 3 // 2, width)


GREY = np.repeat(speckle(1, 48, 64)[0][..., None], 3, axis=2)
RED = np.full((48, 64, 3), (200, 40, 40), np.uint8)


@pytest.mark.parametrize("form", FOURCC)
def test_grey_is_grey_in_every_format(form):
    image = RawReader(form, (48, 64)).read(raw_of(GREY, form))
    assert image.shape == (48, 64)
    assert np.abs(image.astype(int) - GREY[..., 0]).max() <= (12 if form == "mjpeg" else 2)


@pytest.mark.parametrize("form", [form for form in FOURCC if form != "grey"])
def test_colour_is_rgb_and_stays_so(form):
    reader = RawReader(form, (48, 64))
    image = reader.read(raw_of(RED, form))
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - RED).max() <= 8
    assert reader.read(raw_of(GREY, form)).shape == (48, 64, 3)


@pytest.mark.parametrize("form", FOURCC)
def test_a_buffer_cut_short_is_no_picture(form):
    whole = raw_of(RED, form).ravel()
    for size in (11, whole.size // 2, whole.size // 2 // 48 * 48) if form != "mjpeg" else (11,):
        assert RawReader(form, (48, 64)).read(whole[:size]) is None
    assert RawReader(form, (48, 64)).read(whole[:0]) is None


def test_a_jpeg_with_faulty_data_is_no_picture():
    """Test a buffer that lost a packet in the middle, and one that says too early that it ends."""
    whole = raw_of(np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8), "mjpeg").ravel()
    middle = whole.size // 2
    assert RawReader("mjpeg", (48, 64)).read(whole) is not None
    for broken in (np.delete(whole, slice(middle, middle + 200)), np.append(whole[:middle], whole[-2:])):
        assert RawReader("mjpeg", (48, 64)).read(broken) is None


def link(capture, requested=CaptureRequest()):  # noqa: B008  frozen
    return V4l2Link("/dev/video7", requested, capture=lambda path: capture)


def test_frames_come_with_the_kernels_time_and_the_fewest_buffers():
    small, taken = CaptureMode("yuyv", 48, 64, 50.0), []
    buffers = [raw_of(GREY, "yuyv") for _ in range(3)]
    capture = FakeCapture(small, pictures=buffers, stamp_ms=lambda: time.perf_counter_ns() / 1e6 - 7)
    one = link(capture)
    with pytest.raises(SourceError, match="gives no picture any more: check that it is plugged in"):
        taken.extend(one)
    assert [frame.index for frame in taken] == [0, 1, 2]
    assert (one.info.height, one.info.width, one.info.fps) == (48, 64, 50.0)
    assert capture.asked[cv2.CAP_PROP_BUFFERSIZE] == 2
    assert capture.asked[cv2.CAP_PROP_CONVERT_RGB] == 0
    assert capture.released == 1
    for frame in taken:
        assert frame.origin.corrected_ns == frame.origin.timestamp_ns
        assert frame.captured_ns - frame.origin.corrected_ns >= 6_000_000


def test_another_clock_than_ours_is_corrected():
    capture = FakeCapture(
        CaptureMode("yuyv", 48, 64, 50.0), pictures=[raw_of(GREY, "yuyv")] * 3, stamp_ms=lambda: time.time_ns() / 1e6
    )
    frames = iter(link(capture))
    frame = next(frames)
    assert frame.origin.timestamp_ns > 10**18
    assert 0 <= frame.captured_ns - frame.origin.corrected_ns < 10**9


def test_broken_pictures_leave_a_gap_and_too_many_are_an_error():
    good, bad = raw_of(GREY, "mjpeg"), raw_of(GREY, "mjpeg")[:, :20]
    taken = []
    one = link(FakeCapture(CaptureMode("mjpeg", 48, 64, 30.0), pictures=[good, bad, bad, good, *[bad] * 40]))
    with pytest.raises(SourceError, match="gives broken pictures: check its cable"):
        taken.extend(frame.index for frame in one)
    assert taken == [0, 3]
    assert one.damaged == 32


def test_a_grabber_may_be_unplugged_and_plugged_in_again(monkeypatch):
    small = CaptureMode("yuyv", 48, 64, 50.0)
    plugged = [[raw_of(GREY, "yuyv")] * 3, None, [raw_of(RED, "yuyv")] * 2, *[None] * 1000]

    def opened(path):
        pictures = plugged.pop(0)
        return FakeCapture(small, pictures=pictures or (), opened=pictures is not None)

    monkeypatch.setattr(v4l2, "_open", opened)
    source = camera.open_camera("0", platform="linux")
    frames = iter(source)
    taken = [next(frames) for _ in range(5)]
    assert [frame.index for frame in taken][:3] == [0, 1, 2]
    assert taken[3].index > 3
    assert source.counts[LinkState.LOST] == 1
    source.close()
    wait_until(lambda: not list(frames))


def test_what_is_not_there_says_what_is():
    with pytest.raises(SourceNotFound, match=r"there is no camera /dev/video\d+ \(there are: .*\): plug it in"):
        open_source("camera:417")
    with pytest.raises(SourceError, match="/dev/null is no camera"):
        open_source("camera:/dev/null")


@pytest.mark.parametrize(
    ("where", "device", "requested"),
    [
        ("", "0", CaptureRequest()),
        ("2", "2", CaptureRequest()),
        ("/dev/video0?size=1920x1080&fps=60&format=yuyv", "/dev/video0", CaptureRequest((1080, 1920), 60.0, "yuyv")),
        ("USB3. 0 capture?fps=59.94", "USB3. 0 capture", CaptureRequest(None, 59.94)),
    ],
)
def test_an_address_is_read(where, device, requested):
    assert camera.parse_camera(where) == (device, requested)


@pytest.mark.parametrize("text", ["size=1080p", "size=0x0", "fps=fast", "fps=0", "fps=inf", "fps=nan", "format=h264", "zoom=2"])
def test_an_address_that_means_nothing_is_refused(text):
    with pytest.raises(ConfigError, match=r": (give|a camera's formats are|there are)"):
        camera.parse_camera(f"0?{text}")


@pytest.mark.parametrize(("platform", "form", "place"), [("darwin", "avfoundation", "1:none"), ("win32", "dshow", "video=1")])
def test_other_systems_are_asked_in_their_own_words(monkeypatch, platform, form, place):
    asked = []
    monkeypatch.setattr(camera.av, "open", lambda *args, **kwargs: asked.append((args, kwargs)))
    camera.ffmpeg_opener("1", CaptureRequest((1080, 1920), 60.0, "yuyv"), platform)()
    ((args, kwargs),) = asked
    assert args == (place,)
    assert kwargs["format"] == form
    assert kwargs["options"] == {
        "fflags": "nobuffer",
        "video_size": "1920x1080",
        "framerate": "60",
        "pixel_format": "yuyv422",
    }
    assert camera.device_options(CaptureRequest(form="mjpeg"))["vcodec"] == "mjpeg"
    with pytest.raises(ConfigError, match="pipe one in"):
        camera.ffmpeg_opener("1", CaptureRequest(), "sunos5")


def test_a_device_of_ffmpeg_gives_frames():
    def lavfi():
        return av.open("testsrc=size=64x48:rate=30", format="lavfi", options=camera.device_options(CaptureRequest()))

    one = StreamLink(lavfi, LinkSettings("camera:0"))
    frames = [frame for frame, _ in zip(one, range(5), strict=False)]
    one.close()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert (one.info.height, one.info.width, one.info.fps) == (48, 64, 30.0)
    assert one.format == "lavfi, wrapped_avframe, rgb24"


@pytest.mark.parametrize(("speed", "megabits"), [("5000", 5000.0), ("480", 480.0), ("unknown", None), (None, None)])
def test_the_usb_speed_is_read_from_the_device_above(tmp_path, speed, megabits):
    port = tmp_path / "devices/usb2/2-1"
    (port / "2-1:1.0/video4linux/video3").mkdir(parents=True)
    (tmp_path / "class/video4linux").mkdir(parents=True)
    (tmp_path / "class/video4linux/video3").symlink_to(port / "2-1:1.0/video4linux/video3")
    if speed:
        (port / "speed").write_text(f"{speed}\n")
    assert usb_speed("/dev/video3", root=tmp_path) == megabits
    assert usb_speed("/dev/video4", root=tmp_path) is None


SLOW, QUICK = CaptureMode("yuyv", 1080, 1920, 5.0), CaptureMode("mjpeg", 1080, 1920, 30.0)


@pytest.mark.parametrize(
    ("modes", "requested", "chosen", "words"),
    [
        ([SLOW, QUICK], CaptureRequest(), QUICK, "the fastest; slower: yuyv 1920x1080 at 5 fps"),
        ([SLOW, NV12, QUICK], CaptureRequest((1080, 1920)), NV12, "slower: yuyv"),
        ([SLOW], CaptureRequest(), SLOW, "the only format; less than 25 fps: ask for a smaller size"),
        ([SLOW, QUICK], CaptureRequest(form="yuyv"), SLOW, "the only format; less than 25 fps"),
        ([CaptureMode("yuyv", 480, 640, 59.94), CaptureMode("mjpeg", 480, 640, 60.0)], CaptureRequest(), None, "without loss"),
        ([CaptureMode("yuyv", 480, 640, 0.0), CaptureMode("mjpeg", 480, 640, 0.0)], CaptureRequest(), None, "without loss"),
    ],
)
def test_without_a_wish_the_fastest_format_is_taken_and_the_reason_told(modes, requested, chosen, words):
    found = choose(FakeCapture(*modes), requested)
    assert found.mode == (chosen or modes[0])
    assert words in found.reason


def test_the_rates_that_the_driver_lists_decide_and_are_set():
    """Test a driver that is set to 5 frames a second, and lists more in MJPEG."""
    capture = FakeCapture(SLOW, CaptureMode("mjpeg", 1080, 1920, 5.0))
    offered = [SLOW, CaptureMode("mjpeg", 1080, 1920, 15.0), CaptureMode("mjpeg", 1080, 1920, 60.0)]
    assert choose(capture, CaptureRequest(), offered).mode.form == "mjpeg"
    assert capture.asked[cv2.CAP_PROP_FPS] == 60.0


class FakeDriver:
    """Answers the requests that list modes: formats of sizes of rates; `steps` lists sizes and rates in steps."""

    def __init__(self, formats, steps=False):
        self.formats, self.kind = formats, 2 if steps else 1

    def __call__(self, _descriptor, request, data):
        number, index = request & 255, struct.unpack_from("=I", data)[0]
        code = struct.unpack_from("=I", data, 4)[0]
        sizes = self.formats.get(struct.pack("<I", code), {})
        try:
            if number == 2:
                struct.pack_into("<4s", data, 44, list(self.formats)[index])
            elif number == 74:
                width, height = list(sizes)[index]
                values = (width, height) if self.kind == 1 else (16, width, 2, 16, height, 2)
                struct.pack_into(f"=I{len(values)}I", data, 8, self.kind, *values)
            else:
                numerator, denominator = sizes[struct.unpack_from("=2I", data, 8)][index]
                struct.pack_into("=3I", data, 16, self.kind, numerator, denominator)
        except (IndexError, KeyError) as error:
            raise OSError(22, "Invalid argument") from error


@pytest.mark.parametrize("steps", [False, True])
def test_the_modes_of_a_driver_are_listed(tmp_path, steps):
    device = tmp_path / "video0"
    device.touch()
    full = (1920, 1080)
    driver = FakeDriver({b"YUYV": {full: [(1, 5)]}, b"MJPG": {full: [(1, 60)]}, b"H264": {(640, 480): [(0, 1)]}}, steps)
    listed = [str(mode) for mode in list_modes(str(device), driver)]
    assert listed == ["yuyv 1920x1080 at 5 fps", "mjpeg 1920x1080 at 60 fps", "H264 640x480 at 0 fps"]


def test_a_driver_that_lists_without_end_or_nothing(tmp_path):
    device = tmp_path / "video0"
    device.touch()
    endless = lambda _descriptor, request, data: struct.pack_into("=I", data, 8 if request & 255 == 74 else 16, 1)  # noqa: E731
    assert len(list_modes(str(device), endless)) == 512
    assert list_modes(str(device)) == []
    assert list_modes(str(tmp_path / "video9"), endless) == []


def test_the_link_tells_its_modes_and_the_reason(monkeypatch):
    monkeypatch.setattr(v4l2, "list_modes", lambda _path: [SLOW, QUICK])
    one = V4l2Link("/dev/video0", CaptureRequest(), capture=lambda _path: FakeCapture(SLOW, QUICK))
    found = one.diagnostics()
    assert found.modes == ("yuyv 1920x1080 at 5 fps", "mjpeg 1920x1080 at 30 fps")
    assert found.reason.startswith("the fastest; slower: yuyv")
    assert "mjpeg 1920x1080 at 30 fps" in found.format
