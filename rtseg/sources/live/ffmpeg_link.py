"""Reads one connection to a stream through FFmpeg (PyAV): over a network, from a device, or from a pipe."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from time import perf_counter_ns

from av import Packet
from av.codec.context import Flags, Flags2
from av.container import InputContainer
from av.error import EOFError as AvEnd
from av.error import ExitError, FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rtseg.errors import RtsegError, SourceError
from rtseg.frame import Frame, Image, Origin, Spacing, StreamInfo
from rtseg.sources.base import SourceDiagnostics, stream_info
from rtseg.sources.live.clock import SourceClock
from rtseg.sources.live.h264_pictures import assemble_pictures, ends_picture, slices_of
from rtseg.sources.live.h264_recovery import H264Recovery
from rtseg.sources.live.h264_units import assemble_units, is_unparsed
from rtseg.sources.live.stream_end import StreamEnd
from rtseg.sources.live.stream_pictures import StreamPictures
from rtseg.sources.pixels.decoder import DecodeStatistics, frame_rate, live_strictness, video_stream

_CLOSED = "the peer closed the connection: check that it still runs"
_MIN_WAIT_NS = 1_000_000  # a wait this long for a packet: all received data were read
_MAX_BEHIND_NS = 5_000_000_000  # without such a wait, until the decoder counts as too slow
_MAX_UNDECODABLE_NS = 8_000_000_000  # less than a connection's limit for its first picture

_CONCEALED = ("h264", "mpeg2video")  # with one thread FFmpeg sees which macroblocks are missing
_MAX_SINGLE_PIXELS = 1920 * 1088  # of a picture that one thread decodes in time
_REORDERED = ("mpeg1video", "mpeg2video", "mpeg4")  # with low_delay FFmpeg returns their pictures in the order of decoding


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Holds the settings of a connection to a stream."""

    name: str  # for messages, without credentials
    fps: float | None = None  # frames a second, overrides the stream's own rate
    spacing_mm: Spacing | None = None  # pixel size (down, along) in mm, overrides the stream's own
    ends: bool = False
    """True if the end of the data is a regular end and not a lost peer, as it is for a stream that has reached its duration.

    Pictures of other streams arrive at the pace at which they are made, so a reader that never blocks is falling behind.
    """
    end: StreamEnd | None = None  # that was declared elsewhere than by the container


class ReadingPace:
    """Finds out whether a stream's data come faster than its pictures can be decoded here."""

    def __init__(self) -> None:
        self._current_ns, self._held_ns = perf_counter_ns(), 0  # when all data were read, and the reader's time since

    def waited(self, waited_ns: int) -> None:
        """Register how long a read blocked. Raises SourceError where none has for some seconds."""
        now_ns = perf_counter_ns()
        behind_ns = now_ns - self._current_ns
        if waited_ns > _MIN_WAIT_NS:
            self._current_ns, self._held_ns = now_ns, 0
        elif behind_ns > _MAX_BEHIND_NS and self._held_ns < behind_ns / 2:  # else the reader is the slow part
            raise SourceError("pictures come faster than they can be decoded here: lower the stream's size or its rate")

    def reader_returned(self, captured_ns: int) -> None:
        """Register that the reader of a frame wants another one. captured_ns: when it got the frame."""
        self._held_ns += perf_counter_ns() - captured_ns


class StreamLink:
    """Decodes the pictures of one connection without delay; see `StreamPictures` for what becomes of a damaged one.

    open_container: connects, with time-outs. The text of its FFmpegError or OSError may hold a password and is not
    repeated. statistics: counts of lost and damaged frames. clock: maps the sender's timestamps. Raises SourceError.
    """

    def __init__(self, open_container: Callable[[], InputContainer], settings: LinkSettings) -> None:
        self._settings, self.clock = settings, SourceClock()
        self._lock = threading.Lock()  # FFmpeg is not thread-safe, and close() may come from another thread
        self._closed, self.ends_corrupt, self._aspect = False, "", 1.0
        self._undecodable_since_ns: int | None = None  # arrival of the first packet that led to no picture yet
        self._container: InputContainer | None = _connect(open_container, settings.name)
        self._end = settings.end or StreamEnd.of(self._container)
        self._ends = settings.ends or self._end.is_declared
        try:
            stream = video_stream(self._container, settings.name)
            fps = frame_rate(self._container, stream) if settings.fps is None else settings.fps
            self.statistics = DecodeStatistics(1 / fps, 0.0)
            self._pace = ReadingPace()
            self._frames = self._play(self._container, stream)
            self._first = self._next()
            if self._first is None:
                raise SourceError(f"{settings.name} ended before its first picture: check that it sends video")
            info = stream_info(self._first.height, self._first.width, fps, settings.spacing_mm)
            self._info = replace(info, pixel_aspect=self._first.pixel_aspect)
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> StreamInfo:
        """Return the size of the first picture, the frame rate and the pixel size."""
        return self._info

    def diagnostics(self) -> SourceDiagnostics:
        """Return the format, the damaged pictures and the jumps of the clock so far."""
        return SourceDiagnostics(self.format, self.statistics.damaged, self.clock.jumps)

    @property
    def format(self) -> str:
        """Return the negotiated format in words: container, codec, pixels."""
        return self._format

    def __iter__(self) -> Iterator[Frame]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        while (frame := self._next()) is not None:
            yield frame
            self._pace.reader_returned(frame.captured_ns)

    def close(self) -> None:
        """Close the connection; a read in progress releases it when its packet arrives or its time-out is over."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._lock.release()

    def _next(self) -> Frame | None:
        """Return the next picture as a frame, None at the end. Raises SourceError."""
        with self._lock:
            self._undecodable_since_ns = None
            try:
                return None if self._closed else next(self._frames, None)
            finally:
                if self._closed:
                    self._release()

    def _release(self) -> None:
        self._frames = iter(())  # the decoder lives as long as it is referenced
        if self._container is not None:
            self._container.close()
            self._container = None

    def _play(self, container: InputContainer, stream: VideoStream) -> Iterator[Frame]:
        self._format = (
            f"{container.format.name}, {stream.codec_context.name}, {stream.codec_context.pix_fmt or 'unknown pixels'}"
        )
        packets: Iterator[Packet[VideoStream]] = takewhile(self._keep_reading, container.demux(stream))
        recovery = None
        if is_unparsed(container):
            packets, recovery = self._units(packets, stream)
        else:
            _set_decoder(stream, is_in_units=False)
        pictures = StreamPictures(stream, self.statistics, is_in_units=recovery is not None)
        while True:
            packet = self._receive(packets)
            if recovery and packet is not None:
                recovery.packet_received(packet)
            for picture in pictures.decode(packet):  # None flushes the decoder
                if recovery:
                    recovery.frame_decoded()
                if found := pictures.read(picture):
                    yield self._frame(picture, stream, *found, pictures)
            if packet is None:
                return

    def _units(
        self, pieces: "Iterator[Packet[VideoStream]]", stream: VideoStream
    ) -> "tuple[Iterator[Packet[VideoStream]], H264Recovery | None]":
        """Return H.264's units as soon as they are whole, and the decoder's recovery; pictures and None for those in slices.

        Fed unit by unit, the decoder returns a picture with its last one, but does not see that a part between two slices is
        missing: those are joined first.
        """
        flush = stream.codec_context.flush_buffers
        units, begin = (
            assemble_units(pieces, on_incomplete=lambda: None if is_in_slices else flush()),
            list["Packet[VideoStream]"](),
        )
        is_in_slices = False
        while not ends_picture(begin):
            if (unit := self._receive(units)) is None:
                break
            begin.append(unit)
        is_in_slices = slices_of(begin) > 1
        _set_decoder(stream, is_in_units=not is_in_slices)
        following = chain(begin, units)
        return (assemble_pictures(following), None) if is_in_slices else (following, H264Recovery(flush))

    def _receive(self, packets: "Iterator[Packet[VideoStream]]") -> "Packet[VideoStream] | None":
        """Return the next packet, None at the end. Raises SourceError where the peer is silent, gone, or too fast."""
        asked_ns = perf_counter_ns()
        packet, problem = _next_packet(packets)
        is_end = self._end.is_played or (problem == _CLOSED and (self._settings.ends or self._end.is_reached))
        if packet is None and not is_end:
            raise SourceError(problem + self._end.missing())
        self._pace.waited(_MIN_WAIT_NS + 1 if self._ends else perf_counter_ns() - asked_ns)
        if packet is not None:
            self._end.packet_received(packet)
            self.ends_corrupt = "its last packet is incomplete" if packet.is_corrupt else ""
        return packet

    def _keep_reading(self, _packet: "Packet[VideoStream]") -> bool:
        """Return whether to read on. Raises SourceError after some seconds of packets without a picture."""
        now_ns = perf_counter_ns()
        self._undecodable_since_ns = self._undecodable_since_ns or now_ns
        if now_ns - self._undecodable_since_ns > _MAX_UNDECODABLE_NS and not self._ends:
            raise SourceError(
                "data come, but no picture can be decoded of them: check what the peer sends, and the network between"
            )
        return not self._closed

    def _frame(self, picture: VideoFrame, stream: VideoStream, image: Image, damage: str, pictures: StreamPictures) -> Frame:
        now_ns, index = perf_counter_ns(), pictures.index
        if not damage:
            self._aspect = pictures.upright.aspect(float(stream.sample_aspect_ratio or 1))
        return Frame(image, index, now_ns, self._origin(picture, stream, now_ns), damage=damage, pixel_aspect=self._aspect)

    def _origin(self, picture: VideoFrame, stream: VideoStream, now_ns: int) -> Origin | None:
        time_base = picture.time_base or stream.time_base
        if picture.pts is None or not time_base:
            return None
        timestamp_ns = round(picture.pts * time_base * 1_000_000_000)
        return Origin(self._settings.name, timestamp_ns, self.clock.correct(timestamp_ns, now_ns), self._settings.spacing_mm)


def _set_decoder(stream: VideoStream, *, is_in_units: bool) -> None:
    """Set a decoder up to return each picture at once, and to refuse damaged ones."""
    coder = stream.codec_context
    # Frame threads delay the output by one frame each; slice threads do not, but H.264's miss lost macroblocks.
    stream.thread_type = "SLICE"
    if coder.name not in _REORDERED:
        coder.flags |= Flags.low_delay
    coder.options = {**coder.options, **live_strictness(coder.name)}
    if is_in_units:  # without slice threads, as on one core, error concealment would take each unit for the last one
        coder.flags2 |= Flags2.chunks
        coder.options = {**coder.options, "enable_er": "0"}
    elif coder.name in _CONCEALED and coder.width * coder.height <= _MAX_SINGLE_PIXELS:
        coder.thread_count = 1


def _next_packet(packets: "Iterator[Packet[VideoStream]]") -> "tuple[Packet[VideoStream] | None, str]":
    """Return the next packet that holds data, or None and the reason. Raises SourceError."""
    try:
        packet = next((packet for packet in packets if packet.size), None)
        return packet, "" if packet else _CLOSED
    except RtsegError:
        raise  # a SourceError is an OSError too
    except AvEnd:
        return None, _CLOSED
    except (ExitError, TimeoutError):
        return None, "nothing came within the time-out: check the peer, and the network between"
    except (FFmpegError, OSError) as error:
        return None, f"the connection broke ({error.strerror}): check the peer, and the network between"


def _connect(open_container: Callable[[], InputContainer], name: str) -> InputContainer:
    try:
        return open_container()
    except RtsegError:
        raise
    except (ExitError, TimeoutError):
        problem = "it did not answer in time"
    except (FFmpegError, OSError) as error:
        problem = error.strerror or "no reason given"
    raise SourceError(f"{name} cannot be opened ({problem}): check the address, the peer and the network between")
