"""Finds damage in the coded data of a JPEG, which decoders turn into a picture without a mark.

Each code of a sequential scan is read, without computing a pixel: codes have to be known ones and to end where the data do
(ITU-T T.81, F.2). OpenCV passes no warning of libjpeg on, and FFmpeg notices a part of the damage.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from av import CodecContext, Packet
from av.error import FFmpegError

from rtseg.sources.pixels.decoder import size_limit, strictness
from rtseg.sources.pixels.jpeg_codes import WHOLE, WORDS, Tables, walk_scan
from rtseg.sources.pixels.jpeg_segments import CODED, SCAN, TABLES, jpeg_segments

_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2  # frames coded by Huffman
_OTHER_FRAMES = frozenset({*range(0xC3, 0xD0)}) - {TABLES, 0xC8, 0xCC}
_INTERVAL, _STEPS = 0xDD, 0xDB
_MOST_BITS = 16  # of a sample: others are left to the decoder
_PLACES = 1 << 16  # of a table: every word of 16 bits
_KINDS = 32  # class and number of a table: 0x00 to 0x13
_AC = 16  # added to a table's number
_MOST_BLOCKS = 10  # of a unit (B.2.3)

_PROGRESSIVE_WORDS = "a progressive scan that cannot be decoded"


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
                return WORDS[code]
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
        return WHOLE
    rows = [
        (scan[at + 1] >> 4 & 15, _AC + (scan[at + 1] & 15), number, _limit(frame, scan[at])) for number, at in enumerate(names)
    ]
    blocks = np.repeat(np.array(rows, np.int64), counts, axis=0)
    means = np.zeros(len(rows), np.int64)
    return int(walk_scan(np.frombuffer(data, np.uint8), frame.tables, blocks, means, units, frame.interval))


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
