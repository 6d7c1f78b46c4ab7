"""Tests which stream of a file is its film, how it is shown, at which times, and what of it is left out."""

import math
import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from av.video.frame import PictureType
from PIL import Image
from sources.damage import drain

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.files.video import VideoFile

ONE = 1 << 16
MATRICES = {  # by EXIF's Orientation: a, b, c, d of the display matrix
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def _turned(path, target, orientation):
    """Write a display matrix into the track header of an MP4 or MOV file."""
    a, b, c, d = (round(ONE * value) for value in MATRICES.get(orientation, orientation))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("orientation", MATRICES)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_display_matrix_is_applied_as_a_whole(tmp_path, write_video, orientation, suffix):
    stored = np.zeros((4, 32, 64), np.uint8)
    stored[:, :16, :32] = 250
    stored[:, :8, 40:] = 120
    picture = stored[0]
    shown = {2: picture[:, ::-1], 3: picture[::-1, ::-1], 4: picture[::-1], 5: picture.T, 7: picture[::-1, ::-1].T}
    expected = {**shown, 1: picture, 6: np.rot90(picture, -1), 8: np.rot90(picture)}[orientation]
    path = _turned(write_video(f"a{suffix}", stored), tmp_path / f"turned{suffix}", orientation)
    read, error = drain(open_source(str(path)))
    assert (len(read), error) == (4, None)
    assert all(frame.image.shape == expected.shape for frame in read)
    assert max(np.abs(frame.image.astype(int) - expected).mean() for frame in read) < 4


@pytest.mark.parametrize(("degrees", "is_mirrored"), [(10, False), (45, False), (100, False), (355, True)])
def test_a_film_that_is_turned_by_no_right_angle_is_refused(tmp_path, write_video, degrees, is_mirrored):
    turn, side = math.radians(degrees), -1 if is_mirrored else 1
    matrix = (side * math.cos(turn), side * math.sin(turn), -math.sin(turn), math.cos(turn))
    path = _turned(write_video("a.mp4", np.zeros((4, 32, 64), np.uint8)), tmp_path / "turned.mp4", matrix)
    with pytest.raises(SourceError, match=r"turned by \d+ degrees, and rtseg turns by right angles alone: convert it"):
        drain(open_source(str(path)))


def _add_stills(container, codec, pictures, rate):
    stream = container.add_stream(codec, rate=rate)
    stream.height, stream.width, stream.pix_fmt = 32, 48, "yuvj420p" if codec == "mjpeg" else "rgb24"
    return stream, [av.VideoFrame.from_ndarray(np.full((32, 48), 30 + shade, np.uint8), "gray") for shade in range(pictures)]


def _write_beside(path, frames, codec, stills, first):
    """Write a film of H.264 with a series of thumbnails in front of it, or behind."""
    with av.open(str(path), "w") as container:
        covers = _add_stills(container, codec, stills, 1) if first else None
        film = container.add_stream("libx264", rate=25)
        film.height, film.width, film.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        covers = covers or _add_stills(container, codec, stills, 1)
        for stream, pictures in (covers, (film, [av.VideoFrame.from_ndarray(pixels, "gray") for pixels in frames])):
            for picture in [*pictures, None]:
                container.mux(stream.encode(picture))
    return path


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "mjpeg"), (".mp4", "mjpeg"), (".mp4", "png"), (".mov", "mjpeg"), (".mov", "png")]
)
@pytest.mark.parametrize("stills", [1, 3])
@pytest.mark.parametrize("first", [True, False])
def test_the_film_is_read_and_no_thumbnail(tmp_path, grey_frames, suffix, codec, stills, first):
    path = _write_beside(tmp_path / f"a{suffix}", grey_frames[:12], codec, stills, first)
    read, error = drain(open_source(str(path)))
    assert (len(read), error) == (12, None)
    assert all(frame.image.shape == (48, 64) for frame in read)


def test_a_film_of_stills_with_nothing_beside_it_is_read(write_video, grey_frames):
    read, _ = drain(open_source(str(write_video("a.mkv", grey_frames[:5], codec="mjpeg", pix_fmt="yuvj420p"))))
    assert len(read) == 5


VARIABLE = [0, 1, 2, 12, 13, 60, 61, 400]  # frames of a thirtieth of a second


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.mov", "a.ts"])
def test_frames_have_the_times_of_the_file(write_video, grey_frames, name):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    read, error = drain(open_source(str(write_video(name, grey_frames[:8], pts=VARIABLE, codec=codec))))
    assert error is None
    assert [frame.index for frame in read] == list(range(8))
    seconds = [frame.presentation_ns / 1e9 for frame in read]
    assert seconds == pytest.approx([number / 30 for number in VARIABLE], abs=0.002)


def test_a_rate_of_the_user_replaces_the_times(write_video, grey_frames):
    read, _ = drain(open_source(str(write_video("a.mkv", grey_frames[:8], pts=VARIABLE)), fps=10))
    assert [frame.presentation_ns for frame in read] == [number * 100_000_000 for number in range(8)]


def _with_default_duration(path, nanoseconds):
    """Replace the DefaultDuration of the track of a Matroska file, which FFmpeg takes for the rate."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x23\xe3\x83")
    size = data[at + 3] & 0x7F
    data[at + 4 : at + 4 + size] = nanoseconds.to_bytes(size, "big")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("nanoseconds", [1_000_000, 11_111, 4_000_000_000])
def test_an_absurd_rate_is_measured_by_the_times(write_video, grey_frames, nanoseconds):
    path = _with_default_duration(write_video("a.mkv", grey_frames, rate=25), nanoseconds)
    source = open_source(str(path))
    assert source.info.fps == pytest.approx(25, rel=0.02)
    read, error = drain(source)
    assert (len(read), error) == (30, None)


def test_pixels_that_are_not_square_are_seen(tmp_path, grey_frames):
    for name in ("a.mp4", "a.mkv", "a.mov"):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
            for pixels in grey_frames[:3]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "gray")))
            container.mux(stream.encode())
        source = open_source(str(tmp_path / name))
        assert source.info.pixel_aspect == pytest.approx(16 / 11, rel=0.01)
        assert [frame.pixel_aspect for frame in source] == pytest.approx([16 / 11] * 3, rel=0.01)
    turned = VideoFile(_turned(tmp_path / "a.mp4", tmp_path / "turned.mp4", 6))
    assert turned.info.pixel_aspect == pytest.approx(11 / 16, rel=0.01)


def _packets(path):
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size, packet.is_keyframe) for packet in container.demux(video=0) if packet.size]


@pytest.fixture
def film(write_video):
    """Return write(name), which writes 40 frames, a key frame every tenth, and returns path and frames."""

    def write(name):
        rng = np.random.default_rng(3)
        frames = np.stack([cv2.resize(rng.integers(0, 256, (12, 16), np.uint8), (64, 48)) for _ in range(40)])
        codec = "libvpx" if name.endswith("webm") else "libx264"
        options = {"g": "10", "keyint_min": "10", "bf": "0", "sc_threshold": "0", "crf": "10", "b": "2M", "auto-alt-ref": "0"}
        known = {key: value for key, value in options.items() if codec == "libvpx" or key not in ("auto-alt-ref", "b")}
        return write_video(
            name, frames, rate=25, codec=codec, options=known, movflags="faststart" if "mp4" in name else None
        ), frames

    return write


def _assert_right_where_given(read, error, frames, lost):
    """Check that what is given is the right picture of its index, that the lost one is not, and that all is told."""
    indices = [frame.index for frame in read]
    key_after = lost // 10 * 10 + 10
    assert lost not in indices
    assert not set(range(lost, key_after)) & set(indices)
    assert set(range(lost - lost % 10, lost - 1)) | set(range(key_after, 40)) <= set(indices)
    assert max(np.abs(frame.image.astype(int) - frames[frame.index]).mean() for frame in read) < 12
    assert all(frame.presentation_ns == pytest.approx(frame.index * 40_000_000, abs=2_000_000) for frame in read)
    assert not any(frame.damage for frame in read)
    assert error is not None
    assert "lost" in str(error) or "missing" in str(error)


@pytest.mark.parametrize("fill", ["zeros", "cut out", "noise"])
@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_hole_costs_what_depends_on_it_and_shifts_no_index(film, name, fill):
    path, frames = film(name)
    packets = _packets(path)
    start, stop = packets[23][0] + 20, packets[26][0] + 9
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(0).bytes(stop - start)
    data[start:stop] = {"zeros": bytes(stop - start), "cut out": b"", "noise": noise}[fill]
    path.write_bytes(data)
    read, error = drain(open_source(str(path)))
    _assert_right_where_given(read, error, frames, 23)


def test_a_damaged_packet_of_an_mp4_costs_what_depends_on_it(film):
    path, frames = film("a.mp4")
    at, size, _ = _packets(path)[23]
    data = bytearray(path.read_bytes())
    data[at : at + size] = bytes(size)
    path.write_bytes(data)
    read, error = drain(open_source(str(path)))
    _assert_right_where_given(read, error, frames, 23)


def test_lost_packets_of_a_transport_stream(film):
    path, frames = film("a.ts")
    start = _packets(path)[23][0]
    data = bytearray(path.read_bytes())
    at = (start // 188 + 1) * 188
    del data[at : at + 188 * 3]
    path.write_bytes(data)
    read, error = drain(open_source(str(path)))
    given = {frame.index for frame in read}
    assert not given & set(range(24, 30))
    assert set(range(22)) | set(range(30, 40)) <= given
    assert max(np.abs(frame.image.astype(int) - frames[frame.index]).mean() for frame in read) < 12
    assert error is not None


def test_a_film_without_another_key_frame_comes_again_marked(write_video):
    frames = np.stack([np.full((48, 64), 60 + number % 90, np.uint8) for number in range(100)])
    path = write_video("a.mp4", frames, rate=25, options={"g": "999", "bf": "0", "sc_threshold": "0"}, movflags="faststart")
    at, size, _ = _packets(path)[10]
    data = bytearray(path.read_bytes())
    data[at : at + size] = bytes(size)
    path.write_bytes(data)
    read, error = drain(open_source(str(path)))
    assert [frame.index for frame in read if not frame.damage] == list(range(10))
    assert {frame.index for frame in read if frame.damage} == set(range(read[10].index, 100))
    assert 50 < read[10].index < 70
    assert "depend on a lost one" in str(error)


def test_a_variable_rate_is_no_damage(write_video, grey_frames):
    options = {"g": "300", "bf": "0"}
    for name in ("a.mkv", "a.ts", "a.mp4"):
        read, error = drain(open_source(str(write_video(name, grey_frames[:8], pts=VARIABLE, options=options))))
        assert ([frame.index for frame in read], error) == (list(range(8)), None)
        assert not any(frame.damage for frame in read)


def _write_two(path, small, large, codec="libx264", default=1):
    """Write two films; `default` is the index of the one that is marked so."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, frames in enumerate((small, large)):
            stream = container.add_stream(codec if not number else "libx264", rate=25)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuvj420p" if stream.codec_context.name == "mjpeg" else "yuv420p"
            stream.disposition = Disposition.default if number == default else Disposition(0)
            streams.append(stream)
        for stream, frames in zip(streams, (small, large), strict=True):
            for picture in [*(av.VideoFrame.from_ndarray(pixels, "gray") for pixels in frames), None]:
                container.mux(stream.encode(picture))
    return path


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
@pytest.mark.parametrize("pictures", [3, 12])
def test_a_small_preview_in_front_of_a_film_is_not_shown(tmp_path, grey_frames, codec, pictures, caplog):
    small = grey_frames[:pictures, ::2, ::2].copy()
    read, error = drain(open_source(str(_write_two(tmp_path / "a.mov", small, grey_frames[:12], codec, default=0))))
    assert (len(read), error) == (12, None)
    assert all(frame.image.shape == (48, 64) for frame in read)
    assert "films" not in caplog.text
    assert ("leaves out stream 0 (32x24)" in caplog.text) == (codec == "libx264")


@pytest.mark.parametrize("default", [0, 1])
def test_of_two_films_the_default_is_read_and_the_other_named(tmp_path, grey_frames, default, caplog):
    other = 255 - grey_frames[:12]
    path = _write_two(tmp_path / "a.mkv", grey_frames[:12], other, default=default)
    read, error = drain(open_source(str(path)))
    assert (len(read), error) == (12, None)
    right = other if default else grey_frames
    assert np.abs(read[0].image.astype(int) - right[0]).mean() < 6
    assert f"2 films: stream {default} (64x48)" in caplog.text
    assert f"-map 0:{1 - default}" in caplog.text


@pytest.mark.parametrize("rate", ["0:0", "0:1", "90000:1", "1000000:1"])
def test_an_absurd_rate_of_a_y4m_gives_no_times(tmp_path, grey_frames, rate):
    parts = [b"YUV4MPEG2 W64 H48 F" + rate.encode() + b" Cmono\n"]
    parts += [b"FRAME\n" + pixels.tobytes() for pixels in grey_frames[:10]]
    (tmp_path / "a.y4m").write_bytes(b"".join(parts))
    source = open_source(str(tmp_path / "a.y4m"))
    assert source.info.fps == 25
    assert [frame.presentation_ns for frame in source] == [number * 40_000_000 for number in range(10)]


def test_pictures_of_an_avi_that_were_coded_out_of_order_come_evenly(write_video, grey_frames):
    path = write_video("a.avi", grey_frames[:12], rate=25)
    with av.open(str(path)) as container:
        kinds = {picture.pict_type for picture in container.decode(video=0)}
    assert PictureType.B in kinds
    read, error = drain(open_source(str(path)))
    assert error is None
    assert [frame.presentation_ns for frame in read] == [number * 40_000_000 for number in range(12)]


def test_pictures_in_front_of_time_zero_come_first(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as file:
        stream = file.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 10 * number, np.uint8), "gray").reformat(format="yuv420p")
            frame.pts = number - 5
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    frames = list(open_source(str(path)))
    assert [frame.presentation_ns for frame in frames] == [40_000_000 * number for number in range(12)]


def test_pictures_that_an_edit_list_hides_are_counted_in_words(write_video, grey_frames, caplog):
    path = write_video("a.mp4", grey_frames)
    coded = bytearray(path.read_bytes())
    edits, scale = coded.find(b"elst") + 12, int.from_bytes(coded[(at := coded.find(b"mdhd") + 16) : at + 4], "big")
    hidden, shown = 4, len(grey_frames) - 4
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    struct.pack_into(">Ii", coded, edits, int(1000 * shown / rate), int(hidden * scale / rate))
    path.write_bytes(coded)
    frames, _ = drain(open_source(str(path)))
    assert [frame.index for frame in frames] == list(range(shown))
    assert frames[0].presentation_ns == 0
    assert f"hides {hidden} of its {len(grey_frames)} pictures" in caplog.text


def test_what_is_transparent_in_a_gif_is_black(tmp_path):
    pictures = []
    for number in range(3):
        shown = np.zeros((48, 64, 4), np.uint8)
        shown[10:20, 16 * number : 16 * number + 8] = 255
        pictures.append(Image.fromarray(shown))
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40, disposal=2, transparency=0)
    images = [frame.image for frame in open_source(str(tmp_path / "a.gif"))]
    assert [int(image[12, 16 * number + 4]) for number, image in enumerate(images)] == [255] * 3
    assert max(int(image[40:].max()) for image in images) == 0
