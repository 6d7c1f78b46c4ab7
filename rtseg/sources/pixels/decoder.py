"""Decoding the pictures of one stream of a file, with an account of what was lost on the way."""

from collections.abc import Iterator
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


@dataclass(slots=True)
class Account:
    """What became of a stream's frames.

    promised_s: how long the file says that its pictures run, 0 where it does not say; reached_s: how long they ran so far.
    lost: frames that could not be decoded; oversized: those of them that have too many pixels, or no size.
    damaged: decoded ones that FFmpeg had to patch; broken: why the file ends early.
    """

    period_s: float
    promised_s: float
    reached_s: float = 0.0
    lost: int = 0
    oversized: int = 0
    damaged: int = 0
    broken: str = ""

    def problem(self) -> str:
        """What was wrong with the stream, in words, or nothing."""
        counts = ((self.lost, "lost"), (self.damaged, "damaged"))
        words = [f"{count} {fate}" for count, fate in counts if count] + [self.broken] * bool(self.broken)
        if self.oversized:
            words.append(f"{self.oversized} of a size that is unknown or above --max-pixels {max_pixels()}")
        if 0 < self.reached_s < self.promised_s - 1.5 * self.period_s:
            words.append(f"it ends at {self.reached_s:.2f} s of {self.promised_s:.2f} s")
        return ", ".join(words)


def open_account(container: InputContainer, stream: VideoStream) -> Account:
    """An empty account of `stream`, with what its file promises."""
    return Account(1 / frame_rate(container, stream), _promised_seconds(container, stream))


def decode(container: InputContainer, stream: VideoStream, account: Account) -> Iterator[VideoFrame]:
    """The stream's pictures, on all cores: damage is passed over and written into the account."""
    stream.thread_type = "AUTO"
    for packet in _packets(container, stream, account):
        for picture in decode_packet(stream, packet, account):
            account.damaged += picture.is_corrupt
            if picture.pts is not None and stream.time_base:
                ends_s = float((picture.pts + (picture.duration or 0)) * stream.time_base)
                account.reached_s = max(account.reached_s, ends_s)
            yield picture


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The first stream of moving pictures, its size limited: neither cover art nor text, which FFmpeg would draw.

    Raises SourceError.
    """
    for stream in container.streams.video:
        coder = stream.codec_context
        if coder and coder.name != "ansi" and not stream.disposition & Disposition.attached_pic:
            check_size(name, coder.height, coder.width)
            coder.options = {**coder.options, **size_limit()}
            return stream
    raise SourceError(f"{name} has no video that can be decoded: give a finished recording of a kind such as H.264")


def frame_rate(container: InputContainer, stream: VideoStream) -> float:
    """Frames a second: the average where the file has times, else what its pictures declare, else 25."""
    has_times = bool(stream.duration or container.duration)
    rate = stream.average_rate if has_times else stream.guessed_rate
    return float(rate) if rate and 0 < rate <= 1000 else DEFAULT_FPS


def _packets(container: InputContainer, stream: VideoStream, account: Account) -> Iterator["Packet[VideoStream] | None"]:
    """The stream's packets, then None, on which the decoder gives what it still holds."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except FFmpegError as error:
        account.broken = f"the file cannot be read on: {error.strerror}"
    yield None


def decode_packet(stream: VideoStream, packet: "Packet[VideoStream] | None", account: Account) -> list[VideoFrame]:
    """The pictures of a packet, or on None those that the decoder still holds; damage goes into the account."""
    # An incomplete packet at a file's end would make the decoder give up the frames that it still holds.
    if packet is None or not packet.is_corrupt:
        with suppress(FFmpegError):
            return stream.codec_context.decode(packet)
    account.lost += 1
    account.oversized += not stream.codec_context.width  # FFmpeg forgets a size that it refuses
    return []


def size_limit() -> dict[str, str]:
    """FFmpeg's options that make it refuse pictures above the limit, when it recognizes a stream and when it decodes."""
    return {"max_pixels": str(max_pixels())}


def _promised_seconds(container: InputContainer, stream: VideoStream) -> float:
    """How long the pictures run by the file's own word, 0 where it gives none or speaks of its sound as well."""
    name = container.format.name
    if name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if name.startswith("mov") and stream.frames and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if name.startswith("matroska") and container.duration and len(container.streams) == 1:
        return container.duration / 1e6
    return 0.0
