"""Finds out whether pictures are missing between two packets of a film."""

from pathlib import Path
from typing import NamedTuple

from av import Packet
from av.video.stream import VideoStream

from rtseg.sources.files.avi_holes import AviStructure
from rtseg.sources.files.ending import find_truncation
from rtseg.sources.files.matroska_holes import MatroskaStructure
from rtseg.sources.files.packet_reader import PacketReader
from rtseg.sources.pixels.frame_numbers import FrameNumbers

_GAP_INTERVALS = 1.5  # usual intervals between two packets, from which on a picture may be missing


class Gap(NamedTuple):
    """Says what is missing between two packets."""

    pictures: int
    """The number of pictures, as far as it is known."""
    is_hole: bool
    """Whether bytes of the file are missing, so that the packet in front may be damaged too."""


class PacketGaps:
    """Compares packets with those before them: by an index, by the file's structure, by times, by their own numbers.

    packets: the film's. path: of its file. avi: the structure of an AVI file, None for others.
    """

    def __init__(self, packets: PacketReader, path: Path, avi: AviStructure | None) -> None:
        self._path, self._avi = path, avi
        self._usual, self._is_steady = packets.usual_interval(), packets.is_steady()
        self._structure, self._numbers = MatroskaStructure(path), FrameNumbers(packets.stream.codec_context)
        # In a transport stream the begin of one picture and the end of another are joined where packets are missing.
        self._is_joined = packets.format_name == "mpegts"
        self._newest_pts = 0  # of the packets so far
        self._is_cut: bool | None = None

    def between(self, before: "Packet[VideoStream] | None", after: "Packet[VideoStream] | None") -> Gap | None:
        """Return what is missing between two packets that follow each other; None where the film is whole there."""
        if after is None:
            return None
        numbers = self._numbers.missing_before(after)
        if before is None:
            return None
        self._newest_pts = max(self._newest_pts, before.pts or 0)
        missing = self._missing_by_place(before, after)
        if missing is not None:
            return Gap(missing, is_hole=True)
        return Gap(numbers, is_hole=self._is_joined) if numbers and not before.is_corrupt else None

    def _missing_by_place(self, before: "Packet[VideoStream]", after: "Packet[VideoStream]") -> int | None:
        if self._avi is not None:
            return self._avi.missing_between(before, after)
        if self._structure.applies:
            return self._missing_by_times(before, after) if self._structure.is_broken(before, after) else None
        if not self._usual or before.dts is None or after.dts is None:
            return None
        intervals = (after.dts - before.dts) / self._usual
        if intervals <= _GAP_INTERVALS:
            self._structure.try_on(before, after)
            return None
        is_hole = before.is_corrupt or after.is_corrupt or (self._is_steady and self._is_shortened())
        return max(0, round(intervals) - 1) if is_hole else None

    def _missing_by_times(self, before: "Packet[VideoStream]", after: "Packet[VideoStream]") -> int:
        """Return the number of pictures in a hole, by the times of presentation: FFmpeg makes up those of decoding there."""
        if not self._usual or before.pts is None or after.pts is None:
            return 0
        return max(0, round((after.pts - self._newest_pts) / self._usual) - 1)

    def _is_shortened(self) -> bool:
        """Return whether the file is shorter than it says, so that a gap in a steady film is a loss."""
        if self._is_cut is None:
            try:
                self._is_cut = bool(find_truncation(self._path))
            except OSError:
                self._is_cut = False
        return self._is_cut
