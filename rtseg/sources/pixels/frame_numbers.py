"""Finds missing pictures by the numbers that coded pictures carry: H.264's frame numbers, MPEG-2's temporal references.

Source: ITU-T H.264, clause 7.4.3 (frame_num).
"""

from typing import Any

from av import Packet
from av.video.codeccontext import VideoCodecContext

from rtseg.sources.pixels.h264_syntax import H264Parser, PictureStart
from rtseg.sources.pixels.temporal_references import TemporalReferences

_MAX_PARSED_BYTES = 1 << 14  # of a packet: the first slice begins before


class FrameNumberGaps:
    """Follows H.264's frame numbers, which count reference pictures in the order of decoding."""

    def __init__(self) -> None:
        self._reference: int | None = None  # of the last reference picture
        self._newest = 0  # of the last picture
        self.passed = 0
        """By how much the newest picture's number is higher than that of the one before."""

    def missing_before(self, start: PictureStart) -> int:
        """Return the number of reference pictures that are missing in front of a picture; 0 where the stream allows gaps."""
        before = 0 if start.is_idr else self._reference
        if start.is_reference or before is None:
            self._reference = start.frame_num
        self.passed, self._newest = (start.frame_num - self._newest) % start.modulus, start.frame_num
        steps = 0 if before is None or start.is_idr else (start.frame_num - before) % start.modulus
        return steps - 1 if steps > 1 and not start.has_gaps else 0


class FrameNumbers:
    """Compares the numbers of a film's packets. coder: of the film; other codecs than H.264 and MPEG-2 have no such numbers."""

    def __init__(self, coder: VideoCodecContext) -> None:
        self._parser = H264Parser(coder.extradata) if coder.name.startswith("h264") else None
        self._gaps = FrameNumberGaps()
        self._references = TemporalReferences() if coder.name == "mpeg2video" else None

    def missing_before(self, packet: "Packet[Any]") -> int:
        """Return the number of pictures that are missing in front of a packet, as far as its numbers show it."""
        if self._references:
            return self._references.missing_before(bytes(memoryview(packet)[:_MAX_PARSED_BYTES]))
        start = self._parser.parse(bytes(memoryview(packet)[:_MAX_PARSED_BYTES])) if self._parser else None
        return self._gaps.missing_before(start) if start else 0
