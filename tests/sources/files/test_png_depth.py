"""Tests that PNG of 16 bits, of which fewer are significant, keep their levels, as writers store them, in dark pictures too."""

import struct
import zlib

import numpy as np
import pytest

from rtseg.sources import open_source

LEVELS = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint16) % 256 * 16 + 5


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _write(path, pixels, significant):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"sBIT", significant), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts))
    return str(path)


@pytest.mark.parametrize("divisor", [1, 12], ids=["bright", "dark"])
@pytest.mark.parametrize("stored", ["scaled", "at the top", "as they are"])
def test_twelve_significant_bits(tmp_path, stored, divisor):
    values = LEVELS // divisor
    pixels = {"scaled": values << 4 | values >> 8, "at the top": values << 4, "as they are": values}[stored]
    (frame,) = open_source(_write(tmp_path / "a.png", pixels, b"\x0c"))
    np.testing.assert_array_equal(frame.image, (values >> 4).astype(np.uint8))


def test_colors_state_a_number_for_each_channel(tmp_path):
    values = np.dstack([LEVELS // 9, LEVELS // 7, LEVELS // 5])
    (frame,) = open_source(_write(tmp_path / "a.png", values << 4, b"\x0c\x0c\x0c"))
    np.testing.assert_array_equal(frame.image, (values >> 4).astype(np.uint8))
