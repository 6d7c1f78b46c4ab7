"""Decodes the video stream of a file, and counts what was lost on the way."""

from contextlib import suppress
from dataclasses import dataclass

from av import Packet, VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from rtseg.errors import SourceError
from rtseg.limits import check_size, max_pixels
from rtseg.sources.base import DEFAULT_FPS

MAX_FPS = 1000  # frames a second
# Of HEVC, FFmpeg leaves out slices without a word; a checksum is rare and then computed.
_STRICT = {"mjpeg": "explode", "hevc": "crccheck+explode"}
_LIVE_STRICT = {
    **_STRICT,
    "h264": "aggressive+explode",
    "mpeg2video": "explode",
}  # known before pictures shown earlier, which refer to it
_IN_BLACK = {"gif": {"trans_color": "0"}}  # what is transparent in front of nothing; FFmpeg's own default is white
_THUMBNAILS = Disposition.timed_thumbnails | Disposition.still_image


@dataclass(slots=True)
class DecodeStatistics:
    """Counts what became of a stream's frames."""

    period_s: float  # from one frame to the next
    declared_s: float  # duration that the file declares, 0 where it declares none
    decoded_s: float = 0.0  # duration decoded so far
    lost: int = 0  # frames that could not be decoded
    oversized: int = 0  # of the lost ones, those with too many pixels or no size
    damaged: int = 0  # decoded frames that FFmpeg had to conceal
    missing: int = 0  # frames that the file no longer holds
    dependent: int = 0  # frames left out or marked, since they depend on one that was lost
    doubtful: int = 0  # frames in a part of the file whose checksum is wrong
    read_error: str = ""  # why the file ends early

    def problem(self) -> str:
        """Return what was wrong with the stream in words, or ""."""
        counts = (
            (self.lost, "lost"),
            (self.damaged, "damaged"),
            (self.missing, "missing"),
            (self.doubtful, "in parts whose checksum is wrong"),
            (self.dependent, "left out or marked, as they depend on a lost one"),
        )
        words = [f"{count} {fate}" for count, fate in counts if count] + [self.read_error] * bool(self.read_error)
        if self.oversized:
            words.append(f"{self.oversized} of a size that is unknown or above --max-pixels {max_pixels()}")
        if 0 < self.decoded_s < self.declared_s - 1.5 * self.period_s:
            words.append(f"it ends at {self.decoded_s:.2f} s of {self.declared_s:.2f} s")
        return ", ".join(words)


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the first stream of moving pictures, its size limited: no cover art, nor text that FFmpeg would draw.

    Raises SourceError.
    """
    stream = video_streams(container, name)[0]
    limit_size(stream, name)
    return stream


def video_streams(container: InputContainer, name: str) -> list[VideoStream]:
    """Return the streams of moving pictures, without those that are marked as thumbnails unless there is no other.

    Raises SourceError.
    """
    streams = [
        stream
        for stream in container.streams.video
        if stream.codec_context and stream.codec_context.name != "ansi" and not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise SourceError(f"{name} has no video that can be decoded: give a finished recording of a kind such as H.264")
    films = [stream for stream in streams if not stream.disposition & _THUMBNAILS]
    return films or streams


def limit_size(stream: VideoStream, name: str) -> None:
    """Refuse pictures that are too large, before and while they are decoded. Raises SourceError."""
    coder = stream.codec_context
    check_size(name, coder.height, coder.width)
    coder.options = {**coder.options, **size_limit(), **strictness(coder.name), **_IN_BLACK.get(coder.name, {})}


def frame_rate(container: InputContainer, stream: VideoStream) -> float:
    """Return frames a second: the average where the file has times, else what its pictures declare, else 25."""
    has_times = bool(stream.duration or container.duration)
    rate = stream.average_rate if has_times else stream.guessed_rate
    return float(rate) if rate and 0 < rate <= MAX_FPS else DEFAULT_FPS


def decode_packet(stream: VideoStream, packet: "Packet[VideoStream] | None", statistics: DecodeStatistics) -> list[VideoFrame]:
    """Return the pictures of a packet, or with None those left in the decoder; damage is counted."""
    # An incomplete packet at a file's end would make the decoder drop the frames that it still holds.
    if packet is None or not packet.is_corrupt:
        with suppress(FFmpegError):
            return stream.codec_context.decode(packet)
    statistics.lost += 1
    statistics.oversized += not stream.codec_context.width  # FFmpeg clears a size that it refuses
    return []


def size_limit() -> dict[str, str]:
    """Return FFmpeg's options that refuse too large pictures, both when it detects a stream and when it decodes."""
    return {"max_pixels": str(max_pixels())}


def strictness(codec: str) -> dict[str, str]:
    """Return FFmpeg's options that refuse a picture with faulty data where FFmpeg would return it without a mark."""
    return {"err_detect": _STRICT[codec]} if codec in _STRICT else {}


def live_strictness(codec: str) -> dict[str, str]:
    """Return the options of `strictness` for a decoder without threads, which says of a packet at once that it is faulty."""
    return {"err_detect": _LIVE_STRICT[codec]} if codec in _LIVE_STRICT else {}


def declared_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Return the declared duration of the pictures, 0 where there is none or it includes the sound."""
    name = container.format.name
    if name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if name.startswith("mov") and stream.frames and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if name.startswith("matroska") and container.duration and len(container.streams) == 1:
        return container.duration / 1e6
    return 0.0
