"""Tells the end of a stream with a declared duration from a peer that died in the middle of it."""

from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

_TOLERANCE_S, _TOLERANCE_SHARE = 2.0, 0.2  # by which pictures may end before the declared duration, where sound goes on
_MAX_OFFSET_S = 10.0  # of the first picture from the container's start


class StreamEnd:
    """Follows a stream's times to the duration that its container declares, as a file behind an RTSP or web server does."""

    def __init__(self, duration_s: float, start_s: float) -> None:
        self._duration_s, self._start_s = duration_s, start_s
        self._first_s: float | None = None
        self._last_s = 0.0

    @classmethod
    def of(cls, container: InputContainer) -> "StreamEnd":
        """Return the end that a container declares."""
        return cls((container.duration or 0) / 1e6, (container.start_time or 0) / 1e6)

    @property
    def is_declared(self) -> bool:
        """Return whether the container declares a duration."""
        return self._duration_s > 0

    @property
    def is_reached(self) -> bool:
        """Return whether the packets reached the declared duration; false where none is declared."""
        tolerance_s = min(_TOLERANCE_S, _TOLERANCE_SHARE * self._duration_s)
        return self.is_declared and (self._first_s is None or self._last_s >= self._duration_s - tolerance_s)

    @property
    def is_played(self) -> bool:
        """Return whether packets came, and reached the declared duration: what follows is the end, however it looks."""
        return self._first_s is not None and self.is_reached

    def packet_received(self, packet: "Packet[VideoStream]") -> None:
        """Register a packet that holds data."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None or not packet.time_base:
            return
        now_s = float(stamp * packet.time_base)
        if self._first_s is None:
            # A server may count from anywhere; the pictures of a file may begin after its sound.
            is_near = 0 <= now_s - self._start_s < _MAX_OFFSET_S
            self._first_s = self._start_s if is_near else now_s
        ends_s = now_s + float((packet.duration or 0) * packet.time_base)
        self._last_s = max(self._last_s, ends_s - self._first_s)

    def missing(self) -> str:
        """Return how much of the declared duration is missing, in words, or ""."""
        if not self.is_declared or self.is_reached:
            return ""
        return f" ({self._last_s:.1f} s of {self._duration_s:.1f} s were received)"
