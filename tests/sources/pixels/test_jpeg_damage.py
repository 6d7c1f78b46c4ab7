"""Tests that damage in the coded data of a JPEG is found, and that no odd but whole JPEG is taken for damaged."""

import io
import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit
from sources.damage import drain
from sources.dicoms import multiframe, save

from rtseg.sources import open_source
from rtseg.sources.pixels.jpeg_damage import jpeg_damage
from rtseg.sources.pixels.jpeg_segments import CODED, TABLES, joined_jpegs, jpeg_segments

SIZE = 96, 128
OPTIONS = {
    "gray": {},
    "color": {"subsampling": 2},
    "color in full": {"subsampling": 0, "optimize": True},
    "restart markers": {"restart_marker_blocks": 5},
    "restart markers in color": {"restart_marker_rows": 1, "subsampling": 1},
    "progressive": {"progressive": True},
}


def _texture(number=0):
    spots = np.random.default_rng(number).integers(0, 256, (SIZE[0] // 6, SIZE[1] // 6), np.uint8)
    return cv2.resize(spots, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def _jpeg(name="gray", number=0):
    pixels, coded = _texture(number), io.BytesIO()
    if "color" in name:
        pixels = np.dstack([pixels, np.roll(pixels, 5, 1), pixels[::-1]])
    Image.fromarray(pixels).save(coded, "JPEG", quality=85, **OPTIONS[name])
    return coded.getvalue()


def _scan(coded):
    return next(part for part in jpeg_segments(coded) if part.marker == CODED)


def _with_hole(coded, count=60):
    scan = _scan(coded)
    at = scan.begin + (scan.end - scan.begin) // 3
    return coded[:at] + coded[at + count :]


def _with_noise(coded, count=60):
    scan = _scan(coded)
    at = scan.begin + (scan.end - scan.begin) // 3
    noise = np.random.default_rng(1).integers(0, 255, count).astype(np.uint8).tobytes()  # never 0xFF
    return coded[:at] + noise + coded[at + count :]


def _without(coded, marker):
    """Return a JPEG without the segments of one kind."""
    parts = [part for part in jpeg_segments(coded) if part.marker == marker]
    for part in reversed(parts):
        coded = coded[: part.begin - 4] + coded[part.end :]
    return coded


@pytest.mark.parametrize("name", OPTIONS)
def test_a_whole_jpeg_is_not_damaged_however_odd(name):
    coded = _jpeg(name)
    end = coded.rfind(b"\xff\xd9")
    for odd in (
        coded,
        coded[:end] + bytes(3) + coded[end:],
        coded[:end] + b"\x12\x34" + coded[end:],
        coded[:end] + bytes(500) + coded[end:],
        coded[:end] + b"\xff\xff\xff" + coded[end:],
        coded + b"trailer" * 99,
        *([coded[:end]] if name != "progressive" else []),
    ):
        assert jpeg_damage(odd) == ""


def test_motion_jpeg_without_tables_is_read_with_the_usual_ones():
    whole = _jpeg()
    assert jpeg_damage(_without(whole, TABLES)) == ""
    assert jpeg_damage(_with_hole(_without(whole, TABLES)))


def test_scans_of_single_components_are_examined():
    pixels = np.dstack([_texture(number) for number in range(3)])
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert jpeg_damage(coded.tobytes()) == ""
    assert jpeg_damage(_with_hole(coded.tobytes()))


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("damage", [_with_hole, _with_noise])
def test_a_damaged_scan_is_told(name, damage):
    assert jpeg_damage(damage(_jpeg(name), 200 if name == "progressive" else 60))


def test_restart_markers_out_of_order_are_told():
    coded = _jpeg("restart markers")
    marks = [at for at in range(len(coded) - 1) if coded[at] == 0xFF and 0xD0 <= coded[at + 1] <= 0xD7]
    assert jpeg_damage(coded[: marks[5]] + coded[marks[7] :])  # two parts are missing
    assert jpeg_damage(coded[: marks[5]] + coded[marks[13] :])  # eight, so that the numbers go on


def test_a_torn_still_is_refused_and_left_out_of_a_series(tmp_path):
    for number in range(3):
        coded = _jpeg(number=number)
        (tmp_path / f"{number}.jpg").write_bytes(_with_hole(coded) if number == 1 else coded)
    source = open_source(str(tmp_path))
    assert [frame.index for frame in source] == [0, 2]
    assert "coded data" in source.omitted[0].reason


def test_a_torn_picture_of_an_avi_is_lost(tmp_path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuvj420p"
        for number in range(4):
            packet = av.Packet(_with_noise(_jpeg("color", number)) if number == 2 else _jpeg("color", number))
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            packet.is_keyframe = True
            file.mux(packet)
    frames, error = drain(open_source(str(path)))
    assert [frame.index for frame in frames] == [0, 1, 3]
    assert "1 lost" in str(error)


def test_a_torn_frame_of_a_dicom_is_marked(tmp_path):
    coded = [_jpeg(number=0), _with_noise(_jpeg(number=1)), _jpeg(number=2)]
    made = multiframe(np.zeros((3, *SIZE), np.uint8), syntax=JPEGBaseline8Bit, coded=coded)
    shown = list(open_source(save(made, tmp_path / "a.dcm")))
    assert [bool(frame.damage) for frame in shown] == [False, True, False]


def test_all_jpegs_of_one_file_are_read(tmp_path):
    coded = [_jpeg(number=number) for number in range(4)]
    assert joined_jpegs(b"".join(coded)) == coded
    for name, data in (("a.jpg", b"".join(coded)), ("b.jpg", bytes(6).join(coded))):
        (tmp_path / name).write_bytes(data)
        source = open_source(str(tmp_path / name))
        assert source.info.frames == 4
        for frame, number in zip(source, range(4), strict=True):
            assert np.abs(frame.image.astype(int) - _texture(number)).mean() < 3


def test_multiple_picture_files_are_read_whole(tmp_path):
    pictures = [Image.fromarray(_texture(number)) for number in range(3)]
    for name in ("a.mpo", "a.jpg"):
        pictures[0].save(tmp_path / name, "MPO", save_all=True, append_images=pictures[1:], quality=85)
        assert len(list(open_source(str(tmp_path / name)))) == 3


def test_previews_and_maps_of_brightness_are_no_pictures(tmp_path, caplog):
    preview = io.BytesIO()
    Image.fromarray(_texture()[::2, ::2]).save(preview, "JPEG")
    note = b"http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version='1.0'/>"
    gain_map = _jpeg(number=1)
    gain_map = gain_map[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(note)) + note + gain_map[2:]
    (tmp_path / "a.jpg").write_bytes(_jpeg() + preview.getvalue() + gain_map)
    assert len(list(open_source(str(tmp_path / "a.jpg")))) == 1
    assert "2 pictures more" in caplog.text


def test_a_damaged_picture_among_joined_ones_ends_the_file(tmp_path):
    (tmp_path / "a.jpg").write_bytes(_jpeg() + _with_hole(_jpeg(number=1)) + _jpeg(number=2))
    frames, error = drain(open_source(str(tmp_path / "a.jpg")))
    assert len(frames) == 1
    assert "1 of its 3 pictures can be read" in str(error)


@pytest.mark.parametrize("stated", [1, 4, None])
def test_all_jpegs_of_one_fragment_are_frames(tmp_path, stated):
    coded = [b"".join(_jpeg(number=number) for number in range(4))]
    made = multiframe(np.zeros((1, *SIZE), np.uint8), syntax=JPEGBaseline8Bit, coded=coded)
    if stated is None:
        del made.NumberOfFrames
    else:
        made.NumberOfFrames = stated
    assert len(list(open_source(save(made, tmp_path / "a.dcm")))) == 4
