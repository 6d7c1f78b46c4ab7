"""Tests the codec against pyigtl: each decodes what the other encodes, bit for bit."""

import numpy as np
import pyigtl
import pyigtl.messages
import pytest
from igtl import peers

from rtseg.errors import MessageError
from rtseg.igtl import HEADER_BYTES, read_header, unpack
from rtseg.igtl.crc import crc64
from rtseg.igtl.header import fraction, nanoseconds
from rtseg.igtl.image import LPS, RAS, IgtlImage, matrix_from_spacing, read_image, to_8_bits, write_image
from rtseg.igtl.message import matches_checksum
from rtseg.igtl.text import Status, read_status, read_string, write_status, write_string
from rtseg.igtl.transform import read_transform, write_transform

TYPES = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64]
SHAPES = [(1, 1), (1, 5), (5, 1), (7, 9), (6, 4, 3), (6, 4, 4), (3, 2, 2)]


def opened(packed):
    """Decode a message's bytes with rtseg."""
    header = read_header(packed)
    body = memoryview(packed)[HEADER_BYTES:]
    assert header.body_bytes == len(body)
    assert matches_checksum(header, body)
    return unpack(header, body)


def opened_by_pyigtl(packed):
    """Decode a message's bytes with pyigtl."""
    fields = pyigtl.MessageBase.parse_header(packed[:HEADER_BYTES])
    message = pyigtl.MessageBase.create_message(fields["message_type"])
    message.unpack(fields, packed[HEADER_BYTES:])
    return message


def pixels_of(shape, dtype):
    rng = np.random.default_rng(7)
    raw = rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return np.nan_to_num(np.frombuffer(raw, dtype).reshape(shape))


def random_matrix(seed):
    """Return the pose of a rotated, scaled and shifted image, in 32-bit floats as in the protocol."""
    rng = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = turned @ np.diag([*rng.uniform(0.05, 2, 2), 1])
    matrix[:3, 3] = rng.uniform(-300, 300, 3)
    return matrix.astype(np.float32).astype(float)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, 16, 1000, 4099])
def test_the_checksum_is_that_of_crcmod(size):
    data = np.random.default_rng(size).bytes(size)
    assert crc64(data) == pyigtl.messages.CRC64(data)
    assert crc64(data[: size // 3], memoryview(bytearray(data[size // 3 :]))) == crc64(data)


def test_the_checksum_of_the_standard():
    assert crc64(b"123456789") == 0x6C40DF5F0B497347  # CRC-64/ECMA-182 in the catalogue of parametrised CRC algorithms


def test_every_nanosecond_comes_back_and_is_pyigtls():
    for rest_ns in [0, 1, 2, 499_999_999, 500_000_000, 999_999_999, *np.random.default_rng(0).integers(0, 10**9, 500).tolist()]:
        assert nanoseconds(fraction(rest_ns)) == rest_ns
        assert fraction(rest_ns) == pyigtl.messages._igtl_nanosec_to_frac(rest_ns)


def test_a_fraction_of_another_sender_is_right_to_some_nanoseconds():
    for bits in np.random.default_rng(1).integers(0, 2**32, 200).tolist():
        assert abs(nanoseconds(bits) - bits * 1e9 / 2**32) < 32


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_pixels_go_to_pyigtl_and_back_to_the_bit(dtype, shape, order):
    pixels = pixels_of(shape, dtype).astype(np.dtype(dtype).newbyteorder(order))
    packed = peers.packed("IMAGE", "Image", 0, *write_image(IgtlImage(pixels, matrix_from_spacing(None))))
    assert np.array_equal(np.squeeze(opened_by_pyigtl(packed).image), np.squeeze(pixels))
    ours = read_image(opened(packed).content)
    assert ours.pixels.dtype == pixels.dtype
    assert np.array_equal(ours.pixels, pixels)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 7, 9), (1, 6, 4, 3)], ids=str)
def test_pixels_come_from_pyigtl_to_the_bit(dtype, shape):
    """Only little-endian: pyigtl 0.3.4 cannot send big-endian pixels."""
    pixels = pixels_of(shape, dtype)
    packed = pyigtl.ImageMessage(pixels, device_name="Image").pack()
    assert np.array_equal(read_image(opened(packed).content).pixels, pixels[0])


def test_a_flat_array_of_pyigtl_is_a_picture():
    """pyigtl sends a NumPy image (H, W) as H slices of one column, with the pose rotated accordingly."""
    matrix = np.diag([9.0, 0.25, 0.5, 1.0])  # in the order of pyigtl's axes: thickness, along, down
    packed = pyigtl.ImageMessage(peers.grey(), matrix, device_name="Image").pack()
    picture = read_image(opened(packed).content)
    assert np.array_equal(picture.pixels, peers.grey())
    assert picture.spacing_mm == (0.5, 0.25)


@pytest.mark.parametrize("seed", range(20))
def test_a_place_goes_to_pyigtl_and_back_to_the_bit(seed):
    sent = pyigtl.ImageMessage(peers.grey()[None], random_matrix(seed), "ras", device_name="Image").pack()
    picture = read_image(opened(sent).content)
    assert b"".join(write_image(picture)) == sent[HEADER_BYTES:]
    assert np.allclose(picture.matrix, random_matrix(seed), atol=1e-4)  # pyigtl rounds the centre's place to 32 bits
    assert np.array_equal(opened_by_pyigtl(sent).ijk_to_world_matrix, picture.matrix)


@pytest.mark.parametrize("world", [RAS, LPS])
def test_the_worlds_axes_are_told(world):
    packed = peers.image(world=world)
    assert opened_by_pyigtl(packed).world_coordinate_system == world.lower()
    assert read_image(opened(packed).content).world == world


@pytest.mark.parametrize("seed", range(10))
def test_a_transform_goes_both_ways_to_the_bit(seed):
    matrix = random_matrix(seed)
    theirs = pyigtl.TransformMessage(matrix, device_name="ProbeToTracker").pack()
    assert np.array_equal(read_transform(opened(theirs).content), matrix)
    ours = peers.packed("TRANSFORM", "ProbeToTracker", 0, write_transform(tuple(map(tuple, matrix.tolist()))))
    assert np.array_equal(opened_by_pyigtl(ours).matrix, matrix)


@pytest.mark.parametrize("text", ["", "BRIGHTNESS", "Größe 3 mm²", "x" * 65535])
def test_a_text_goes_both_ways(text):
    ours = peers.packed("STRING", "Text", 0, write_string(text))
    assert opened_by_pyigtl(ours).string == text
    assert read_string(opened(ours).content) == text


def test_pyigtls_text_is_read():
    assert read_string(opened(pyigtl.StringMessage("depth 40", device_name="Text").pack()).content) == "depth 40"


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(MessageError, match="at most 65535 bytes"):
        write_string("x" * 65536)


def test_a_status_comes_back():
    status = Status(13, -5, "NOT READY", "the probe warms up")
    assert read_status(write_status(status)) == status


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_version_of_the_header(version):
    message = pyigtl.ImageMessage(peers.grey()[None], timestamp=1700000000.25, device_name="Image_Reference")
    message.header_version, message.metadata = version, {"Depth": "40", "Größe": "klein"} if version > 1 else {}
    read = opened(message.pack())
    assert (read.type, read.device, read.timestamp_ns) == ("IMAGE", "Image_Reference", 1_700_000_000_250_000_000)
    assert read.metadata == message.metadata
    assert np.array_equal(read_image(read.content).pixels, peers.grey())


def test_metadata_go_to_pyigtl():
    packed = peers.packed("TRANSFORM", "A", 0, write_transform(peers.MATRIX), IGTL_DEVICE_NAME="AToB", Empty="")
    theirs = opened_by_pyigtl(packed)
    assert theirs.metadata == {"IGTL_DEVICE_NAME": "AToB", "Empty": ""}
    assert np.allclose(theirs.matrix, peers.MATRIX)
    assert opened(packed).metadata == theirs.metadata


def test_a_long_name_loses_whole_letters():
    packed = peers.packed("STRING", "ä" * 15, 0, write_string(""))
    assert read_header(packed).device == "ä" * 10
    packed = peers.packed("STRING", "x" + "ä" * 15, 0, write_string(""))
    assert read_header(packed).device == "x" + "ä" * 9


def test_a_place_that_is_unknown_has_no_spacing():
    assert IgtlImage(peers.grey(), matrix_from_spacing(None)).spacing_mm is None
    assert IgtlImage(peers.grey(), matrix_from_spacing((0.5, 0.25))).spacing_mm == (0.5, 0.25)
    assert IgtlImage(peers.grey(), ((0.0,) * 4,) * 4).spacing_mm is None


@pytest.mark.parametrize(
    ("dtype", "values", "white", "expected"),
    [
        (np.uint8, [0, 1, 255], None, [0, 1, 255]),
        (np.uint8, [0, 32, 63, 64, 255], 63, [0, 128, 252, 255, 255]),
        (np.uint16, [0, 255, 256, 65535], None, [0, 0, 1, 255]),
        (np.uint16, [0, 16, 4095, 4096, 65535], 4095, [0, 1, 255, 255, 255]),
        (np.int16, [-32768, -1, 0, 128, 32767], None, [0, 0, 0, 1, 255]),
        (np.int8, [-128, 0, 1, 127], None, [0, 0, 2, 254]),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_the_upper_8_bits_up_to_white(dtype, values, white, expected, order):
    pixels = np.array([values], np.dtype(dtype).newbyteorder(order))
    assert to_8_bits(pixels, white).tolist() == [expected]


def test_transparency_is_left_out():
    pixels = pixels_of((4, 5, 4), np.uint8)
    assert np.array_equal(to_8_bits(pixels), pixels[..., :3])


@pytest.mark.parametrize("pixels", [np.ones((2, 2), np.float32), np.ones((2, 2), np.int32), np.ones((2, 2, 2), np.uint8)])
def test_pixels_whose_white_is_not_known_are_refused(pixels):
    with pytest.raises(MessageError, match="have the sender send grey or RGB of 8 or 16 bits"):
        to_8_bits(pixels)


def test_a_picture_too_large_for_the_protocol():
    with pytest.raises(MessageError, match="at most 65535 pixels a side"):
        write_image(IgtlImage(np.zeros((1, 65536), np.uint8), matrix_from_spacing(None)))
