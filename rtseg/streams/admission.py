"""Decide which of several streams a machine can carry: all of them, some with less work, and none too many."""

from dataclasses import dataclass
from threading import Lock

from rtseg.errors import StreamRefused
from rtseg.frame import StreamInfo

MAX_EVERY = 3  # a degraded stream runs the network on every third frame at least
MAX_STREAMS = 64  # threads and sockets of more are no longer a matter of time and memory alone
STREAM_BYTES = 48 << 20  # that a stream takes at most at 1280x720 beside the network: frames, states, decoder and encoder
USABLE = 0.9  # share of the measured capacity that live streams may take together


@dataclass(frozen=True, slots=True)
class Capacity:
    """States what a machine can do with one set of models."""

    frames_per_s: float
    """Frames that all streams together may have in one second, each through every model."""
    free_bytes: int | None = None
    """Memory that is free for streams; None where the system does not say."""

    @property
    def streams(self) -> int:
        """Return the number of streams for which there is memory."""
        by_memory = MAX_STREAMS if self.free_bytes is None else self.free_bytes // STREAM_BYTES
        return min(MAX_STREAMS, by_memory)


@dataclass(frozen=True, slots=True)
class StreamShare:
    """States what a stream was granted."""

    every: int
    """The network runs on every frame of this number; its masks are warped in between."""
    frames_per_s: float
    """The share of the capacity that this takes."""


class Admission:
    """Grants streams their share of a machine's capacity, first come first served; callable from the streams' threads.

    A recording takes what is left and needs no share. A live stream that does not fit whole runs the network on every second
    or third frame; one that does not fit even so is refused.
    """

    def __init__(self, capacity: Capacity) -> None:
        self._capacity, self._lock = capacity, Lock()
        self._shares = dict[str, StreamShare]()

    def admit(self, name: str, info: StreamInfo, every: int = 1) -> StreamShare:
        """Return the share of a stream. every: what the user chose already. Raises StreamRefused."""
        if not info.live:
            return StreamShare(every, 0.0)
        with self._lock:
            usable = USABLE * self._capacity.frames_per_s
            left = usable - sum(share.frames_per_s for share in self._shares.values())
            for candidate in range(every, max(every, MAX_EVERY) + 1):
                share = StreamShare(candidate, info.fps / candidate)
                if share.frames_per_s <= left:
                    self._shares[name] = share
                    return share
        raise StreamRefused(
            f"its {info.fps:g} frames a second do not fit, not even 1 of {MAX_EVERY} of them: this machine segments "
            f"{usable:.0f} in a second, of which {max(0.0, left):.0f} are left; leave a stream out, or give a smaller model"
        )

    def release(self, name: str) -> None:
        """Give the share of a stream that has ended back."""
        with self._lock:
            self._shares.pop(name, None)


def refuse_surplus(names: list[str], capacity: Capacity) -> dict[str, StreamRefused]:
    """Return a refusal for each stream for which there is no room, by name: those that are listed last."""
    limit = capacity.streams
    why = (
        f"{limit} streams fit into one process at most: run the others in another one"
        if limit == MAX_STREAMS
        else f"the free memory is enough for {limit} streams: close other programs, or run it on another machine"
    )
    return {name: StreamRefused(why) for name in names[limit:]}
