"""Restores an H.264 decoder that is fed unit by unit after a picture that stayed incomplete."""

from collections.abc import Callable

from av import Packet
from av.video.stream import VideoStream

_HEADER_OFFSET = 4  # of a unit's header, behind FFmpeg's start code
_RANDOM_ACCESS_TYPES = (5, 7)  # NAL unit types of a key frame: IDR slice, sequence parameter set
_MAX_MISSED = 3  # pictures in a row; one may be a field, or reordered
_BEFORE_FIRST = 1000  # initial count: a stream that is joined between key frames starts without output


class H264Recovery:
    """Flushes the H.264 decoder when it stops returning pictures, so that decoding resumes at the next key frame.

    After a picture that lacks a slice, FFmpeg's decoder keeps expecting the rest and rejects every unit that does not fit,
    key frames included. flush: empties the decoder.
    """

    def __init__(self, flush: Callable[[], object]) -> None:
        self._flush = flush
        self._pts: int | None = None  # of the current picture
        self._begun = _BEFORE_FIRST  # pictures since the last output, the current one included
        self._is_flushed = False

    def packet_received(self, unit: "Packet[VideoStream]") -> None:
        """Register a unit before it is decoded, and flush the decoder where it is stuck."""
        if unit.pts != self._pts:
            self._pts, self._begun, self._is_flushed = unit.pts, self._begun + 1, False
        missed = self._begun - 1
        if not self._is_flushed and (missed == _MAX_MISSED or (missed > 0 and _is_random_access(unit))):
            self._flush()
            self._is_flushed = True

    def frame_decoded(self) -> None:
        """Register a picture that the decoder returned."""
        self._begun = 0


def _is_random_access(unit: "Packet[VideoStream]") -> bool:
    header = bytes(memoryview(unit)[_HEADER_OFFSET : _HEADER_OFFSET + 1])
    return bool(header) and header[0] & 31 in _RANDOM_ACCESS_TYPES
