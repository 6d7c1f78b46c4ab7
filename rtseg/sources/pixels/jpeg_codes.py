"""Reads the codes of a sequential JPEG scan in a compiled loop, without computing a pixel (ITU-T T.81, F.2)."""

import numpy as np
import numpy.typing as npt

from rtseg.kernels.runtime.cpu import compiled

WHOLE, _UNKNOWN_CODE, _TOO_SHORT, _TOO_LONG, _MISSING_RESTART, _IMPOSSIBLE_LEVEL = range(6)
WORDS = (
    "",
    "a code that it does not define",
    "data that end too early",
    "data after their end",
    "a missing part between two restart markers",
    "levels that no picture has",
)
_LOW = 32  # bits, of which a code and its value take 31 at most
_SIXTEEN_ZEROS = 0xF0  # a symbol
_FEW_BYTES = 4  # after the last code, which some cameras leave

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Tables = npt.NDArray[np.uint16]


@compiled
def walk_scan(data: Bytes, tables: Tables, blocks: Numbers, means: Numbers, units: int, interval: int) -> int:
    """Read all codes of a scan, and return the place in WORDS of what is wrong.

    blocks: (N, 4) for each block of a unit the tables of its mean and of the rest, its component, and the greatest mean.
    means: of each component's newest block.
    """
    at, word, held, restart = 0, np.uint64(0), np.int64(0), 0xD0
    for unit in range(units):
        if interval and unit and unit % interval == 0:
            if _is_too_long(data, at, word, held):
                return _TOO_LONG
            at = _marker(data, at)
            if at + 1 >= data.size or data[at + 1] != restart:
                return _MISSING_RESTART
            at, held, restart = at + 2, np.int64(0), 0xD0 | (restart + 1) & 7
            means[:] = 0
        for block in range(blocks.shape[0]):
            problem, at, word, held = _walk_block(data, tables, blocks, block, means, at, word, held)
            if problem != WHOLE:
                return problem
    return _TOO_LONG if _is_too_long(data, at, word, held) else WHOLE


@compiled
def _walk_block(
    data: Bytes, tables: Tables, blocks: Numbers, block: int, means: Numbers, at: int, word: np.uint64, held: np.int64
) -> tuple[int, int, np.uint64, np.int64]:
    """Read the codes of one block; return what is wrong, and the new place, bits and their number, as `_is_too_long` takes."""
    place, table, component = np.int64(0), blocks[block, 0], blocks[block, 2]
    while place < 64:
        if held <= _LOW:
            at, word, held = _fill(data, at, word, held)
        bits = word >> np.uint64(held - 16) if held >= 16 else word << np.uint64(16 - held)
        entry = np.int64(tables[table, bits & np.uint64(0xFFFF)])
        length, symbol = entry >> 8, entry & 0xFF
        size = symbol & 15
        if length == 0 or (place == 0 and symbol > 15):
            return (_UNKNOWN_CODE if held >= 16 else _TOO_SHORT), at, word, held
        if length + size > held:
            return _TOO_SHORT, at, word, held
        held -= length + size
        if place == 0:
            place, table = np.int64(1), blocks[block, 1]
            step = np.int64(word >> np.uint64(held) & np.uint64((1 << size) - 1))
            means[component] += step if size == 0 or step >> (size - 1) else step - (1 << size) + 1
            if abs(means[component]) > blocks[block, 3]:
                return _IMPOSSIBLE_LEVEL, at, word, held
        elif size or symbol == _SIXTEEN_ZEROS:
            place += (symbol >> 4) + 1
            if place > 64:
                return _UNKNOWN_CODE, at, word, held
        elif symbol == 0:  # the rest of the block is zero
            break
        else:
            return _UNKNOWN_CODE, at, word, held
    return WHOLE, at, word, held


@compiled
def _fill(data: Bytes, at: int, word: np.uint64, held: np.int64) -> tuple[int, np.uint64, np.int64]:
    """Read bytes into the word, up to a marker, and drop the zero behind each 0xFF."""
    while held <= 48 and at < data.size:
        byte = data[at]
        if byte == 0xFF and (at + 1 >= data.size or data[at + 1] != 0):
            break
        at += 2 if byte == 0xFF else 1
        word = word << np.uint64(8) | np.uint64(byte)
        held += 8
    return at, word, held


@compiled
def _is_too_long(data: Bytes, at: int, word: np.uint64, held: np.int64) -> bool:
    """Return whether more bytes follow the last code, up to the next marker, than cameras leave there.

    word, held: the newest bits, and how many of them were not used.
    """
    padding, unused = held % 8, held // 8
    end = _marker(data, at)
    count = unused + end - at
    ones = np.uint64((1 << padding) - 1)
    rest = word >> np.uint64(held - padding) & ones
    is_padded = rest == ones  # coders fill the last byte with ones
    if count == 0:
        return not is_padded and rest != 0  # some with zeros
    first = data[at] if unused == 0 else np.uint8(word >> np.uint64(8 * (unused - 1)) & np.uint64(0xFF))
    are_equal = first in (0, 0xFF)
    for byte in range(unused):
        are_equal = are_equal and np.uint8(word >> np.uint64(8 * byte) & np.uint64(0xFF)) == first
    for place in range(at, end):
        are_equal = are_equal and (data[place] == first or (data[place] == 0 and data[place - 1] == 0xFF))
    return not are_equal and not (is_padded and count <= _FEW_BYTES)


@compiled
def _marker(data: Bytes, at: int) -> int:
    """Return the place of the next marker's last fill byte, or the end of the data."""
    while at < data.size:
        if data[at] == 0xFF and at + 1 < data.size and data[at + 1] != 0 and data[at + 1] != 0xFF:
            return at
        at += 1
    return at
