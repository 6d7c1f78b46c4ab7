"""Tests that zeros within coded pictures are found, and that no whole picture is taken for damaged."""

import io
import re
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit
from sources.damage import drain
from sources.dicoms import multiframe, save

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.files.images import read_image
from rtseg.sources.pixels.zeroed_data import has_zeroed_jpeg, has_zeroed_part

SIZE = 160, 240


def _texture(number, size=SIZE):
    spots = np.random.default_rng(number // 12).integers(0, 256, (size[0] // 8, size[1] // 8), np.uint8)
    return np.roll(cv2.resize(spots, size[::-1], interpolation=cv2.INTER_CUBIC), 2 * number, 1)


def _jpeg(pixels, **options):
    coded = io.BytesIO()
    Image.fromarray(pixels).save(coded, "JPEG", quality=90, **options)
    return coded.getvalue()


def _zeroed(data, share=0.6, count=200):
    at = int(len(data) * share)
    return data[:at] + bytes(count) + data[at + count :]


PICTURES = {
    "black": np.zeros(SIZE, np.uint8),
    "white": np.full(SIZE, 255, np.uint8),
    "texture": _texture(0),
    "sector": np.where(np.add.outer(np.arange(160), np.arange(240)) > 200, _texture(0), 0).astype(np.uint8),
    "noise": np.random.default_rng(3).integers(0, 256, SIZE, np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}])
@pytest.mark.parametrize("is_color", [False, True])
def test_a_whole_jpeg_is_not_taken_for_damaged(name, options, is_color):
    pixels = np.dstack([PICTURES[name]] * 3) if is_color else PICTURES[name]
    assert not has_zeroed_jpeg(_jpeg(pixels, **options))
    assert not has_zeroed_jpeg(_jpeg(pixels, **options) + bytes(500))  # a camera's padding
    assert not has_zeroed_jpeg(_jpeg(pixels, comment=bytes(300), **options))


def test_zeros_in_a_jpeg_are_told(tmp_path, write_dicom):
    coded = _zeroed(_jpeg(PICTURES["texture"]))
    assert has_zeroed_jpeg(coded)
    (tmp_path / "a.jpg").write_bytes(coded)
    with pytest.raises(SourceError, match="overwritten by zeros"):
        read_image(tmp_path / "a.jpg")
    cv2.imwrite(str(tmp_path / "b.jpg"), PICTURES["texture"])
    source = open_source(str(tmp_path))
    assert [frame.index for frame in source] == [1]
    assert [one.name for one in source.omitted] == ["a.jpg"]
    frames = np.stack([_texture(number) for number in range(3)])
    jpegs = [_jpeg(pixels) for pixels in frames]
    made = multiframe(frames, syntax=JPEGBaseline8Bit, coded=[jpegs[0], _zeroed(jpegs[1]), jpegs[2]])
    read, error = drain(open_source(save(made, tmp_path / "a.dcm")))
    assert ["its coded data are damaged" in frame.damage for frame in read] == [False, True, False]
    assert error is None


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.mp4", "libx265", "yuv420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_a_packet_with_zeros_is_lost(tmp_path, name, codec, pixels):
    path = tmp_path / name
    options = {"libx265": {"x265-params": "log-level=none"}, "mjpeg": {"huffman": "default"}}.get(codec, {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *SIZE, pixels
        stream.codec_context.gop_size = 12
        for number in range(36):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_texture(number), "gray")))
        container.mux(stream.encode(None))
    whole, error = drain(open_source(str(path)))
    assert (len(whole), error) == (36, None)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    setup = b"\1" if path.suffix in {".mp4", ".mkv"} else b""
    names = {"libx264": "h264", "libx265": "hevc", "mjpeg": "mjpeg"}
    assert not any(has_zeroed_part(bytes(packet), names[codec], setup) for packet in packets)
    if path.suffix == ".ts":
        return
    key = bytes([packet for packet in packets if packet.is_keyframe and packet.pts][0 if codec != "mjpeg" else 12])
    at, data = path.read_bytes().index(key), path.read_bytes()
    path.write_bytes(data[:at] + _zeroed(key) + data[at + len(key) :])
    read, error = drain(open_source(str(path)))
    assert 12 < len(read) < 36
    assert re.search(r"\d+ lost", str(error))  # HEVC refuses those that refer to it too
    for frame in read:
        assert np.abs(frame.image.astype(int) - whole[frame.index].image).mean() < 2


SLICE = b"\0\0\0\1\x41" + bytes(range(1, 250))


def _sized(unit):
    return len(unit[4:]).to_bytes(4, "big") + unit[4:]


@pytest.mark.parametrize(
    ("coded", "codec", "is_damaged"),
    [
        (SLICE + bytes(100) + SLICE + bytes(100), "h264", False),  # a recorder's zeros between the units
        (SLICE + bytes(100) + b"\7" + SLICE, "h264", True),
        (SLICE + bytes(3) + b"\7" + SLICE, "h264", True),  # three are impossible within a slice
        (b"\0\0\0\1\0" + bytes(100) + b"\7" + SLICE, "h264", False),  # a recorder's own unit, as in liver_sweep.h264
        (SLICE.replace(b"\x41", b"\2\1") + bytes(9) + b"\7", "hevc", True),
        (SLICE.replace(b"\x41", b"\x40\1") + bytes(9) + b"\7", "hevc", False),
        (b"\0\0\1\5" + SLICE[5:] + bytes(9) + b"\7" + b"\0\0\1\6\7", "mpeg2video", True),
        (b"\0\0\1\xb6" + SLICE[5:] + bytes(9) + b"\7", "mpeg4", True),
        (SLICE[5:] + bytes(70) + b"\7", "vp9", True),
        (SLICE[5:] + bytes(70), "vp8", True),
        (SLICE[5:] + bytes(40) + b"\7", "vp9", False),
        (SLICE[5:] + bytes(70), "libdav1d", False),  # padding
        (SLICE[5:] + bytes(70) + b"\7", "libdav1d", True),
        (SLICE[5:] + bytes(70) + b"\7", "rawvideo", False),
    ],
)
def test_zeros_are_damage_where_the_codec_has_none(coded, codec, is_damaged):
    assert has_zeroed_part(coded, codec) == is_damaged


def test_zeros_where_lengths_separate_the_units():
    setup = b"\1\0\0\0\3"
    assert not has_zeroed_part(_sized(SLICE) + _sized(SLICE + bytes(8)), "h264", setup)
    assert has_zeroed_part(_sized(SLICE) + _sized(SLICE + bytes(100)), "h264", setup)
    assert has_zeroed_part(_sized(SLICE + bytes(8) + b"\7") + _sized(SLICE), "h264", setup)
    assert has_zeroed_part(_sized(SLICE) + bytes(100), "h264", setup)


def test_the_shared_clip_with_zeros_of_its_recorder_is_whole():
    path = Path(__file__).parents[3] / "../shared/data/clips/liver_sweep.h264"
    if not path.exists():
        pytest.skip("the shared clips are not here")
    with av.open(str(path)) as container:
        packets = list(islice((bytes(packet) for packet in container.demux(video=0)), 139))  # the last one ends with a trailer
    assert any(bytes(9) in packet for packet in packets)
    assert not any(has_zeroed_part(packet, "h264") for packet in packets)
