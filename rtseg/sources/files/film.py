"""Decodes the film of a video file: its pictures with their places and times, and without what damage has spoilt."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from av import Packet, VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from rtseg.frame import Image
from rtseg.sources.files.avi_holes import AviStructure
from rtseg.sources.files.lost_pictures import LossTracker
from rtseg.sources.files.matroska_checksums import MatroskaChecksums
from rtseg.sources.files.packet_gaps import PacketGaps
from rtseg.sources.files.packet_reader import PacketReader
from rtseg.sources.pixels.decoder import DecodeStatistics, declared_seconds, decode_packet
from rtseg.sources.pixels.picture import PictureReader
from rtseg.sources.pixels.zeroed_data import has_zeroed_part

_RAW = ("h264", "hevc")  # names of FFmpeg's formats of streams without a container
_MAX_HELD = 16  # pictures; no codec reorders more
_PATIENCE_S = 2.0  # after which pictures that depend on a lost one are shown again, and marked
DAMAGE = "it depends on a picture that was lost"
DOUBT = "the checksum of its part of the file is wrong"


class FilmPicture(NamedTuple):
    """Holds one picture of a film."""

    image: Image
    """The pixels as they are shown."""
    number: int
    """Place in the whole film, from 0; pictures that were lost or left out count."""
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
        self._usual, self._is_steady = self._packets.usual_interval(), self._packets.is_steady()
        # FFmpeg's times of AVI are those of decoding; raw streams have none. A picture is matched by its packet's number there.
        self._has_pts = container.format.name != "avi" and self._usual > 0
        # FFmpeg's parser returns a picture when the next one begins, with the mark of that one's data.
        self._is_parsed = container.format.name == "mpegts"
        self._is_raw, self._is_trailed = container.format.name in _RAW, False  # the last packet may hold a recorder's trailer
        self._avi = AviStructure(path, self.stream.index) if container.format.name == "avi" else None
        self._codec, self._setup = self.stream.codec_context.name, self.stream.codec_context.extradata or b""
        self._checksums = MatroskaChecksums(path, self._codec, self._setup)
        self._doubtful = set[int]()  # times of packets that may hold flipped bits
        self._has_doubt = False  # whether pictures may refer to such a one
        self._next_number = 0  # of the next picture in the whole film
        self._losses = LossTracker(is_timed=self._has_pts)
        self._held = deque[tuple[VideoFrame, int]]()  # pictures that may refer to one that comes after them
        self._gaps = PacketGaps(self._packets, path, self._avi)
        self._first_pts = self._packets.first_time() if self._has_pts else None
        self._delays = list[tuple[int, int]]()  # of AVI, whose times count the packets: from which one on, and by how much
        base = self.stream.time_base
        self._tick = (base.numerator, base.denominator) if base and self._packets.has_times() else None  # in seconds
        self._tick_s = float(base) if base else 0.0
        self._aspect = float(self.stream.sample_aspect_ratio or 1)
        self._shown_ns, self._shown_number = -1, -1  # of the newest picture that was shown
        self._untimed = 0  # pictures that were shown before the first one that has a time
        self._damaged_since_ns: int | None = None

    def __iter__(self) -> Iterator[FilmPicture]:
        self.stream.thread_type = "AUTO"
        reader = PictureReader()
        for packet in self._whole_packets():
            for picture in self._decoded(packet):
                self._held.append((picture, self._losses.picture_decoded(picture)))
            yield from self._judged_pictures(reader, is_end=packet is None)
        self.statistics.read_error = self._packets.read_error

    def _whole_packets(self) -> Iterator["Packet[VideoStream] | None"]:
        """Yield the packets that are whole, then None; note those that are damaged or missing."""
        held: Packet[VideoStream] | None = None  # a hole in the file may begin within the packet in front of it
        was_flagged = False
        for number, packet in enumerate(self._packets):
            if packet is not None and not self._has_pts:
                packet.pts = number
            if packet is not None and self._is_parsed:
                packet.is_corrupt, was_flagged = packet.is_corrupt or was_flagged, packet.is_corrupt
            gap = self._gaps.between(held, packet)
            if held is not None and gap is not None and gap.is_hole and not held.is_corrupt:
                self.statistics.lost += 1
                self._losses.packet_lost(held)
                if self._avi is not None and self._first_pts is None:
                    self._first_pts = held.dts  # its pictures are numbered by their times
            elif held is not None:
                self._is_trailed = packet is None and self._is_raw
                yield held
            if packet is not None and gap is not None:
                self.statistics.missing += gap.pictures
                if self._avi is not None and packet.dts is not None:
                    self._delays.append((packet.dts, round(self.statistics.missing * self._usual)))
                self._losses.pictures_missing(packet, gap.pictures)
            held = packet
        yield None

    def _decoded(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        if packet is not None and not packet.is_corrupt and self._has_zeroed_part(packet):
            self.statistics.lost += 1
            self._losses.packet_lost(packet)
            return []
        if packet is not None and packet.is_corrupt:
            self._losses.packet_lost(packet)
        elif packet is not None:
            self._losses.packet_fed(packet)
            if self._checksums.is_doubtful(packet) and packet.pts is not None:
                self._doubtful.add(packet.pts)
        lost = self.statistics.lost
        pictures = decode_packet(self.stream, packet, self.statistics)
        if self.statistics.lost > lost and not (packet is not None and packet.is_corrupt):
            self._losses.decoding_failed()
        return pictures

    def _has_zeroed_part(self, packet: "Packet[VideoStream]") -> bool:
        return not self._is_trailed and has_zeroed_part(bytes(packet), self._codec, self._setup)

    def _judged_pictures(self, reader: PictureReader, *, is_end: bool) -> Iterator[FilmPicture]:
        """Yield the pictures of which it is known whether they are whole: those to which they refer were decoded."""
        while self._held and (is_end or len(self._held) > _MAX_HELD or not self._losses.is_awaited(*self._held[0])):
            shown = self._judged(*self._held.popleft(), reader)
            if shown is not None:
                yield shown

    def _judged(self, picture: VideoFrame, place: int, reader: PictureReader) -> FilmPicture | None:
        """Return a decoded picture; None where it is left out. place: of its packet in decoding order."""
        statistics = self.statistics
        statistics.damaged += picture.is_corrupt
        skipped, is_dependent = self._losses.judge(picture, place)
        time_ns, number = self._time_ns(picture), self._number(picture, skipped)
        if picture.pts is not None and self._has_pts:
            statistics.decoded_s = max(statistics.decoded_s, (picture.pts + (picture.duration or 0)) * self._tick_s)
        if number <= self._shown_number or (is_dependent and self._is_hidden(picture, time_ns or 0)):
            return None
        self._damaged_since_ns = self._damaged_since_ns if is_dependent else None
        self._shown_number = number
        image = reader.read(picture)
        if picture.key_frame:
            self._aspect = float(self.stream.sample_aspect_ratio or 1)
        aspect = reader.upright.aspect(self._aspect)
        is_doubtful = self._is_doubtful(picture)
        damage = DAMAGE if is_dependent else DOUBT if is_doubtful else ""
        return FilmPicture(image, number, self._presentation_ns(time_ns), aspect, damage)

    def _is_doubtful(self, picture: VideoFrame) -> bool:
        """Return whether a picture, or one to which it refers, may hold flipped bits: up to the next key picture."""
        if picture.pts in self._doubtful:
            self._doubtful.discard(picture.pts)
            self._has_doubt = True
            self.statistics.doubtful += 1
        elif picture.key_frame:
            self._has_doubt = False
        return self._has_doubt

    def _is_hidden(self, picture: VideoFrame, time_ns: int) -> bool:
        """Return whether a picture that depends on a lost one is left out: always at first, and later where it is concealed."""
        self.statistics.dependent += not picture.is_corrupt
        self._damaged_since_ns = time_ns if self._damaged_since_ns is None else self._damaged_since_ns
        return bool(picture.is_corrupt) or time_ns - self._damaged_since_ns < _PATIENCE_S * 1e9

    def _number(self, picture: VideoFrame, skipped: int) -> int:
        """Return a picture's number in the whole film: by its time in a steady film with losses, else by those counted.

        After a loss a decoder may return pictures out of order.
        """
        number, statistics = self._next_number + skipped, self.statistics
        self._next_number = number + 1
        has_losses = skipped or statistics.lost or statistics.damaged or statistics.missing
        time = self._time(picture)
        if has_losses and self._is_steady and time is not None and self._first_pts is not None:
            number = round((time - self._first_pts) / self._usual)
        return number

    def _time(self, picture: VideoFrame) -> int | None:
        """Return the time of a picture in units of the stream, None where it has none."""
        time = picture.pts if picture.pts is not None and self._has_pts else picture.dts
        return None if time is None else time + next((delay for since, delay in reversed(self._delays) if time >= since), 0)

    def _time_ns(self, picture: VideoFrame) -> int | None:
        """Return the time of a picture from the first one on; None where the file has no times."""
        time = self._time(picture)
        if time is None or self._tick is None:
            return None
        self._first_pts = time if self._first_pts is None else self._first_pts
        numerator, denominator = self._tick
        return ((time - self._first_pts) * 2_000_000_000 * numerator + denominator) // (2 * denominator)

    def _presentation_ns(self, time_ns: int | None) -> int | None:
        """Return the time at which a picture is shown; one that is not later than the one before is replaced.

        Pictures in front of time 0 have none in some containers: they are shown at the film's rate, and the others after them.
        """
        if time_ns is None:
            self._untimed += self._shown_ns < 0
            return None
        time_ns += round(self._untimed * 1e9 / self.fps)
        self._shown_ns = time_ns if time_ns > self._shown_ns else self._shown_ns + round(1e9 / self.fps)
        return self._shown_ns
