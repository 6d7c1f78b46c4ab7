"""Tests that the form of the pixels that a still image states is read, carried, and corrected in measures."""

import struct
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from rtseg.sources import open_source
from rtseg.sources.pixels.still_aspect import still_aspect

IMAGE = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)


def _coded(suffix, *parameters):
    return cv2.imencode(suffix, IMAGE, parameters)[1].tobytes()


def _png(kind=b"pHYs", content=b""):
    coded = _coded(".png")
    chunk = struct.pack(">I4s", len(content), kind) + content
    return coded[:33] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + coded[33:]


def _exif(order="<", orientation=1, across=(72, 1), down=(72, 1)):
    data = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", 3)
    data += struct.pack(f"{order}HHIHH", 274, 3, 1, orientation, 0)
    data += struct.pack(f"{order}HHII", 282, 5, 1, 50) + struct.pack(f"{order}HHII", 283, 5, 1, 58)
    return data + struct.pack(f"{order}I", 0) + struct.pack(f"{order}IIII", *across, *down)


def _jpeg(*segments, densities=(0, 1, 1)):
    jfif = b"JFIF\0\1\1" + struct.pack(">BHH", *(densities or (0, 1, 1))) + b"\0\0"
    parts = [(0xE0, jfif), *segments] if densities else list(segments)
    head = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in parts)
    return b"\xff\xd8" + head + _coded(".jpg")[20:]


def _by_ffmpeg(codec, pixels):
    coder = av.CodecContext.create(codec, "w")
    coder.height, coder.width, coder.pix_fmt, coder.time_base = *IMAGE.shape[:2], pixels, Fraction(1, 25)
    coder.sample_aspect_ratio = Fraction(16, 11)
    picture = av.VideoFrame.from_ndarray(IMAGE).reformat(format=pixels)
    return b"".join(bytes(packet) for packet in [*coder.encode(picture), *coder.encode(None)])


def _bmp(across, down):
    coded = bytearray(_coded(".bmp"))
    struct.pack_into("<ii", coded, 38, across, down)
    return bytes(coded)


def _tiff(order="<"):
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    tags = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 400, 277: 1, 278: 48, 279: 48 * 64}
    data = head + struct.pack(f"{order}H", len(tags) + 2)
    for tag, value in tags.items():
        data += struct.pack(f"{order}HHII", tag, 4, 1, value)
    data += struct.pack(f"{order}HHIIHHIII", 282, 5, 1, 200, 283, 5, 1, 208, 0)
    data = data.ljust(200, b"\0") + struct.pack(f"{order}IIII", 204, 1, 98, 1)
    return data.ljust(400, b"\0") + IMAGE[..., 0].tobytes()


STILLS = {
    "PNG, per meter": (_png(content=struct.pack(">IIB", 2000, 1000, 1)), ".png", 0.5),
    "PNG, without a unit": (_png(content=struct.pack(">IIB", 1, 2, 0)), ".png", 2),
    "PNG by FFmpeg": (_by_ffmpeg("png", "rgb24"), ".png", 16 / 11),
    "PNG with EXIF": (_png(b"eXIf", _exif(">", across=(300, 2), down=(300, 1))), ".png", 2),
    "PNG, rounded": (_png(content=struct.pack(">IIB", 2835, 2834, 1)), ".png", 1),
    "PNG, zero": (_png(content=struct.pack(">IIB", 0, 2834, 1)), ".png", 1),
    "PNG, absurd": (_png(content=struct.pack(">IIB", 1, 2**31, 1)), ".png", 1),
    "PNG, cut off": (_png(content=b"\0\0\0\1"), ".png", 1),
    "JPEG, per inch": (_jpeg(densities=(1, 100, 150)), ".jpg", 1.5),
    "JPEG, without a unit": (_jpeg(densities=(0, 2, 1)), ".jpg", 0.5),
    "JPEG by FFmpeg": (_by_ffmpeg("mjpeg", "yuvj420p"), ".jpg", 16 / 11),
    "JPEG with EXIF": (_jpeg((0xE1, b"Exif\0\0" + _exif(across=(100, 1), down=(150, 1)))), ".jpg", 1.5),
    "JPEG, EXIF alone": (_jpeg((0xE1, b"Exif\0\0" + _exif(across=(100, 1), down=(80, 1))), densities=()), ".jpg", 0.8),
    "JPEG, square by JFIF": (_jpeg((0xE1, b"Exif\0\0" + _exif(across=(100, 1))), densities=(1, 72, 72)), ".jpg", 1),
    "JPEG, as it comes": (_coded(".jpg"), ".jpg", 1),
    "BMP": (_bmp(1000, 3000), ".bmp", 3),
    "BMP, without": (_bmp(0, 0), ".bmp", 1),
    "TIFF": (_tiff(), ".tif", 98 / 204),
    "TIFF, big end first": (_tiff(">"), ".tif", 98 / 204),
    "TIFF by FFmpeg": (_by_ffmpeg("tiff", "rgb24"), ".tif", 16 / 11),
    "WebP": (_coded(".webp"), ".webp", 1),
}


@pytest.mark.parametrize("name", STILLS)
def test_the_form_of_a_stills_pixels_is_carried(tmp_path, name):
    coded, suffix, aspect = STILLS[name]
    (tmp_path / f"still{suffix}").write_bytes(coded)
    source = open_source(tmp_path / f"still{suffix}")
    (frame,) = source
    assert frame.pixel_aspect == pytest.approx(aspect, rel=1e-3)
    assert source.info.pixel_aspect == frame.pixel_aspect
    assert open_source(tmp_path / f"still{suffix}", spacing_mm=(0.1, 0.2)).info.spacing_mm == (0.1, 0.2)


@pytest.mark.parametrize(("orientation", "aspect"), [(1, 1.5), (3, 1.5), (6, 2 / 3), (8, 2 / 3)])
def test_a_turned_still_turns_the_form_of_its_pixels(tmp_path, orientation, aspect):
    exif = _exif(orientation=orientation, across=(100, 1), down=(150, 1))
    (tmp_path / "still.jpg").write_bytes(_jpeg((0xE1, b"Exif\0\0" + exif)))
    (frame,) = open_source(tmp_path / "still.jpg")
    assert (frame.height > frame.width) == (orientation > 4)
    assert frame.pixel_aspect == pytest.approx(aspect)


def test_a_square_picture_is_turned_as_exif_says():
    image = cv2.imencode(".png", IMAGE[:, :48])[1].tobytes()
    exif = _exif(orientation=6, across=(100, 1), down=(150, 1))
    chunk = struct.pack(">I4s", len(exif), b"eXIf") + exif
    assert still_aspect(image[:33] + chunk + bytes(4) + image[33:], (48, 48)) == pytest.approx(2 / 3)


def test_each_picture_of_a_folder_has_its_own(tmp_path):
    (tmp_path / "1.png").write_bytes(_png(content=struct.pack(">IIB", 2000, 1000, 1)))
    (tmp_path / "2.png").write_bytes(_coded(".png"))
    assert [frame.pixel_aspect for frame in open_source(tmp_path)] == [0.5, 1.0]


def test_the_pictures_of_an_animation_have_that_of_their_file(tmp_path):
    with av.open(str(tmp_path / "film.png"), "w", format="apng") as file:
        stream = file.add_stream("apng", rate=5)
        stream.height, stream.width, stream.pix_fmt = *IMAGE.shape[:2], "rgb24"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        for shift in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(IMAGE, shift, 0))))
        file.mux(stream.encode(None))
    assert [frame.pixel_aspect for frame in open_source(tmp_path / "film.png")] == pytest.approx([16 / 11] * 3)
