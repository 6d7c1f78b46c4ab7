"""Tests DICOM files whose headers contradict what is stored: bits, signs, colors, layouts and codings."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    RLELossless,
)
from sources.dicoms import images, multiframe, save
from sources.ultrasound import COLORED, GRAY, farthest

from rtseg.errors import SourceError

MATRIX = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
YBR = np.clip(np.rint(COLORED @ MATRIX.T + (0, 128, 128)), 0, 255).astype(np.uint8)
NEIGHBORS = YBR.reshape(4, 48, 32, 2, 3)
HALF = np.concatenate([NEIGHBORS[..., 0], NEIGHBORS[:, :, :, 0, 1:]], axis=-1)  # YBR_FULL_422
PLANES = np.ascontiguousarray(COLORED.transpose(0, 3, 1, 2))


def jpeg(picture, **options):
    """Return a JPEG of an RGB or gray picture, as libjpeg writes it. keep_rgb: without luma and chroma."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def without_markers(coded, names=None):
    """Return a JPEG without the markers of JFIF and Adobe; names: of its components in place of theirs."""
    at, kept = 2, [b"\xff\xd8"]
    while coded[at + 1] != 0xDA:
        size = 2 + int.from_bytes(coded[at + 2 : at + 4], "big")
        segment = bytearray(coded[at : at + size])
        if segment[1] == 0xC0 and names:
            segment[10::3] = bytes(names)
        kept += [bytes(segment)] * (segment[1] not in (0xE0, 0xEE))
        at += size
    rest = bytearray(coded[at:])
    if names:
        rest[5:11:2] = bytes(names)
    return b"".join(kept) + bytes(rest)


def with_pixels(frames, data, **elements):
    """Return a data set of frames whose pixel data are these bytes."""
    made = multiframe(frames, **elements)
    made.PixelData = data + b"\0" * (len(data) % 2)
    return made


RGB_JPEGS = [jpeg(picture, keep_rgb=True) for picture in COLORED]
CODED = {
    "JFIF": ([jpeg(picture) for picture in COLORED], 6),
    "JFIF, full chroma": ([jpeg(picture, subsampling=0) for picture in COLORED], 4),
    "no marker": ([without_markers(jpeg(picture)) for picture in COLORED], 6),
    "no marker, full chroma": ([without_markers(jpeg(picture, subsampling=0)) for picture in COLORED], 4),
    "Adobe RGB": (RGB_JPEGS, 4),
    "named RGB": ([without_markers(one) for one in RGB_JPEGS], 4),
    "RGB without a marker": ([without_markers(one, (1, 2, 3)) for one in RGB_JPEGS], 4),
}


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422", "YBR_FULL", "YBR_PARTIAL_422"])
@pytest.mark.parametrize("coding", CODED)
def test_the_colors_of_a_jpeg_are_those_that_are_coded(tmp_path, coding, photometric):
    coded, tolerance = CODED[coding]
    made = multiframe(COLORED, syntax=JPEGBaseline8Bit, coded=coded, photometric=photometric)
    assert farthest(images(save(made, tmp_path / "a.dcm")), COLORED) <= tolerance


@pytest.mark.parametrize(
    ("photometric", "data", "stated"),
    [
        ("RGB", COLORED, {}),
        ("RGB", YBR, {}),
        ("YBR_FULL", YBR, {}),
        ("YBR_FULL", COLORED, {}),
        ("YBR_FULL_422", HALF, {}),
        ("YBR_FULL_422", YBR, {}),
        ("YBR_FULL_422", COLORED, {}),
        ("YBR_FULL", HALF, {}),
        ("RGB", HALF, {}),
        ("RGB", COLORED, {"SamplesPerPixel": 1}),
        ("RGB", PLANES, {"PlanarConfiguration": 1}),
        ("RGB", PLANES, {}),
        ("RGB", COLORED, {"PlanarConfiguration": 1}),
    ],
    ids=range(13),
)
def test_plain_colors_are_those_that_are_stored(tmp_path, caplog, photometric, data, stated):
    made = with_pixels(COLORED, data.tobytes(), photometric=photometric, **stated)
    assert farthest(images(save(made, tmp_path / "a.dcm")), COLORED) <= 4
    declared = {"RGB": COLORED, "YBR_FULL": YBR, "YBR_FULL_422": HALF}[photometric]
    declared = PLANES if stated.get("PlanarConfiguration") else declared
    is_wrong = data is not declared or "SamplesPerPixel" in stated
    assert bool(caplog.records) == is_wrong


@pytest.mark.parametrize("count", [2, 3, 5, 6])
@pytest.mark.parametrize("is_by_color", [True, False])
def test_color_planes_of_all_frames_may_stand_together(tmp_path, caplog, count, is_by_color):
    source = np.random.default_rng(count)
    speckle = [cv2.GaussianBlur(source.integers(0, 256, (48, 64), np.uint8), (5, 5), 0) for _ in range(count)]
    frames = np.stack([np.dstack([one] * 3) for one in speckle])
    frames[:, 30:, 40:] = (210, 30, 20)
    frames[:, :8, :8] = frames[0, :8, :8]
    planes = frames.transpose(3, 0, 1, 2) if is_by_color else frames.transpose(0, 3, 1, 2)
    made = with_pixels(frames, planes.tobytes(), photometric="RGB", PlanarConfiguration=1)
    assert farthest(images(save(made, tmp_path / "a.dcm")), frames) == 0
    assert any("red planes of all frames" in one.message for one in caplog.records) == is_by_color


@pytest.mark.parametrize("count", [3, 6])
def test_a_still_picture_in_one_tint_proves_no_order_of_planes(tmp_path, count):
    frames = np.stack([np.dstack([GRAY[0], GRAY[0] // 2, GRAY[0] // 3])] * count)
    made = with_pixels(frames, frames.transpose(0, 3, 1, 2).tobytes(), photometric="RGB", PlanarConfiguration=1)
    assert farthest(images(save(made, tmp_path / "a.dcm")), frames) == 0


def test_a_picture_of_few_pixels_proves_no_order(tmp_path):
    tiny = np.arange(27, dtype=np.uint8).reshape(1, 3, 3, 3) * 9
    assert farthest(images(save(multiframe(tiny), tmp_path / "a.dcm")), tiny) == 0


WIDE = GRAY.astype("<u2")
NOISE = np.random.default_rng(1).integers(0, 16, WIDE.shape).astype("<u2")
OVERLAY = np.zeros(WIDE.shape, "<u2")
OVERLAY[:, 5:30, 10:40] = 1 << 15


@pytest.mark.parametrize(
    ("words", "bits", "high"),
    [
        (WIDE << 8, 8, 15),
        (WIDE << 4, 12, 11),
        (WIDE << 8, 12, 15),
        (WIDE << 6, 10, 15 - 0),
        (WIDE << 2, 10, 9),
        (WIDE << 4, 12, 15),  # declared at the top, stored at the bottom
        (WIDE << 8, 12, 11),  # declared at the bottom, stored at the top
        (WIDE << 8, 8, 7),
        (WIDE << 4 | NOISE << 12, 12, 11),  # rubbish above the value
        (WIDE << 4 | OVERLAY, 12, 11),  # an overlay above the value
        (WIDE << 2 | NOISE << 12, 10, 9),
        (WIDE | NOISE << 8, 8, 7),
        (WIDE << 4, 16, 15),  # 12 bits, called 16
        (WIDE << 2, 16, 15),
        (WIDE, 16, 15),
        (WIDE * 257, 16, 15),
        (WIDE << 4, 8, 7),  # 12 bits, called 8
        ((WIDE.astype("<i2") << 4) - 2048, 12, 11),
        ((WIDE.astype("<i2") << 4) - 2048 & 0xFFF, 12, 11),  # signed, without its upper bits
    ],
    ids=range(19),
)
@pytest.mark.parametrize("coding", ["plain", "big endian", "RLE"])
def test_bits_are_read_where_they_are(tmp_path, words, bits, high, coding):
    signed = words.dtype.kind == "i"
    extra = {"PixelRepresentation": int(signed), "HighBit": high}
    extra |= {"WindowCenter": 0, "WindowWidth": 4096} if signed else {}
    if coding == "RLE":
        extra |= rle16(words)
    elif coding == "big endian":
        extra["syntax"] = ExplicitVRBigEndian
    made = multiframe(words, bits=bits, **extra)
    made.HighBit = high
    if coding == "big endian":
        made.PixelData = words.astype(words.dtype.newbyteorder(">")).tobytes()
    assert farthest(images(save(made, tmp_path / "a.dcm")), GRAY) <= 1


@pytest.mark.parametrize(("shift", "bits"), [(4, 12), (2, 10), (8, 16)])
def test_plain_words_in_the_other_byte_order(tmp_path, caplog, shift, bits):
    words = WIDE << shift | WIDE >> (8 - shift)
    made = multiframe(words, bits=bits)
    made.PixelData = words.byteswap().tobytes()
    assert farthest(images(save(made, tmp_path / "a.dcm")), GRAY) <= 1
    assert "another byte order" in caplog.text or bits == 16  # equal bytes look the same in either order


def rle16(frames):
    """Return frames of 16 bits in RLE: two segments of literal runs, the upper bytes first."""
    coded = []
    for frame in frames:
        parts = []
        for shift in (8, 0):
            data = (frame.astype("<u2") >> shift & 0xFF).astype(np.uint8).tobytes()
            runs = b"".join(bytes([len(data[i : i + 128]) - 1]) + data[i : i + 128] for i in range(0, len(data), 128))
            parts.append(runs + b"\0" * (len(runs) % 2))
        coded.append(np.array([2, 64, 64 + len(parts[0])] + [0] * 13, "<u4").tobytes() + b"".join(parts))
    return {"syntax": RLELossless, "coded": coded}


def test_a_signed_header_over_unsigned_bytes(tmp_path):
    smooth = np.broadcast_to(255 - np.abs(np.arange(-32, 32) * 8), (4, 48, 64)).clip(0, 255).astype(np.uint8)
    made = multiframe(smooth, PixelRepresentation=1)
    assert farthest(images(save(made, tmp_path / "a.dcm")), smooth) == 0


def test_eight_bits_under_a_header_of_sixteen(tmp_path):
    made = with_pixels(GRAY, GRAY.tobytes(), BitsAllocated=16, BitsStored=8, HighBit=7)
    made["PixelData"].VR = "OW"
    assert farthest(images(save(made, tmp_path / "a.dcm")), GRAY) == 0


JPEGS = [jpeg(picture) for picture in GRAY]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGExtended12Bit, RLELossless])
def test_frames_are_decoded_by_the_coding_that_they_have(tmp_path, syntax):
    made = multiframe(GRAY, syntax=JPEGBaseline8Bit, coded=JPEGS)
    made.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "a.dcm"
    made["PixelData"].is_undefined_length = True
    made.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True) if syntax.is_encapsulated else rewrite(
        made, path, syntax
    )
    assert farthest(images(str(path)), GRAY) <= 4


def rewrite(made, path, syntax):
    """Write a data set whose transfer syntax is changed in the bytes: pydicom writes no such contradiction."""
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.save_as(path, enforce_file_format=True)
    data, old, new = path.read_bytes(), JPEGBaseline8Bit.encode(), str(syntax).encode()
    path.write_bytes(data.replace(old, new.ljust(len(old), b"\0"), 1))


def test_a_header_of_sixteen_bits_over_a_jpeg_of_eight(tmp_path):
    made = multiframe(GRAY, syntax=JPEGExtended12Bit, coded=JPEGS, BitsAllocated=16, BitsStored=12, HighBit=11)
    made["PixelData"].VR = "OB"
    assert farthest(images(save(made, tmp_path / "a.dcm")), GRAY) <= 4


def test_plain_frames_under_a_coded_syntax(tmp_path):
    path = tmp_path / "a.dcm"
    save(multiframe(GRAY), path)
    data = path.read_bytes()
    old = ExplicitVRLittleEndian.encode() + b"\0"
    path.write_bytes(data.replace(old, JPEGBaseline8Bit.encode()[: len(old)].ljust(len(old), b"\0"), 1))
    with pytest.raises(SourceError, match=r"a\.dcm"):  # another transfer syntax that does not exist
        images(str(path))


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("name", ["a.dcm", "IM_0001"])
def test_a_data_set_without_preamble_is_read(tmp_path, caplog, implicit, name):
    made = multiframe(GRAY)
    del made.file_meta
    made.save_as(tmp_path / name, implicit_vr=implicit, little_endian=True)
    assert farthest(images(str(tmp_path / name)), GRAY) == 0
    assert "does not state its transfer syntax" in caplog.text


def test_coded_frames_without_preamble_are_read(tmp_path):
    path = tmp_path / "IM_0001"
    save(multiframe(GRAY, syntax=JPEGBaseline8Bit, coded=JPEGS), path)
    data = path.read_bytes()
    path.write_bytes(data[128 + 4 + 12 + int.from_bytes(data[140:144], "little") :])
    assert farthest(images(str(path)), GRAY) <= 4
    path.write_bytes(data[132:])  # the file meta group alone
    assert farthest(images(str(path)), GRAY) <= 4


def coded_2000(picture, bits):
    """Return a lossless JPEG 2000."""
    encoder = pytest.importorskip("openjpeg.utils")
    made = encoder.encode_array(
        np.ascontiguousarray(picture), photometric_interpretation=1 + (picture.ndim == 2), bits_stored=bits
    )
    return bytes(made[1] if isinstance(made, tuple) else made)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_RCT"])
@pytest.mark.parametrize("data", [COLORED, YBR], ids=["RGB", "YBR"])
def test_the_colors_of_jpeg_2000(tmp_path, data, photometric):
    coded = [coded_2000(picture, 8) for picture in data]
    made = multiframe(COLORED, syntax=JPEG2000Lossless, coded=coded, photometric=photometric)
    assert farthest(images(save(made, tmp_path / "a.dcm")), COLORED) <= 4


@pytest.mark.parametrize("declared", [0, 1])
@pytest.mark.parametrize("is_signed", [False, True])
def test_the_sign_of_jpeg_2000_is_that_of_the_code(tmp_path, caplog, is_signed, declared):
    values = (WIDE.astype("<i2") << 4) - 2048 if is_signed else WIDE << 4
    coded = [coded_2000(picture, 12) for picture in values]
    made = multiframe(values, syntax=JPEG2000Lossless, coded=coded, bits=12, PixelRepresentation=declared)
    assert farthest(images(save(made, tmp_path / "a.dcm")), GRAY) <= 1
    assert bool(caplog.records) == (is_signed != declared)


def test_bits_alone_prove_the_byte_order_of_a_flat_picture(tmp_path):
    flat = np.where(np.arange(64) < 32, 40, 220) * np.ones((3, 48, 1), int)
    words = (flat * 16 + 3).astype(">u2")
    made = multiframe((flat * 16 + 3).astype("<u2"), bits=12)
    made.PixelData = words.tobytes()
    read = np.array(images(save(made, tmp_path / "a.dcm")), int)
    assert np.abs(read - flat).max() <= 1


@pytest.mark.parametrize("photometric", ["HSV", "ARGB", "CMYK"])
def test_colors_that_dicom_has_retired_are_refused(tmp_path, photometric):
    path = save(multiframe(COLORED, photometric=photometric), tmp_path / "a.dcm")
    with pytest.raises(SourceError, match="convert the file to RGB"):
        images(path)
