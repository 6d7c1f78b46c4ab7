"""Finds out which decoded pictures depend on data that were lost."""

from dataclasses import dataclass
from fractions import Fraction
from time import perf_counter

from av import Packet, VideoFrame
from av.video.stream import VideoStream

from rtseg.sources.pixels.frame_numbers import FrameNumberGaps
from rtseg.sources.pixels.h264_syntax import H264Parser, PictureStart
from rtseg.sources.pixels.temporal_references import TemporalReferences

_REFRESH_S = 2.0  # after which a stream without key frames has refreshed its picture
_MAX_REFRESH_S = 10.0  # the same for a stream that has stated recovery points before
_MAX_KEY_INTERVAL_S = 30.0  # a stream that states a longer one counts as one without key frames
_UNUSUAL = 3  # times the longest distance between key frames, after which no other is expected
_MAX_PENDING = 64  # packets whose pictures did not come out of the decoder yet
_MAX_PARSED_BYTES = 1 << 14  # of a packet: the first slice begins before

LOST_PACKET = "a packet was lost"
MISSING = "a picture before it was lost"
CONCEALED = "a part of the picture was lost"
UNDECODABLE = "a packet could not be decoded"


@dataclass(slots=True)
class _PendingPicture:
    """Holds what is known of a packet whose picture did not come out of the decoder yet."""

    order: int  # of decoding
    damage: str
    is_point: bool  # whether decoding may start with it


class DamageTracker:
    """Follows the packets of one stream into the decoder, and its pictures out of it.

    After a loss each picture is damaged until decoding starts afresh: at a key frame, at the end of a recovery point of
    intra refresh (H.264), or after two seconds in a stream that has no key frames. Nothing is damaged without a loss: a
    packet that its container marks, a gap in H.264's frame numbers, or a picture or packet that the decoder rejects.
    losses: how many there were.
    """

    def __init__(self, stream: VideoStream) -> None:
        coder = stream.codec_context
        self._time_base: Fraction | None = stream.time_base
        self._period_s = 1 / float(stream.guessed_rate or stream.average_rate or 25)
        self._parser = H264Parser(coder.extradata) if coder.name.startswith("h264") else None
        self._references = TemporalReferences() if coder.name == "mpeg2video" else None
        self._is_parsed = False  # whether slice headers can be parsed
        self.losses, self._loss, self._lost_s = 0, "", 0.0
        self._was_flagged, self._has_output = False, False
        self._numbers = FrameNumberGaps()
        self._refresh_frames: int | None = None  # until a recovery point is reached
        self._has_refresh = False  # whether the stream has such points
        self._leading_pts: int | None = None  # pictures shown before it may refer to what was lost
        self._points, self._point_s, self._longest_s = 0, 0.0, 0.0
        self._order, self._pts = 0, None if self._parser else 0
        self._pending: dict[int, _PendingPicture] = {}

    def packet_received(self, packet: "Packet[VideoStream]", *, is_zeroed: bool = False) -> bool:
        """Register a packet, or a part of a picture with the same time, before it is decoded.

        is_zeroed: whether a part of it was overwritten by zeros.

        Return whether decoding starts afresh with it after a loss: flush the decoder before.
        """
        start = self._parse(packet)
        if self._is_parsed and start is None:
            self._was_flagged = self._was_flagged or packet.is_corrupt
            return False  # a unit without pixels
        # FFmpeg's parser returns a picture when the next one begins, with the mark of that one's data.
        is_suspect = packet.is_corrupt or self._was_flagged or is_zeroed
        is_new, self._was_flagged, self._pts = packet.pts is None or packet.pts != self._pts, packet.is_corrupt, packet.pts
        now_s = self._seconds(packet)
        if is_suspect:
            self._lose(LOST_PACKET, now_s)
        if start and (self._is_gap(start) or (is_new and not start.is_complete_start)):
            self._lose(MISSING, now_s)
        if self._references and self._references.missing_before(bytes(memoryview(packet)[:_MAX_PARSED_BYTES])):
            self._lose(MISSING, now_s)
        is_point = not is_suspect and is_new and self._is_point(packet, start)
        starts_afresh = is_point and bool(self._loss)
        if is_point:
            self._reach_point(packet, now_s)
        elif self._loss and (self._is_refreshed(start) or self._is_over(now_s)):
            self._loss = ""
        self._remember(packet, is_point)
        return starts_afresh

    def packet_failed(self, packet: "Packet[VideoStream] | None") -> None:
        """Register that the decoder rejected a packet; before the first picture that is no loss."""
        if self._has_output:
            self._lose(UNDECODABLE, None if packet is None else self._seconds(packet))
            if last := next(reversed(self._pending.values()), None):
                last.damage, last.is_point = last.damage or UNDECODABLE, False

    def pictures_missing(self) -> None:
        """Register that pictures did not come out of the decoder."""
        if self._has_output:
            self._lose(MISSING, None)

    def damage_of(self, picture: VideoFrame) -> str:
        """Return why the next picture out of the decoder is damaged, "" if nothing is known against it."""
        pending = None if picture.pts is None else self._pending.pop(picture.pts, None)
        damage = pending.damage if pending else self._loss
        if picture.is_corrupt:
            damage = damage or CONCEALED
            if self._has_output:
                self._spread(pending.order if pending else self._order, CONCEALED)
        self._has_output = self._has_output or not damage
        return damage

    def _parse(self, packet: "Packet[VideoStream]") -> PictureStart | None:
        if self._parser is None:
            return None
        start = self._parser.parse(bytes(memoryview(packet)[:_MAX_PARSED_BYTES]))
        self._is_parsed = self._is_parsed or start is not None
        return start

    def _is_gap(self, start: PictureStart) -> bool:
        """Return whether reference pictures are missing before this one."""
        missing = self._numbers.missing_before(start)
        if self._refresh_frames is not None:
            self._refresh_frames -= self._numbers.passed
        return missing > 0

    def _is_point(self, packet: "Packet[VideoStream]", start: PictureStart | None) -> bool:
        if not self._is_parsed:
            return bool(packet.is_keyframe)
        if start is None or not start.is_complete_start:
            return False
        if start.recovery_frames:
            self._refresh_frames, self._has_refresh = start.recovery_frames, True
        return start.is_idr or start.recovery_frames == 0 or (start.is_intra and not self._points)

    def _reach_point(self, packet: "Packet[VideoStream]", now_s: float) -> None:
        if self._points:
            self._longest_s = max(self._longest_s, now_s - self._point_s)
        self._points, self._point_s, self._refresh_frames = self._points + 1, now_s, None
        self._leading_pts = packet.pts if self._loss else None
        self._loss = ""

    def _is_refreshed(self, start: PictureStart | None) -> bool:
        return start is not None and self._refresh_frames is not None and self._refresh_frames <= 0

    def _is_over(self, now_s: float) -> bool:
        """Return whether the stream has no key frames, and has had the time to refresh its picture."""
        self._lost_s = min(self._lost_s, now_s)  # the clock of the sender may jump
        if now_s - self._lost_s < (_MAX_REFRESH_S if self._has_refresh else _REFRESH_S):
            return False
        if self._points > 1:
            return now_s - self._point_s > _UNUSUAL * self._longest_s
        interval = self._parser.key_interval if self._parser else None
        return not interval or interval * self._period_s > _MAX_KEY_INTERVAL_S

    def _lose(self, reason: str, now_s: float | None) -> None:
        self.losses += 1
        self._loss, self._refresh_frames = self._loss or reason, None
        if now_s is not None:
            self._lost_s = now_s

    def _remember(self, packet: "Packet[VideoStream]", is_point: bool) -> None:
        if packet.pts is None:
            return
        damage = self._loss
        if not damage and self._leading_pts is not None and packet.pts < self._leading_pts:
            damage = MISSING
        self._order += 1
        before = self._pending.get(packet.pts)
        if before:
            before.damage = before.damage or damage
            return
        self._pending[packet.pts] = _PendingPicture(self._order, damage, is_point)
        if len(self._pending) > _MAX_PENDING:
            del self._pending[next(iter(self._pending))]

    def _spread(self, order: int, reason: str) -> None:
        """Mark the pictures that were decoded after a damaged one, up to the next point; there may be none yet."""
        for pending in self._pending.values():
            if pending.order > order:
                if pending.is_point:
                    return
                pending.damage = pending.damage or reason
        self._lose(reason, None)

    def _seconds(self, packet: "Packet[VideoStream]") -> float:
        time_base = packet.time_base or self._time_base
        return perf_counter() if packet.pts is None or not time_base else float(packet.pts * time_base)
