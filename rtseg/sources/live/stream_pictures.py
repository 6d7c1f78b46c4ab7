"""Turns decoded pictures of a live stream into images, so that a damaged one is never shown as a good one."""

from contextlib import suppress
from typing import cast

from av import CodecContext, Packet, VideoFrame
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rtseg.frame import Image
from rtseg.sources.pixels.damage_tracker import DamageTracker
from rtseg.sources.pixels.decoder import DecodeStatistics
from rtseg.sources.pixels.picture import PictureReader
from rtseg.sources.pixels.picture_index import PictureIndex
from rtseg.sources.pixels.upright import Upright
from rtseg.sources.pixels.zeroed_data import has_zeroed_part

_MIN_PROMPT = 10  # pictures in a row that the decoder returned with their last unit, before one that stays out is missing


class StreamPictures:
    """Decodes a stream's packets. In place of a damaged picture the last good one is repeated, with the reason.

    index: of the newest picture; it counts the source's, those that were lost included. is_in_units: packets are single units
    of a picture.
    """

    def __init__(self, stream: VideoStream, statistics: DecodeStatistics, *, is_in_units: bool) -> None:
        self._coder, self._statistics, self._is_in_units = stream.codec_context, statistics, is_in_units
        period = round(statistics.period_s / stream.time_base) if stream.time_base else 0
        self._tracker, self._counter, self._reader = DamageTracker(stream), PictureIndex(period), PictureReader()
        self.index = -1
        self._good: Image | None = None
        self._losses = 0
        self._newest_pts: int | None = None
        self._begun_pts: int | None = None
        self._is_out, self._prompt = True, 0

    @property
    def upright(self) -> Upright:
        """Return how the newest good picture is turned and mirrored."""
        return self._reader.upright

    def decode(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        """Return the pictures of a packet; None flushes the decoder."""
        lost, pictures = self._statistics.lost, list[VideoFrame]()
        if packet is not None:
            if self._is_in_units and packet.pts != self._begun_pts:
                self._picture_begins(packet)
            is_zeroed = has_zeroed_part(bytes(packet), self._coder.name, self._coder.extradata or b"")
            if self._tracker.packet_received(packet, is_zeroed=is_zeroed):
                pictures += self._restart()
            packet.is_corrupt = packet.is_corrupt or is_zeroed
        pictures += self._decode(packet)
        if self._statistics.lost > lost:
            self._tracker.packet_failed(packet)
        self._is_out = self._is_out or bool(pictures)
        return pictures

    def read(self, picture: VideoFrame) -> tuple[Image, str] | None:
        """Return a picture's pixels and what has damaged it, ""; None for a damaged one that is left out."""
        damage = self._tracker.damage_of(picture)
        self._statistics.damaged += bool(damage)
        if damage and (self._good is None or self._is_late(picture) or self._has_no_time(picture)):
            return None
        if self._counter.is_near_loss and self._is_late(picture):
            return None  # decoders mix up the order after many lost packets, and a later picture was returned
        self._newest_pts = self._newest_pts if picture.pts is None else picture.pts
        is_lossy = self._tracker.losses != self._losses or bool(damage)
        self.index, self._losses = self._counter.next(picture.pts, is_lossy=is_lossy), self._tracker.losses
        if damage and self._good is not None:
            return self._good, f"{damage}: the last good picture is repeated"
        self._good = self._reader.read(picture)
        return self._good, ""

    def _decode(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        """Return the pictures of a packet; a rejected one is counted."""
        if packet is None or not packet.is_corrupt:
            with suppress(FFmpegError):
                return self._coder.decode(packet)
        self._statistics.lost += 1
        return []

    def _is_late(self, picture: VideoFrame) -> bool:
        return picture.pts is not None and self._newest_pts is not None and picture.pts <= self._newest_pts

    def _has_no_time(self, picture: VideoFrame) -> bool:
        """Return whether others have a time and this one has none: it was made up of the rest of a packet."""
        return picture.pts is None and self._newest_pts is not None

    def _restart(self) -> list[VideoFrame]:
        """Return the pictures left in the decoder, and start another: a flushed one of H.264 spoils parts of a key frame."""
        left = list[VideoFrame]()
        with suppress(FFmpegError):
            left = [picture for picture in self._coder.decode(None) if picture.pts is not None]  # else their damage is unknown
        if self._is_in_units or self._coder.is_hwaccel:
            self._coder.flush_buffers()
        else:
            self._coder = _fresh_decoder(self._coder)
        return left

    def _picture_begins(self, packet: "Packet[VideoStream]") -> None:
        """Register that the picture before is complete: it stayed out for a unit that was lost."""
        if self._is_out:
            self._prompt += self._begun_pts is not None
        elif self._prompt >= _MIN_PROMPT and not self._coder.has_b_frames:
            self._tracker.pictures_missing()
        else:
            self._prompt = 0
        self._begun_pts, self._is_out = packet.pts, False


def _fresh_decoder(coder: VideoCodecContext) -> VideoCodecContext:
    """Return a decoder with the same settings."""
    fresh = cast("VideoCodecContext", CodecContext.create(coder.name, "r"))
    fresh.extradata, fresh.options = coder.extradata, coder.options
    fresh.thread_count = coder.thread_count
    fresh.thread_type, fresh.flags, fresh.flags2 = coder.thread_type, coder.flags, coder.flags2
    return fresh
