"""Tests that TIFF files keep their levels where OpenCV would change them: white at 0, planes, and transparency."""

import struct
from pathlib import Path

import numpy as np
import pytest

from rtseg.errors import SourceError
from rtseg.sources import open_source

GRAY = np.random.default_rng(4).integers(0, 256, (12, 20), np.uint8)
GRAY[0, :2] = 0, 255
COLORS = np.random.default_rng(5).integers(0, 256, (12, 20, 3), np.uint8)


def _tiff(path, strips, *, bits=8, white=1, samples=1, planes=1, extra=None, description=b"", follows=b""):
    """Write a TIFF of one strip a plane."""
    tags = {256: (4, [20]), 257: (4, [12]), 258: (3, [bits] * samples), 259: (3, [1]), 262: (3, [white])}
    tags |= {277: (3, [samples]), 278: (4, [12]), 284: (3, [planes])} | ({} if extra is None else {338: (3, [extra])})
    made, offsets = bytearray(b"II*\0" + bytes(4)), []
    for strip in strips:
        offsets.append(len(made))
        made += strip
    made += follows
    entries = b""
    tags |= {273: (4, offsets), 279: (4, [len(strip) for strip in strips])}
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            made, data = made + data, struct.pack("<I", len(made))
        entries += struct.pack("<HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    if description:
        entries = entries[:60] + struct.pack("<HHII", 270, 2, len(description), len(made)) + entries[60:]
        made, tags = made + description, tags | {270: ()}
    struct.pack_into("<I", made, 4, len(made))
    path.write_bytes(made + struct.pack("<H", len(tags)) + entries + bytes(4))
    return str(path)


def _image(path):
    (frame,) = open_source(path)
    return frame.image


def test_sixteen_bits_with_white_at_zero_are_inverted(tmp_path):
    wide = GRAY.astype("<u2") * 257
    path = _tiff(tmp_path / "a.tif", [(65535 - wide).astype("<u2").tobytes()], bits=16, white=0)
    np.testing.assert_array_equal(_image(path), GRAY)
    path = _tiff(tmp_path / "b.tif", [(4095 - GRAY.astype("<u2") * 16).astype("<u2").tobytes()], bits=16, white=0)
    with pytest.raises(SourceError, match="white at 0"):
        _image(path)


def test_a_transparency_does_not_darken(tmp_path):
    coded = np.dstack([COLORS, np.full((12, 20), 60, np.uint8)]).tobytes()
    for extra in (0, 1, 2):
        path = _tiff(tmp_path / "a.tif", [coded], white=2, samples=4, extra=extra)
        np.testing.assert_array_equal(_image(path), COLORS)


def test_wide_colors_in_planes_are_refused(tmp_path):
    planes = [np.ascontiguousarray(COLORS[..., channel].astype("<u2") * 257).tobytes() for channel in range(3)]
    with pytest.raises(SourceError, match="separate planes: save it with its colors side by side"):
        _image(_tiff(tmp_path / "a.tif", planes, bits=16, white=2, samples=3, planes=2))
    planes = [np.ascontiguousarray(COLORS[..., channel]).tobytes() for channel in range(3)]
    np.testing.assert_array_equal(_image(_tiff(tmp_path / "b.tif", planes, white=2, samples=3, planes=2)), COLORS)


@pytest.mark.parametrize(
    ("photometric", "name"), [(8, "CIE L"), (9, "ICC L"), (32844, "logarithmic levels"), (32803, "filters")]
)
def test_colors_that_would_be_shown_wrong_are_refused(tmp_path, photometric, name):
    samples = 3 if photometric < 10 else 1
    data = (COLORS if samples == 3 else GRAY).tobytes()
    with pytest.raises(SourceError, match=name):
        _image(_tiff(tmp_path / "a.tif", [data], white=photometric, samples=samples))


@pytest.mark.parametrize("is_one_strip", [True, False])
def test_a_stack_of_imagej_is_read_from_one_strip_or_many(tmp_path, is_one_strip):
    stack = np.random.default_rng(6).integers(0, 256, (4, 12, 20), np.uint8)
    told = b"ImageJ=1.53t\nimages=4\nslices=4\n\0"
    strips = [stack.tobytes()] if is_one_strip else [stack[0].tobytes()]
    path = _tiff(tmp_path / "a.tif", strips, description=told, follows=b"" if is_one_strip else stack[1:].tobytes())
    np.testing.assert_array_equal([frame.image for frame in open_source(path)], stack)


def test_tiles_that_cannot_be_read_are_named(tmp_path):
    path = Path(_tiff(tmp_path / "a.tif", [GRAY.tobytes()]))
    coded = path.read_bytes()
    for strip, tile, value in ((277, 322, 16), (278, 323, 16)):
        entry = coded.index(struct.pack("<H", strip), len(coded) - 160)
        coded = coded[:entry] + struct.pack("<HHII", tile, 4, 1, value) + coded[entry + 12 :]
    coded = coded.replace(struct.pack("<HHI", 273, 4, 1), struct.pack("<HHI", 324, 4, 1))
    path.write_bytes(coded.replace(struct.pack("<HHI", 279, 4, 1), struct.pack("<HHI", 325, 4, 1)))
    with pytest.raises(SourceError, match=r"tiles of 16x16, which cannot be read.*tiffcp -s"):
        _image(str(path))


@pytest.mark.parametrize(
    ("samples", "bits", "coding", "words"),
    [
        (1, 8, 50000, "is compressed by Zstandard"),
        (1, 8, 34925, "is compressed by LZMA"),
        (5, 8, 1, "has 5 samples a pixel"),
        (1, 4, 1, "has samples of 4 bits"),
        (1, 11, 1, "has samples of 11 bits"),
    ],
)
def test_what_few_decoders_read_is_named(tmp_path, samples, bits, coding, words):
    path = Path(_tiff(tmp_path / "a.tif", [bytes(12 * 20 * samples * 2)], samples=samples, bits=bits))
    path.write_bytes(path.read_bytes().replace(struct.pack("<HHII", 259, 3, 1, 1), struct.pack("<HHII", 259, 3, 1, coding)))
    with pytest.raises(SourceError, match=f"{words}.*tiffcp -c none"):
        _image(str(path))
