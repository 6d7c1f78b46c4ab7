"""Tests video files: containers, pixel formats, rates and metadata."""

import av
import numpy as np
import pytest
from av.stream import Disposition
from sources.damage import drain

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.files.video import VideoFile

EVERY = [(name, frames) for name in ("a.mp4", "a.mov", "a.mkv", "a.avi", "a.h264") for frames in (1, 2, 30)] + [("a.ts", 30)]


@pytest.mark.parametrize(("name", "frames"), EVERY)
def test_every_container_gives_every_frame(write_video, grey_frames, name, frames):
    read, error = drain(open_source(str(write_video(name, grey_frames[:frames]))))
    assert error is None
    assert [frame.index for frame in read] == list(range(frames))
    assert all(frame.image.shape == (48, 64) for frame in read)
    assert max(np.abs(frame.image.astype(int) - pixels).mean() for frame, pixels in zip(read, grey_frames, strict=False)) < 4


FORMATS = [
    ("a.mp4", "mpeg4", "yuv420p"),
    ("a.avi", "mjpeg", "yuvj422p"),
    ("a.avi", "rawvideo", "rgb24"),
    ("a.webm", "libvpx-vp9", "yuv420p"),
    ("a.mkv", "ffv1", "gray"),
    ("a.mkv", "ffv1", "gray16le"),
    ("a.mkv", "libx264", "yuv444p"),
    ("a.mkv", "libx264", "yuv420p10le"),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), FORMATS)
def test_every_pixel_format_is_read_as_grey(write_video, grey_frames, name, codec, pix_fmt):
    read, error = drain(open_source(str(write_video(name, grey_frames[:8], codec=codec, pix_fmt=pix_fmt))))
    assert error is None
    assert len(read) == 8
    assert all(frame.image.shape == (48, 64) for frame in read)
    assert np.abs(read[0].image.astype(int) - grey_frames[0]).mean() < 5


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("colour", [False, True])
def test_white_is_255_and_black_is_0_in_either_range(write_video, full_range, colour):
    picture = np.zeros((6, 32, 64, 3), np.uint8)
    picture[:, :, 16:] = 255
    picture[:, :8, 32:, 1:] = 0 if colour else 255  # red
    path = write_video("a.mp4", picture, full_range=full_range, pix_fmt="yuv420p", options={"crf": "1"})
    image = next(iter(open_source(str(path)))).image
    assert image.ndim == (3 if colour else 2)
    assert np.all(image[10:, :14] <= 3)
    assert np.all(image[12:, 20:] >= 252)


def test_colour_is_rgb_and_stays_once_it_appeared(write_video, grey_frames):
    frames = np.repeat(grey_frames[:12, ..., None], 3, axis=3)
    frames[4:6, 8:24, 8:24] = (255, 0, 0)
    read, error = drain(open_source(str(write_video("a.mp4", frames, options={"g": "1"}))))
    assert error is None
    assert [frame.image.ndim for frame in read] == [2] * 4 + [3] * 8
    red, green, blue = read[4].image[16, 16]
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "mjpeg"])
def test_badly_coded_grey_stays_grey(write_video, codec):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (6, 48, 64), np.uint8)  # the coder's worst: white noise
    options = {"crf": "45"} if codec.startswith("lib") else {"qmin": "31", "qmax": "31"}
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    read, error = drain(open_source(str(write_video("a.mkv", frames, codec=codec, options=options, pix_fmt=pix_fmt))))
    assert error is None
    assert [frame.image.ndim for frame in read] == [2] * 6


@pytest.mark.parametrize(("height", "width"), [(33, 35), (16, 250), (47, 61)])
def test_odd_sizes(write_video, height, width):
    frames = np.tile(np.linspace(0, 255, width).astype(np.uint8), (4, height, 1))
    read, _ = drain(open_source(str(write_video("a.mkv", frames, pix_fmt="yuv444p"))))
    assert np.abs(read[0].image.astype(int) - frames[0]).mean() < 4
    assert read[0].image.flags.c_contiguous


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_file_comes_upright(tmp_path, write_video, degrees):
    frames = np.zeros((4, 32, 64), np.uint8)
    frames[:, :16, :32] = 255
    path = write_video("a.mp4", frames)
    turned = tmp_path / "turned.mp4"
    _remux_rotated(path, turned, degrees)
    image = next(iter(open_source(str(turned)))).image
    upright = np.rot90(frames[0], degrees // 90)  # counter-clockwise, as the file says
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() < 4


def _remux_rotated(path, turned, degrees):
    """Write the display matrix (16.16 fixed point) of a counter-clockwise turn into the track header."""
    data = bytearray(path.read_bytes())
    cosine, sine = {90: (0, -1), 180: (-1, 0), 270: (0, 1)}[degrees]
    matrix = np.array([cosine, sine, 0, -sine, cosine, 0, 0, 0, 0x4000], ">i4") * 65536
    matrix[8] = 0x40000000
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = matrix.astype(">i4").tobytes()
    turned.write_bytes(data)


def test_frame_rates(write_video, grey_frames):
    assert open_source(str(write_video("a.mp4", grey_frames, rate=15))).info.fps == 15
    assert open_source(str(write_video("a.mkv", grey_frames[:9], rate=50))).info.fps == pytest.approx(50, rel=0.01)
    assert open_source(str(write_video("a.h264", grey_frames, rate=40))).info.fps == 40  # as its pictures declare
    assert open_source(str(write_video("bare.m4v", grey_frames, codec="mpeg4")), fps=12.5).info.fps == 12.5


def test_raw_h264_without_a_rate_plays_at_25(clips):
    source = open_source(str(clips / "liver_sweep.h264"))
    assert source.info.fps == 25
    assert source.info.frames is None
    source.close()


def test_a_variable_frame_rate_passes_clean(write_video, grey_frames):
    pts = np.cumsum(np.random.default_rng(0).integers(1, 5, 30)).tolist()
    for name in ("a.mp4", "a.mkv"):
        read, error = drain(open_source(str(write_video(name, grey_frames, pts=pts))))
        assert error is None
        assert len(read) == 30


def test_the_info_tells_size_rate_spacing_and_number(write_video, grey_frames):
    info = open_source(str(write_video("a.mp4", grey_frames)), spacing_mm=(0.1, 0.2)).info
    assert (info.height, info.width, info.fps, info.live, info.spacing_mm, info.frames) == (48, 64, 30, False, (0.1, 0.2), 30)


@pytest.mark.parametrize("name", ["liver_sweep.h264", "brachial_screen.mov"])
def test_the_shared_clips_pass_clean(clips, name):
    source = VideoFile(clips / name)
    count, last = 0, None
    for frame in source:
        count, last = count + 1, frame
    assert (count, last.index) == {"liver_sweep.h264": (140, 139), "brachial_screen.mov": (450, 449)}[name]


def test_sound_that_outlasts_the_pictures_is_no_damage(tmp_path, grey_frames):
    for name in ("a.mp4", "a.mkv", "a.mov"):
        with av.open(str(tmp_path / name), "w") as container:
            pictures = container.add_stream("libx264", rate=30)
            pictures.height, pictures.width, pictures.pix_fmt = 48, 64, "yuv420p"
            speech = container.add_stream("aac", rate=16000)
            for pixels in grey_frames[:10]:
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(pixels, "gray")))
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 32000), np.float32), "fltp", "mono")
            sound.sample_rate = 16000
            for stream, last in ((speech, [sound, None]), (pictures, [None])):
                for item in last:
                    container.mux(stream.encode(item))
        read, error = drain(open_source(str(tmp_path / name)))
        assert error is None
        assert len(read) == 10


def test_a_clip_cut_out_without_coding_anew_is_no_damage(tmp_path, write_video, grey_frames):
    path = write_video("a.mp4", grey_frames, options={"g": "10"})
    for name in ("b.mp4", "b.mkv"):
        with av.open(str(path)) as whole, av.open(str(tmp_path / name), "w") as part:
            stream = part.add_stream_from_template(whole.streams.video[0])
            packets = [packet for packet in whole.demux(video=0) if packet.size]
            for packet in packets[10:]:  # from the second key frame on
                packet.stream = stream
                part.mux(packet)
        read, error = drain(open_source(str(tmp_path / name)))
        assert error is None
        assert 17 <= len(read) <= 20


def test_the_size_may_change_within_a_stream(write_video, grey_frames):
    small, large = write_video("a.h264", grey_frames[:6]), write_video("b.h264", np.tile(grey_frames[:6], (1, 2, 2)))
    large.write_bytes(small.read_bytes() + large.read_bytes())
    read, error = drain(open_source(str(large)))
    assert error is None
    assert [frame.image.shape for frame in read] == [(48, 64)] * 6 + [(96, 128)] * 6


def test_cover_art_is_not_taken_for_the_video(tmp_path):
    cover = av.VideoFrame.from_ndarray(np.zeros((32, 32), np.uint8), "gray")
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        art = container.add_stream("mjpeg", rate=1)
        art.height, art.width, art.pix_fmt, art.disposition = 32, 32, "yuvj420p", int(Disposition.attached_pic)
        container.mux(art.encode(cover))
        container.mux(art.encode())
    with pytest.raises(SourceError, match="no video that can be decoded"):
        VideoFile(tmp_path / "song.mp4")
