"""Detects recordings that were cut off, and those with another one behind them, by the structure of their container.

FFmpeg's demuxers for these formats treat the end of the data as the end of the stream, wherever it is.
"""

import re
import struct
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

from rtseg.sources.files.joined_recordings import ANOTHER, ASF, FLV, Answer, Walker, walk_asf, walk_flv

_HEAD_BYTES = 2048  # enough to recognize a container
_NEVER = 1 << 62  # a position past the end of any stream


class TruncationDetector:
    """Checks the bytes of a stream, from the first one on, for an end that is cut off."""

    def __init__(self) -> None:
        self._data, self._base = bytearray(), 0  # bytes that may still be requested, and their position
        self._walker, self._request = _walk(), (0, 0)
        self._problem: str | None = None
        self._request = next(self._walker)

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the stream."""
        if self._problem is None:
            self._data += data
            self._go_on(is_over=False)

    def problem(self) -> str:
        """Return what is wrong with the end of the stream, or ""; every byte was fed before."""
        self._go_on(is_over=True)
        return self._problem or ""

    def _go_on(self, *, is_over: bool) -> None:
        while self._problem is None:
            (position, size), length = self._request, self._base + len(self._data)
            dropped = min(position, length) - self._base
            del self._data[:dropped]
            self._base += dropped
            if length < position + size and not is_over:
                return
            answer: Answer = length if position > length else bytes(self._data[:size])
            try:
                self._request = self._walker.send(answer)
            except StopIteration as end:
                self._problem = end.value
                self._data.clear()


def find_truncation(path: Path) -> str:
    """Return what is wrong with the end of a file, or "". Raises OSError."""
    with path.open("rb") as file:
        length, walker = file.seek(0, 2), _walk()
        position, size = next(walker)
        while True:
            answer: Answer = length
            if position <= length:
                file.seek(position)
                answer = file.read(size)
            try:
                position, size = walker.send(answer)
            except StopIteration as end:
                return str(end.value)


def _walk() -> Walker:
    head = yield 0, _HEAD_BYTES
    if not isinstance(head, bytes):
        return ""
    for is_kind, walk in _KINDS:
        if is_kind(head):
            try:
                return (yield from walk(head))
            except _TruncationError as cut:
                return str(cut)
    return ""


class _TruncationError(Exception):
    """Reports that the stream ends inside an element."""


def _get(position: int, size: int, what: str) -> Generator[tuple[int, int], Answer, bytes]:
    """Return all `size` bytes at a position. Raises _TruncationError."""
    answer = yield position, size
    if not isinstance(answer, bytes) or len(answer) < size:
        raise _TruncationError(f"it ends within {what}")
    return answer


def _gif(_head: bytes) -> Walker:
    """Walk the blocks up to the trailer, 0x3B."""
    screen = yield from _get(0, 13, "its header")
    at = 13 + _palette_bytes(screen[10])
    while True:
        kind = yield from _get(at, 1, "a picture, without a trailer")
        if kind == b"\x2c":
            picture = yield from _get(at + 1, 9, "a picture")
            at += 11 + _palette_bytes(picture[8])  # with the size of an LZW code
        elif kind == b"\x21":
            at += 2
        else:  # the trailer, or no GIF
            return ""
        while size := (yield from _get(at, 1, "a picture"))[0]:
            at += 1 + size
        at += 1


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _y4m(head: bytes) -> Walker:
    """Walk the pictures: a header line each, then a fixed number of bytes."""
    first, newline, _ = head.partition(b"\n")
    size = _y4m_bytes(first.decode("latin-1"))
    if not newline or not size:
        return ""
    at = len(first) + 1
    while line := (yield at, 256):
        if isinstance(line, int):
            return "it ends within a picture"
        if not line.startswith(b"FRAME"):
            return "it ends within a picture" if b"FRAME".startswith(line) else ""
        end = line.find(b"\n")
        if end < 0:
            return "it ends within a picture" if len(line) < 256 else ""
        at += end + 1 + size
    return ""


def _y4m_bytes(line: str) -> int:
    """Return the bytes of a picture; 0 where its format is unknown."""
    words = {word[:1]: word[1:] for word in line.split()[1:] if word[:1] in "WHC"}
    found = re.fullmatch(r"(420|422|444|411|mono)(jpeg|paldv|mpeg2|alpha)?(?:p?(9|1\d))?", words.get("C", "420jpeg"))
    if not found or not words.get("W", "").isdecimal() or not words.get("H", "").isdecimal():
        return 0
    width, height = int(words["W"][:9]), int(words["H"][:9])
    down, along = {"420": (2, 2), "422": (1, 2), "411": (1, 4)}.get(found[1], (1, 1))
    planes = 0 if found[1] == "mono" else 2
    pixels = width * height + planes * -(-width // along) * -(-height // down) + (width * height if found[2] == "alpha" else 0)
    return pixels * (2 if found[3] else 1)


_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def _matroska(_head: bytes) -> Walker:
    """Walk the elements; a segment or cluster of unknown size, as streaming programs write them, ends with the stream."""
    at = 0
    while data := (yield at, 12):
        if isinstance(data, int):
            return "it ends within an element of Matroska"
        name_bytes = 9 - data[0].bit_length()
        name = data[:name_bytes]
        if name_bytes > 4:
            return ""  # bytes after the recording do not belong to it
        if len(data) <= name_bytes or len(data) < name_bytes + (size_bytes := 9 - data[name_bytes].bit_length()):
            return "it ends within an element of Matroska"
        if size_bytes > 8:
            return ""
        at += name_bytes + size_bytes
        mask = (1 << 7 * size_bytes) - 1
        size = int.from_bytes(data[name_bytes : name_bytes + size_bytes], "big") & mask
        if size == mask and name in (_SEGMENT, _CLUSTER):
            continue
        at += size
        if name == _SEGMENT:
            return "it ends before its segment does" if isinstance((yield at, 0), int) else ""
    return ""


def _iso(_head: bytes) -> Walker:
    """Walk the boxes of MP4 and MOV; a size of 0 marks the box that runs to the end."""
    at, found = 0, Counter[bytes]()
    while isinstance(data := (yield at, 16), bytes) and len(data) >= 8:
        size, kind = struct.unpack_from(">I4s", data)
        if size == 1 and len(data) == 16:
            (size,) = struct.unpack_from(">Q", data, 8)
        found[kind] += 1
        if size < 8:
            break
        at += size
        if kind in (b"mdat", b"moof", b"moov") and isinstance((yield at, 0), int):
            return f"it ends within its {kind.decode()} box"
    return ANOTHER if found[b"moov"] > 1 else ""


def _avi(_head: bytes) -> Walker:
    """Walk the RIFF chunks; a size that counts the chunk's own header is accepted."""
    at = 0
    while isinstance(data := (yield at, 12), bytes) and data[:4] == b"RIFF" and len(data) == 12:
        size = struct.unpack_from("<I", data, 4)[0]
        if not size:
            return ""
        at += 8 + size
        if isinstance((yield at - 8, 0), int):
            return "it ends before its RIFF chunk does"
        at += at % 2
    return ""


def _mpegts(head: bytes) -> Walker:
    """Check for whole packets of 188 bytes, with 4 before them (M2TS) or 16 after them (DVB)."""
    size = _packet_bytes(head)
    length = yield _NEVER, 0
    return "it ends within a packet of MPEG-TS" if isinstance(length, int) and size and length % size else ""


def _packet_bytes(head: bytes) -> int:
    for size, first in ((188, 0), (192, 4), (204, 0)):
        if len(head) > 3 * size and all(head[first + number * size] == 0x47 for number in range(4)):
            return size
    return 0


_KINDS: tuple[tuple[Callable[[bytes], object], Callable[[bytes], Walker]], ...] = (
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), _gif),
    (lambda head: head.startswith(b"YUV4MPEG2 "), _y4m),
    (lambda head: head.startswith(b"\x1a\x45\xdf\xa3"), _matroska),
    (lambda head: head[:4] == b"RIFF" and head[8:11] == b"AVI", _avi),
    (lambda head: head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"), _iso),
    (lambda head: head.startswith(FLV), walk_flv),
    (lambda head: head.startswith(ASF), walk_asf),
    (_packet_bytes, _mpegts),
)
