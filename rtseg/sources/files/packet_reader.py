"""Reads the packets of a file's film, which is found among its video streams, and measures the film's rate."""

from collections import Counter, deque
from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import cast

from av import Packet
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from rtseg.sources.pixels.decoder import MAX_FPS, frame_rate, limit_size, video_streams
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
_LOOK_AHEAD = 48  # packets of one stream that are read before the film is chosen
_MAX_AHEAD_BYTES = 1 << 25
_STILL_CODECS = frozenset({"mjpeg", "png", "bmp", "webp", "jpeg2000", "jpegls", "tiff"})  # of covers and thumbnails
_MUCH_LARGER = 4  # ratio of pixels, from which on a stream of as many pictures is no preview
_TOLERANCE = 0.1  # of an interval, by which another may differ
_STEADY_SHARE = 0.9  # of the intervals of a steady film; the others may span a hole
_MAX_RATIO = 1.5  # of a declared rate to the measured one, or its inverse


class PacketReader:
    """Yields the packets of the film, then None, which flushes a decoder.

    The film is the default video stream, or the first, that is no cover, series of thumbnails or preview of another: one
    picture; still pictures of which another stream has at least twice as many; no more pictures than another stream of four
    times their size. stream: the film. others: those that might be it too. read_error: why the file ends early, or "".
    Raises SourceError where no stream is a video, or its pictures are too large.
    """

    def __init__(self, container: InputContainer, name: str) -> None:
        candidates = video_streams(container, name)
        self._container, self.read_error = container, ""
        self._demuxed = self._demux(candidates)
        ahead = self._look_ahead()
        counts = Counter(packet.stream_index for packet in ahead)
        films = _films(candidates, counts)
        self.stream, self.others = films[0], films[1:]
        if self.others:
            self._warn_of_others(name, len(films))
        for one in candidates:
            if one not in films and one.codec_context.name not in _STILL_CODECS and counts[one.index] > 1:
                self._warn_of_preview(name, one)
        if hidden := hidden_pictures(self.stream):
            _log.warning(
                "%s hides %d of its %d pictures by an edit list, as a cut without encoding does; to read all: "
                "`ffmpeg -ignore_editlist 1 -i IN -c copy OUT.mkv`",
                name,
                hidden,
                self.stream.frames,
            )
        limit_size(self.stream, name)
        self._ahead = deque(packet for packet in ahead if packet.stream_index == self.stream.index)

    def __iter__(self) -> Iterator["Packet[VideoStream] | None"]:
        while self._ahead:
            yield self._ahead.popleft()
        index = self.stream.index
        for packet in self._demuxed:
            if packet.stream_index == index:
                yield packet
        yield None

    @property
    def format_name(self) -> str:
        """Return FFmpeg's name of the container's format."""
        return self._container.format.name

    def fps(self) -> float:
        """Return frames a second: the declared rate, or the measured one where that is missing or absurd, else 25."""
        declared, measured = frame_rate(self._container, self.stream), self._measured_fps()
        if not measured or measured[0] > MAX_FPS:
            return declared
        named = float(self.stream.average_rate or self.stream.guessed_rate or 0)
        is_counted = self.stream.frames > 1  # FFmpeg then divides the number of pictures by the duration
        fits = is_counted or any(1 / _MAX_RATIO <= declared / rate <= _MAX_RATIO for rate in measured)
        return declared if 0 < named <= MAX_FPS and fits else measured[0]

    def has_times(self) -> bool:
        """Return whether packets have times that a film can have: those of a Y4M with an absurd rate follow from that."""
        measured = self._measured_fps()
        return not measured or measured[0] <= MAX_FPS

    def usual_interval(self) -> float:
        """Return the usual difference between the times of two packets, in units of the stream; 0 where there are no times."""
        return float(median(_differences(self._times()) or [0]))

    def first_time(self) -> int | None:
        """Return the time of the picture that is shown first, in units of the stream; None where there are no times."""
        return min((packet.pts for packet in self._ahead if packet.pts is not None and not packet.is_discard), default=None)

    def is_steady(self) -> bool:
        """Return whether nearly all of the first packets follow each other at one interval, but for rounding."""
        between, usual = _differences(self._times()), self.usual_interval()
        alike = sum(abs(step - usual) <= max(1, _TOLERANCE * usual) for step in between)
        return len(between) > 1 and alike >= _STEADY_SHARE * len(between)

    def _times(self) -> list[int]:
        """Return the times of the first pictures, in order and without a gap where a later packet belongs between them."""
        times = sorted({packet.pts for packet in self._ahead if packet.pts is not None})
        last = max((packet.dts for packet in self._ahead if packet.dts is not None), default=None)
        complete = times if last is None else [time for time in times if time <= last]
        return complete if len(complete) > 1 else times

    def _measured_fps(self) -> tuple[float, ...]:
        """Return the mean and the median rate of the first packets; empty where they have no times."""
        between = _differences(self._times())
        if not between or not self.stream.time_base:
            return ()
        tick = float(self.stream.time_base)
        return len(between) / (sum(between) * tick), 1 / (median(between) * tick)

    def _warn_of_others(self, name: str, count: int) -> None:
        """Log that a file has `count` films, of which one is read."""
        coder = self.stream.codec_context
        _log.warning(
            "%s has %d films: stream %d (%dx%d) is read; for another, take it out: `ffmpeg -i IN -map 0:%d -c copy OUT.mkv`",
            name,
            count,
            self.stream.index,
            coder.width,
            coder.height,
            self.others[0].index,
        )

    def _warn_of_preview(self, name: str, preview: VideoStream) -> None:
        """Log that a film of moving pictures is left out, since it is much smaller than another one."""
        _log.warning(
            "%s leaves out stream %d (%dx%d), which it takes for a preview of stream %d; to read it: "
            "`ffmpeg -i IN -map 0:%d -c copy OUT.mkv`",
            name,
            preview.index,
            preview.codec_context.width,
            preview.codec_context.height,
            self.stream.index,
            preview.index,
        )

    def _demux(self, streams: list[VideoStream]) -> Iterator["Packet[VideoStream]"]:
        try:
            yield from (cast("Packet[VideoStream]", packet) for packet in self._container.demux(streams) if packet.size)
        except FFmpegError as error:
            self.read_error = f"the file cannot be read on: {error.strerror}"

    def _look_ahead(self) -> list["Packet[VideoStream]"]:
        """Return the first packets, enough to tell a film from a cover."""
        ahead, counts, held = list["Packet[VideoStream]"](), Counter[int](), 0
        for packet in self._demuxed:
            ahead.append(packet)
            counts[packet.stream_index] += 1
            held += packet.size
            if counts[packet.stream_index] >= _LOOK_AHEAD or held >= _MAX_AHEAD_BYTES:
                break
        return ahead


def hidden_pictures(stream: VideoStream) -> int:
    """Return how many pictures of an MP4 its edit list hides; 0 for other files."""
    if not stream.container.format.name.startswith("mov") or not (entries := stream.index_entries):
        return 0
    return max(0, stream.frames - sum(not entry.is_discard for entry in entries))


def _differences(times: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(times)]


def _films(candidates: list[VideoStream], counts: Counter[int]) -> list[VideoStream]:
    """Return the streams that are no covers, thumbnails or previews of another one, the film first."""
    pictures = {stream.index: stream.frames or counts[stream.index] for stream in candidates}
    films = [one for one in candidates if not any(_is_preview(one, other, pictures) for other in candidates)]
    films = films or candidates
    return sorted(films, key=lambda stream: not stream.disposition & Disposition.default)


def _is_preview(one: VideoStream, other: VideoStream, pictures: dict[int, int]) -> bool:
    """Return whether a stream shows only some pictures of another one, or the same ones much smaller."""
    count, others = pictures[one.index], pictures[other.index]
    if count <= 1 < others:
        return True
    is_still = one.codec_context.name in _STILL_CODECS and other.codec_context.name not in _STILL_CODECS
    if is_still and others >= 2 * count:
        return True
    areas = [stream.codec_context.width * stream.codec_context.height for stream in (one, other)]
    return others >= count and areas[1] >= _MUCH_LARGER * areas[0] > 0
