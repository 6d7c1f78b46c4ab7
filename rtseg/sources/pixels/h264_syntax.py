"""Parses the few fields of an H.264 stream that show whether pictures are missing and where decoding may resume.

Source: ITU-T H.264, clauses 7.3.2.1 (sequence parameter set), 7.3.3 (slice header), D.1.8 (recovery point SEI) and 7.4.3
(frame_num).
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_IDR, _SLICES, _SEI, _SPS, _PPS = 5, (1, 2, 5), 6, 7, 8  # NAL unit types
_RECOVERY_POINT, _USER_DATA = 6, 5  # SEI payload types
_ALL_I = 7  # slice type: every slice of the picture is I
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_HEAD_BYTES = 64  # of a slice or picture parameter set: more than the fields that are parsed
_START = b"\0\0\1"
_KEY_INTERVAL = re.compile(rb"x264.*?keyint=(\d+|infinite).*?intra_refresh=(\d)", re.DOTALL)


class BitReader:
    """Reads the bits of a NAL unit's payload; past its end it raises ValueError."""

    def __init__(self, payload: bytes) -> None:
        data = payload.replace(b"\0\0\3", b"\0\0")  # emulation prevention
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def bits(self, count: int) -> int:
        """Return an unsigned number of `count` bits."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the unit is cut off")
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """Return an unsigned Exp-Golomb number."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed_golomb(self) -> int:
        """Return a signed Exp-Golomb number."""
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -(value // 2)


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """Holds the fields of a sequence parameter set that a slice header depends on."""

    frame_num_bits: int  # of frame_num in a slice header
    has_gaps: bool  # whether frame_num may have gaps without a loss
    has_planes: bool  # whether the color planes are coded separately


@dataclass(frozen=True, slots=True)
class PictureStart:
    """Holds what the first slice of a packet says of its picture."""

    is_idr: bool  # decoding may start here, and nothing after it refers to what was before
    is_intra: bool  # every slice of the picture is I
    is_reference: bool  # other pictures may refer to it
    is_complete_start: bool  # the slice is the first one of its picture
    frame_num: int
    modulus: int  # of frame_num
    has_gaps: bool  # as in `SequenceParameters`
    recovery_frames: int | None  # of a recovery point SEI in front of it: frames until the picture is right


class H264Parser:
    """Parses packets of one stream, in Annex B or with lengths in front of the units.

    key_interval: frames between key frames as x264 states it in the stream; 0 for a stream without; None where unknown.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._sequences: dict[int, SequenceParameters] = {}
        self._sequence_of: dict[int, int] = {}  # of a picture parameter set
        self._length_bytes = 0
        self._recovery_frames: int | None = None
        self.key_interval: int | None = None
        data = extradata or b""
        if len(data) > 6 and data[0] == 1:
            self._length_bytes = (data[4] & 3) + 1
            for unit in _configured_units(data):
                with suppress(ValueError):  # a damaged set; the slices that need it cannot be parsed
                    self._parse_unit(unit)
        elif data:
            self.parse(data)

    def parse(self, data: bytes) -> PictureStart | None:
        """Return what the first slice in a packet says; None for a packet without one, or one that cannot be parsed."""
        for unit in _sized_units(data, self._length_bytes) if self._length_bytes else _annex_b_units(data):
            try:
                found = self._parse_unit(unit)
            except ValueError:
                continue
            if found:
                return found
        return None

    def _parse_unit(self, unit: bytes) -> PictureStart | None:
        kind = unit[0] & 31 if unit else 0
        if kind in _SLICES:
            return self._slice(unit, kind)
        if kind == _SPS:
            self._parse_sequence(BitReader(unit[1:]))
        elif kind == _PPS:
            reader = BitReader(unit[1:_HEAD_BYTES])
            number = reader.golomb()
            self._sequence_of[number] = reader.golomb()
        elif kind == _SEI:
            self._parse_sei(unit[1:].replace(b"\0\0\3", b"\0\0"))
        return None

    def _slice(self, unit: bytes, kind: int) -> PictureStart | None:
        reader = BitReader(unit[1:_HEAD_BYTES])
        first, slice_type, sequence = reader.golomb(), reader.golomb(), self._sequence_of.get(reader.golomb())
        parameters = self._sequences.get(-1 if sequence is None else sequence)
        if parameters is None:
            return None
        reader.bits(2 * parameters.has_planes)
        recovery, self._recovery_frames = self._recovery_frames, None
        return PictureStart(
            is_idr=kind == _IDR,
            is_intra=slice_type == _ALL_I,
            is_reference=bool(unit[0] & 0x60),
            is_complete_start=first == 0,
            frame_num=reader.bits(parameters.frame_num_bits),
            modulus=1 << parameters.frame_num_bits,
            has_gaps=parameters.has_gaps,
            recovery_frames=recovery,
        )

    def _parse_sequence(self, reader: BitReader) -> None:
        profile = reader.bits(8)
        reader.bits(16)
        number, has_planes = reader.golomb(), False
        if profile in _HIGH_PROFILES:
            chroma = reader.golomb()
            has_planes = chroma == 3 and bool(reader.bits(1))
            reader.golomb(), reader.golomb(), reader.bits(1)
            if reader.bits(1):
                for index in range(8 if chroma != 3 else 12):
                    _skip_scaling_list(reader, 16 if index < 6 else 64)
        frame_num_bits = reader.golomb() + 4
        order = reader.golomb()
        if order == 0:
            reader.golomb()
        elif order == 1:
            reader.bits(1), reader.signed_golomb(), reader.signed_golomb()
            for _ in range(reader.golomb()):
                reader.signed_golomb()
        reader.golomb()
        if frame_num_bits <= 16:
            self._sequences[number] = SequenceParameters(frame_num_bits, bool(reader.bits(1)), has_planes)

    def _parse_sei(self, data: bytes) -> None:
        at = 0
        while at + 2 < len(data):
            kind, at = _sei_number(data, at)
            size, at = _sei_number(data, at)
            payload = data[at : at + size]
            if kind == _RECOVERY_POINT and payload:
                self._recovery_frames = BitReader(payload).golomb()
            elif kind == _USER_DATA and (found := _KEY_INTERVAL.search(payload)):
                is_without = found[1] == b"infinite" or found[2] != b"0"
                self.key_interval = 0 if is_without else int(found[1])
            at += size


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    if not reader.bits(1):
        return
    for _ in range(size):
        if following:
            following = (last + reader.signed_golomb()) % 256
        last = following or last


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    """Return an SEI payload's type or size, and the position after it."""
    number = 0
    while at < len(data) and data[at] == 255:
        number, at = number + 255, at + 1
    return number + (data[at] if at < len(data) else 0), at + 1


def _annex_b_units(data: bytes) -> Iterator[bytes]:
    at = data.find(_START)
    while at >= 0:
        following = data.find(_START, at + 3) if data[at + 3 : at + 4] and data[at + 3] & 31 not in _SLICES else -1
        yield data[at + 3 : following if following >= 0 else len(data)]
        at = following


def _sized_units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at + length_bytes < len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        yield data[at : at + size]
        at += size


def _configured_units(data: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15)."""
    at = 5
    for mask in (31, 255):
        count, at = (data[at] & mask if at < len(data) else 0), at + 1
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            yield data[at + 2 : at + 2 + size]
            at += 2 + size
