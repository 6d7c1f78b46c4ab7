"""Tests recordings that are cut off where FFmpeg sees a regular end, from a file and on standard input."""

import io
import os
import threading
from contextlib import closing

import av
import cv2
import numpy as np
import pytest
from sources.damage import drain

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.files.ending import TruncationDetector, find_truncation
from rtseg.sources.live.stdin import open_stdin

pytestmark = pytest.mark.attack

COUNT = 24
# name: (format, codec, pixels, options of the container, whether the writer can go back)
FORMS = {
    "a.gif": ("gif", "gif", "gray", {}, True),
    "a.y4m": ("yuv4mpegpipe", "wrapped_avframe", "yuv420p", {}, True),
    "b.y4m": ("yuv4mpegpipe", "wrapped_avframe", "yuv444p", {}, True),
    "a.ts": ("mpegts", "libx264", "yuv420p", {}, True),
    "a.m2ts": ("mpegts", "libx264", "yuv420p", {"mpegts_m2ts_mode": "1"}, True),
    "a.webm": ("webm", "libvpx", "yuv420p", {}, True),
    "a.mkv": ("matroska", "libx264", "yuv420p", {}, True),
    "piped.webm": ("webm", "libvpx", "yuv420p", {}, False),
    "piped.mkv": ("matroska", "ffv1", "gray", {}, False),
    "live.mkv": ("matroska", "ffv1", "gray", {"live": "1"}, False),
    "a.avi": ("avi", "mjpeg", "yuvj420p", {}, True),
    "moov.mp4": ("mp4", "libx264", "yuv420p", {"movflags": "faststart"}, True),
    "parts.mp4": ("mp4", "libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}, True),
    "parts.mov": ("mov", "libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}, True),
}
PIPED = [name for name in FORMS if name not in ("moov.mp4", "a.avi")]


class _ForwardOnlyFile(io.RawIOBase):
    """Wraps a file without seeking, like a pipe."""

    def __init__(self, file):
        self._file = file

    def writable(self):
        return True

    def write(self, data):
        return self._file.write(data)


@pytest.fixture
def written(tmp_path):
    """Return written(name), which returns the path of a whole recording of COUNT frames of noise."""

    def write(name):
        form, codec, pixels, options, goes_back = FORMS[name]
        path = tmp_path / name
        with path.open("wb") as file:
            target = str(path) if goes_back else _ForwardOnlyFile(file)
            with av.open(target, "w", format=form, options=options) as container:
                coder = container.add_stream(codec, rate=25)
                coder.width, coder.height, coder.pix_fmt, coder.gop_size = 64, 48, pixels, 4
                for image in np.random.default_rng(0).integers(0, 256, (COUNT, 48, 64), np.uint8):
                    picture = av.VideoFrame.from_ndarray(image, "gray").reformat(format=pixels)
                    container.mux(coder.encode(picture))
                container.mux(coder.encode(None))
        return path

    return write


@pytest.mark.parametrize("name", FORMS)
def test_a_whole_recording_ends_without_a_word(written, name, caplog):
    read, error = drain(open_source(str(written(name))))
    assert (len(read), error) == (COUNT, None)
    assert not caplog.text


@pytest.mark.parametrize("share", [0.55, 0.8, 0.97])
@pytest.mark.parametrize("name", FORMS)
def test_a_cut_recording_gives_its_frames_and_then_an_error(written, name, share):
    path = written(name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share) | 1])
    read, error = drain(open_source(str(path)))
    assert COUNT * share - 10 < len(read) <= COUNT
    assert isinstance(error, SourceError)
    assert f"is damaged or cut off: {len(read)} frames could be read" in str(error)


def _through_pipe(data):
    """Return the frames of data that are written to a pipe, and the error that ended them."""
    reads, writes = os.pipe()

    def send():
        with os.fdopen(writes, "wb") as writer:
            writer.write(data)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with closing(open_stdin(reads)) as source:
            return drain(source)
    finally:
        os.close(reads)
        sender.join(60)


@pytest.mark.parametrize("name", PIPED)
def test_standard_input_that_is_whole_ends_without_a_word(written, name):
    read, error = _through_pipe(written(name).read_bytes())
    assert (len(read), error) == (COUNT, None)


@pytest.mark.parametrize("name", PIPED)
def test_standard_input_that_is_cut_is_an_error(written, name):
    data = written(name).read_bytes()
    read, error = _through_pipe(data[: int(len(data) * 0.8) | 1])
    assert COUNT * 0.8 - 10 < len(read) <= COUNT
    assert f"standard input is cut off: {len(read)} frames could be read" in str(error)


@pytest.mark.parametrize("name", ["a.gif", "a.ts", "a.webm", "a.y4m"])
def test_a_cut_file_on_standard_input_is_an_error(written, name):
    path = written(name)
    path.write_bytes(path.read_bytes()[:-301])  # more than the index behind the last fragment
    with path.open("rb") as file, closing(open_stdin(file.fileno())) as source:
        read, error = drain(source)
    assert f"standard input is cut off: {len(read)} frames could be read" in str(error)


@pytest.mark.parametrize("name", ["a.gif", "a.webm", "a.mkv", "a.avi", "moov.mp4"])
@pytest.mark.parametrize("tail", [b"\0" * 600, b"\n", b"trailing words " * 40])
def test_bytes_behind_a_whole_recording_are_forgiven(written, name, tail):
    path = written(name)
    path.write_bytes(path.read_bytes() + tail)
    assert not find_truncation(path)


@pytest.mark.parametrize("name", FORMS)
def test_a_file_and_its_pieces_have_one_ending_wherever_they_are_cut(written, name, tmp_path):
    data, path = written(name).read_bytes(), tmp_path / "cut"
    for length in np.random.default_rng(1).integers(0, len(data) + 1, 60):
        path.write_bytes(data[:length])
        ending = TruncationDetector()
        for at in range(0, length, 97):
            ending.feed(data[at : min(at + 97, length)])
        assert ending.problem() == find_truncation(path)


def test_an_ending_keeps_none_of_the_bytes(written):
    data = written("a.y4m").read_bytes()
    ending = TruncationDetector()
    for at in range(0, len(data), 1000):
        ending.feed(data[at : at + 1000])
        assert len(ending._data) < 5000


JOINED = {
    "a.mp4": ("mp4", "libx264", "yuv420p", {}),
    "parts.mp4": FORMS["parts.mp4"][:4],
    "a.mov": ("mov", "mjpeg", "yuvj420p", {}),
    "a.flv": ("flv", "libx264", "yuv420p", {}),
    "a.wmv": ("asf", "wmv2", "yuv420p", {}),
}


@pytest.mark.parametrize("name", JOINED)
def test_a_recording_behind_another_one_is_told(tmp_path, name):
    form, codec, pixels, options = JOINED[name]
    path = tmp_path / name
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
        for number in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64), 20 * number, np.uint8), "gray")))
        container.mux(stream.encode())
    read, error = drain(open_source(str(path)))
    assert (len(read), error) == (8, None)
    path.write_bytes(path.read_bytes() * 2)
    read, error = drain(open_source(str(path)))
    assert len(read) >= 8
    assert "another recording stands behind it" in str(error)


def test_pngs_behind_a_png_are_told(tmp_path, caplog):
    pictures = [cv2.imencode(".png", np.full((8, 8), level, np.uint8))[1].tobytes() for level in (10, 20, 30)]
    (tmp_path / "a.png").write_bytes(b"".join(pictures))
    assert len(list(open_source(str(tmp_path / "a.png")))) == 1
    assert "2 pictures more, behind the first" in caplog.text
