"""Decodes the film of a video file: its pictures with their places and times, and without what damage has spoilt."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from av import Packet, VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from rtseg.frame import Image
from rtseg.sources.files.lost_pictures import LossTracker
from rtseg.sources.files.matroska_holes import MatroskaStructure
from rtseg.sources.files.packet_reader import PacketReader
from rtseg.sources.pixels.decoder import DecodeStatistics, declared_seconds, decode_packet
from rtseg.sources.pixels.picture import PictureReader

_GAP_INTERVALS = 1.5  # usual intervals between two packets, from which on a picture may be missing
_PATIENCE_S = 2.0  # after which pictures that depend on a lost one are shown again, and marked
DAMAGE = "it depends on a picture that was lost"


class FilmPicture(NamedTuple):
    """Holds one picture of a film."""

    image: Image
    """The pixels as they are shown."""
    skipped: int
    """Pictures that were lost or left out since the one before."""
    presentation_ns: int | None
    """Time from the first picture to this one; None where the file has no times."""
    pixel_aspect: float
    """Width of a pixel over its height."""
    damage: str
    """Why the pixels are not to be trusted, or ""."""


class Film:
    """Yields the pictures of a video file, decoded on all cores.

    What depends on a lost picture is left out up to the next key picture; without one, it comes again after 2 s, and marked.
    statistics: what was lost. stream: the film's. fps: declared or measured. Raises SourceError.
    """

    def __init__(self, container: InputContainer, path: Path) -> None:
        self._packets = PacketReader(container, str(path))
        self.stream, self.fps = self._packets.stream, self._packets.fps()
        self.statistics = DecodeStatistics(1 / self.fps, declared_seconds(container, self.stream))
        self._usual = self._packets.usual_interval()
        self._structure, self._losses = MatroskaStructure(path), LossTracker()
        self._first_pts: int | None = None
        base = self.stream.time_base
        self._tick = (base.numerator, base.denominator) if base else None  # in seconds
        self._tick_s = float(base) if base else 0.0
        self._aspect = float(self.stream.sample_aspect_ratio or 1)
        self._shown_ns, self._damaged_since_ns = -1, -1
        self._skipped = 0

    def __iter__(self) -> Iterator[FilmPicture]:
        self.stream.thread_type = "AUTO"
        reader = PictureReader()
        for packet in self._whole_packets():
            for picture in self._decoded(packet):
                shown = self._judged(picture, reader)
                if shown is not None:
                    yield shown
        self.statistics.read_error = self._packets.read_error

    def _whole_packets(self) -> Iterator["Packet[VideoStream] | None"]:
        """Yield the packets that are whole, then None; note those that are damaged or missing."""
        held: Packet[VideoStream] | None = None  # a hole in the file may begin within the packet in front of it
        for packet in self._packets:
            missing = self._missing_between(held, packet)
            if held is not None and missing is not None and not held.is_corrupt:
                self.statistics.lost += 1
                self._losses.packet_lost(held)
            elif held is not None:
                yield held
            if packet is not None and missing is not None:
                self.statistics.missing += missing
                self._losses.pictures_missing(packet, missing)
            held = packet
        yield None

    def _missing_between(self, before: "Packet[VideoStream] | None", after: "Packet[VideoStream] | None") -> int | None:
        """Return the number of pictures that are missing between two packets; None where the file is whole there."""
        if before is None or after is None or not self._usual or before.dts is None or after.dts is None:
            return None
        intervals = (after.dts - before.dts) / self._usual
        if intervals <= _GAP_INTERVALS:
            self._structure.try_on(before, after)
            return None
        is_hole = before.is_corrupt or after.is_corrupt or self._structure.is_broken(before, after)
        return max(0, round(intervals) - 1) if is_hole else None

    def _decoded(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        if packet is not None and packet.is_corrupt:
            self._losses.packet_lost(packet)
        elif packet is not None:
            self._losses.packet_fed(packet)
        lost = self.statistics.lost
        pictures = decode_packet(self.stream, packet, self.statistics)
        if self.statistics.lost > lost and not (packet is not None and packet.is_corrupt):
            self._losses.decoding_failed()
        return pictures

    def _judged(self, picture: VideoFrame, reader: PictureReader) -> FilmPicture | None:
        """Return a decoded picture; None where it is left out."""
        statistics = self.statistics
        statistics.damaged += picture.is_corrupt
        skipped, is_dependent = self._losses.judge(picture)
        shown_ns = self._presentation_ns(picture)
        self._skipped += skipped
        if picture.pts is not None:
            statistics.decoded_s = max(statistics.decoded_s, (picture.pts + (picture.duration or 0)) * self._tick_s)
        if is_dependent:
            statistics.dependent += not picture.is_corrupt
            self._damaged_since_ns = max(self._damaged_since_ns, 0) or (shown_ns or 0) + 1
            if picture.is_corrupt or (shown_ns or 0) - self._damaged_since_ns < _PATIENCE_S * 1e9:
                self._skipped += 1
                return None
        else:
            self._damaged_since_ns = -1
        skipped, self._skipped = self._skipped, 0
        image = reader.read(picture)
        if picture.key_frame:
            self._aspect = float(self.stream.sample_aspect_ratio or 1)
        aspect = reader.upright.aspect(self._aspect)
        return FilmPicture(image, skipped, shown_ns, aspect, DAMAGE if is_dependent else "")

    def _presentation_ns(self, picture: VideoFrame) -> int | None:
        """Return the time of a picture from the first one on; times that do not grow are replaced by the next one possible."""
        time = picture.pts if picture.pts is not None else picture.dts
        if time is None or self._tick is None:
            return None
        self._first_pts = time if self._first_pts is None else self._first_pts
        numerator, denominator = self._tick
        shown_ns = ((time - self._first_pts) * 2_000_000_000 * numerator + denominator) // (2 * denominator)
        self._shown_ns = shown_ns if shown_ns > self._shown_ns else self._shown_ns + round(1e9 / self.fps)
        return self._shown_ns
