"""Computes OpenIGTLink's checksum: CRC-64 with the polynomial of ECMA-182, most significant bit first, initial value 0.

Nothing is inverted. Eight bytes are processed a step, with eight tables (Kounavis and Berry, A systematic approach to
building high performance software-based CRC generators, ISCC 2005).
"""

import numpy as np
import numpy.typing as npt

from rtseg.kernels.runtime.cpu import compiled

_POLYNOMIAL = 0x42F0E1EBA9EA3693
_ALL = (1 << 64) - 1
_STEP = 8  # bytes


def crc64(*pieces: bytes | bytearray | memoryview) -> int:
    """Return the checksum of the concatenated pieces."""
    crc = 0
    for piece in pieces:
        data = np.frombuffer(memoryview(piece).toreadonly(), np.uint8)  # one type, so that the loop is compiled once
        crc = int(_crc64(np.uint64(crc), data, _TABLES))
    return crc


def _tables() -> npt.NDArray[np.uint64]:
    """Return the tables (8, 256): the checksum's change by a byte that 0 to 7 zero bytes follow."""
    first = [_one_byte(byte) for byte in range(256)]
    tables = [first]
    for _ in range(_STEP - 1):
        tables.append([(rest << 8) & _ALL ^ first[rest >> 56] for rest in tables[-1]])
    return np.array(tables, np.uint64)


def _one_byte(byte: int) -> int:
    rest = byte << 56
    for _ in range(8):
        rest = (rest << 1) & _ALL ^ (_POLYNOMIAL if rest >> 63 else 0)
    return rest


@compiled
def _crc64(crc: np.uint64, data: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint64]) -> np.uint64:
    whole, low = len(data) // _STEP * _STEP, np.uint64(255)
    for i in range(0, whole, _STEP):
        crc = (
            tables[7, (crc >> np.uint64(56)) ^ data[i]]
            ^ tables[6, ((crc >> np.uint64(48)) & low) ^ data[i + 1]]
            ^ tables[5, ((crc >> np.uint64(40)) & low) ^ data[i + 2]]
            ^ tables[4, ((crc >> np.uint64(32)) & low) ^ data[i + 3]]
            ^ tables[3, ((crc >> np.uint64(24)) & low) ^ data[i + 4]]
            ^ tables[2, ((crc >> np.uint64(16)) & low) ^ data[i + 5]]
            ^ tables[1, ((crc >> np.uint64(8)) & low) ^ data[i + 6]]
            ^ tables[0, (crc & low) ^ data[i + 7]]
        )
    for i in range(whole, len(data)):
        crc = (crc << np.uint64(8)) ^ tables[0, (crc >> np.uint64(56)) ^ data[i]]
    return crc


_TABLES = _tables()
