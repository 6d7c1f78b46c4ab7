"""Tests that flipped bits in Matroska, which decoders show without a word, are found by the checksum of their cluster."""

import random
from functools import lru_cache

import av
import numpy as np
import pytest
from sources.damage import drain
from sources.streams import SIZE, numbered

from rtseg.sources import open_source
from rtseg.sources.files.film import DOUBT

COUNT, TOLERANCE = 50, 5  # levels by which a gray picture and the same one among colors may differ
CODINGS = {
    "hevc": ("libx265", {"x265-params": "log-level=none:keyint=25", "preset": "ultrafast"}),
    "vp8": ("libvpx", {"g": "25", "deadline": "realtime", "cpu-used": "8"}),
    "vp9": ("libvpx-vp9", {"g": "25", "deadline": "realtime", "cpu-used": "8"}),
    "h264": ("libx264", {"g": "25"}),
    "intra refresh": ("libx264", {"tune": "zerolatency", "x264-params": "intra-refresh=1:keyint=25"}),
}


def _write(path, coding, checksums="1"):
    codec, options = CODINGS[coding]
    with av.open(str(path), "w", options={"cluster_time_limit": "1000", "write_crc32": checksums}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.options = *SIZE, "yuv420p", dict(options)
        for number in range(COUNT):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number))))
        container.mux(stream.encode(None))
    return path.read_bytes()


@lru_cache(maxsize=8)
def _film(folder, coding):
    path = folder / "a.mkv"
    data = _write(path, coding)
    frames, error = drain(open_source(str(path)))
    assert error is None
    assert {frame.damage for frame in frames} == {""}
    with av.open(str(path)) as container:
        places = [(packet.pos + 8, packet.size - 8) for packet in container.demux(video=0) if packet.size > 30]
    return data, [_gray(frame) for frame in frames], places


def _gray(frame):
    return (frame.image if frame.image.ndim == 2 else frame.image[..., 1]).astype(int)


def _flipped(data, places, seed):
    source, made = random.Random(seed), bytearray(data)
    at, size = source.choice(places)
    made[at + source.randrange(size)] ^= 1 << source.randrange(8)
    return bytes(made)


@pytest.mark.parametrize("coding", CODINGS)
def test_no_picture_with_a_flipped_bit_is_shown_as_a_good_one(tmp_path, coding):
    data, clean, places = _film(tmp_path, coding)
    for seed in range(6):
        (tmp_path / "b.mkv").write_bytes(_flipped(data, places, seed))
        frames, error = drain(open_source(str(tmp_path / "b.mkv")))
        good = [frame for frame in frames if not frame.damage]
        assert all(np.abs(_gray(frame) - clean[frame.index]).max() <= TOLERANCE for frame in good), seed
        assert len(good) < COUNT
        assert error is not None


def test_frames_of_the_cluster_are_marked_and_those_of_others_are_not(tmp_path):
    data, _, places = _film(tmp_path, "vp9")
    (tmp_path / "b.mkv").write_bytes(_flipped(data, places[-5:], 1))
    frames, error = drain(open_source(str(tmp_path / "b.mkv")))
    assert {frame.damage for frame in frames if frame.index >= 25} == {DOUBT}
    assert {frame.damage for frame in frames if frame.index < 25} == {""}
    assert "25 in parts whose checksum is wrong" in str(error)


def test_without_checksums_there_is_nothing_to_compare(tmp_path):
    _write(tmp_path / "a.mkv", "vp9", checksums="0")
    frames, error = drain(open_source(str(tmp_path / "a.mkv")))
    assert error is None
    assert [frame.damage for frame in frames] == [""] * COUNT
