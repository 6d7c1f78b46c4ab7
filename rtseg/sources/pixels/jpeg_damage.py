"""Finds damage in the coded data of a JPEG, which decoders turn into a picture without a mark.

Each code of a sequential scan is read, without computing a pixel: codes have to be known ones and to end where the data do
(ITU-T T.81, F.2). OpenCV passes no warning of libjpeg on, and FFmpeg notices a part of the damage.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from av import CodecContext, Packet
from av.error import FFmpegError

from rtseg.kernels.runtime.cpu import compiled
from rtseg.sources.pixels.decoder import size_limit, strictness
from rtseg.sources.pixels.jpeg_segments import CODED, SCAN, TABLES, jpeg_segments

_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2  # frames coded by Huffman
_OTHER_FRAMES = frozenset({*range(0xC3, 0xD0)}) - {TABLES, 0xC8, 0xCC}
_INTERVAL, _STEPS = 0xDD, 0xDB
_MOST_BITS = 16  # of a sample: others are left to the decoder
_PLACES = 1 << 16  # of a table: every word of 16 bits
_KINDS = 32  # class and number of a table: 0x00 to 0x13
_AC = 16  # added to a table's number
_MOST_BLOCKS = 10  # of a unit (B.2.3)
_FEW_BYTES = 4  # after the last code, which some cameras leave

_WHOLE, _UNKNOWN_CODE, _TOO_SHORT, _TOO_LONG, _MISSING_RESTART, _IMPOSSIBLE_LEVEL = range(6)
_WORDS = (
    "",
    "a code that it does not define",
    "data that end too early",
    "data after their end",
    "a missing part between two restart markers",
    "levels that no picture has",
)
_PROGRESSIVE_WORDS = "a progressive scan that cannot be decoded"

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Tables = npt.NDArray[np.uint16]


@dataclass(slots=True)
class _Frame:
    """Holds what the segments in front of a scan say."""

    size: tuple[int, int] = (0, 0)
    """Height and width."""
    factors: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Sampling of each component, down and across, by its name."""
    steps: dict[int, int] = field(default_factory=dict)
    """Number of each component's table of quantization, by its name."""
    mean_steps: dict[int, int] = field(default_factory=dict)
    """Step in which a block's mean level is coded, by the number of a table of quantization."""
    extreme: int = 1 << 10
    """Mean level of a white block in steps of 1; that of a black one is its negative."""
    interval: int = 0
    """Units between two restart markers; 0 for none."""
    tables: Tables = field(default_factory=lambda: np.zeros((_KINDS, _PLACES), np.uint16))
    """Length << 8 | symbol of the code that each word of 16 bits starts with, 0 for none; by class and number."""
    has_tables: bool = False
    """Whether the picture has tables of its own; Motion JPEG may leave out the usual ones (K.3)."""


def jpeg_damage(coded: bytes | bytearray) -> str:
    """Return what is wrong in the scans of a JPEG, or "". Arithmetic and lossless coding is not examined.

    A few bytes after the last code are no damage, nor are any number of zeros or fill bytes: cameras write such.
    """
    frame, scan = _Frame(), b""
    try:
        for part in jpeg_segments(coded):
            content = bytes(coded[part.begin : part.end])
            if part.marker in _OTHER_FRAMES:
                return ""
            if part.marker == _PROGRESSIVE:
                return "" if _is_decodable(coded) else _PROGRESSIVE_WORDS
            if part.marker in _READERS:
                _READERS[part.marker](frame, content)
            elif part.marker == SCAN:
                scan = content
            elif part.marker == CODED and (code := _examine(frame, scan, content)):
                return _WORDS[code]
    except (IndexError, KeyError, ValueError, ZeroDivisionError):
        return ""  # its header is broken, which decoders refuse
    return ""


def _is_decodable(coded: bytes | bytearray) -> bool:
    """Return whether FFmpeg decodes a picture without an error."""
    coder = CodecContext.create("mjpeg", "r")
    coder.options = size_limit() | strictness("mjpeg")
    try:
        return bool(coder.decode(Packet(bytes(coded))))
    except FFmpegError:
        return False


def _read_frame(frame: _Frame, header: bytes) -> None:
    frame.size = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
    names = range(6, 6 + 3 * header[5], 3)
    frame.factors = {header[at]: (header[at + 1] & 15, header[at + 1] >> 4) for at in names}
    frame.steps = {header[at]: header[at + 2] for at in names}
    frame.extreme = 1 << (min(header[0], _MOST_BITS) + 2)


def _read_steps(frame: _Frame, data: bytes) -> None:
    """Add the steps of the mean levels, of the tables of quantization of one segment. Raises IndexError."""
    at = 0
    while at < len(data):
        is_wide = data[at] >> 4
        frame.mean_steps[data[at] & 15] = int.from_bytes(data[at + 1 : at + 2 + is_wide], "big")
        at += 1 + 64 * (1 + is_wide)


def _read_tables(frame: _Frame, data: bytes) -> None:
    """Add the tables of one segment. Raises ValueError, IndexError."""
    frame.has_tables, at = True, 0
    while at + 17 <= len(data):
        lengths = np.repeat(np.arange(1, 17), list(data[at + 1 : at + 17]))
        symbols = np.frombuffer(data, np.uint8, len(lengths), at + 17)
        entries = np.repeat(lengths << 8 | symbols, 1 << (16 - lengths))
        frame.tables[data[at]] = 0
        frame.tables[data[at], : len(entries)] = entries
        at += 17 + len(lengths)


def _read_interval(frame: _Frame, data: bytes) -> None:
    frame.interval = int.from_bytes(data[:2], "big")


_READERS = dict.fromkeys(_SEQUENTIAL, _read_frame) | {TABLES: _read_tables, _STEPS: _read_steps, _INTERVAL: _read_interval}


def _examine(frame: _Frame, scan: bytes, data: bytes) -> int:
    """Return what is wrong with the data of one scan. Raises IndexError, KeyError for a broken header."""
    if not frame.has_tables:
        _read_usual_tables(frame)
    names = range(1, 1 + 2 * scan[0], 2)
    factors, most = [frame.factors[scan[at]] for at in names], [max(axis) for axis in zip(*frame.factors.values(), strict=True)]
    if len(names) == 1:  # a unit is one block of the component
        sides = [math.ceil(side * own / top) for side, own, top in zip(frame.size, factors[0], most, strict=True)]
        units, counts = math.prod(math.ceil(side / 8) for side in sides), [1]
    else:
        units = math.prod(math.ceil(side / (8 * top)) for side, top in zip(frame.size, most, strict=True))
        counts = [down * across for down, across in factors]
    if not (units and 0 < sum(counts) <= _MOST_BLOCKS):
        return _WHOLE
    rows = [
        (scan[at + 1] >> 4 & 15, _AC + (scan[at + 1] & 15), number, _limit(frame, scan[at])) for number, at in enumerate(names)
    ]
    blocks = np.repeat(np.array(rows, np.int64), counts, axis=0)
    means = np.zeros(len(rows), np.int64)
    return int(_walk(np.frombuffer(data, np.uint8), frame.tables, blocks, means, units, frame.interval))


def _limit(frame: _Frame, name: int) -> int:
    """Return the greatest quantized mean level of a component's block, with some leave for coders that round."""
    return frame.extreme // max(1, frame.mean_steps.get(frame.steps[name], 1)) + 2


def _read_usual_tables(frame: _Frame) -> None:
    """Add the tables of annex K.3, which OpenCV writes."""
    _, usual = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    coded = usual.tobytes()
    for part in jpeg_segments(coded):
        if part.marker == TABLES:
            _read_tables(frame, coded[part.begin : part.end])


@compiled
def _walk(data: Bytes, tables: Tables, blocks: Numbers, means: Numbers, units: int, interval: int) -> int:  # noqa: C901, PLR0912  one loop, compiled
    """Read all codes of a scan.

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
            place, table = np.int64(0), blocks[block, 0]
            while place < 64:
                while held <= 48 and at < data.size:
                    byte = data[at]
                    if byte == 0xFF and (at + 1 >= data.size or data[at + 1] != 0):
                        break
                    at += 2 if byte == 0xFF else 1
                    word = word << np.uint64(8) | np.uint64(byte)
                    held += 8
                bits = word >> np.uint64(held - 16) if held >= 16 else word << np.uint64(16 - held)
                entry = np.int64(tables[table, bits & np.uint64(0xFFFF)])
                length, symbol = entry >> 8, entry & 0xFF
                size = symbol & 15
                if length == 0 or (place == 0 and symbol > 15):
                    return _UNKNOWN_CODE if held >= 16 else _TOO_SHORT
                if length + size > held:
                    return _TOO_SHORT
                held -= length + size
                if place == 0:
                    place, table, component = np.int64(1), blocks[block, 1], blocks[block, 2]
                    step = np.int64(word >> np.uint64(held) & np.uint64((1 << size) - 1))
                    means[component] += step if size == 0 or step >> (size - 1) else step - (1 << size) + 1
                    if abs(means[component]) > blocks[block, 3]:
                        return _IMPOSSIBLE_LEVEL
                elif size or symbol == 0xF0:
                    place += (symbol >> 4) + 1
                    if place > 64:
                        return _UNKNOWN_CODE
                elif symbol == 0:  # the rest of the block is zero
                    break
                else:
                    return _UNKNOWN_CODE
    return _TOO_LONG if _is_too_long(data, at, word, held) else _WHOLE


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
