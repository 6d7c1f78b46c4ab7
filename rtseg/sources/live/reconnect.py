"""Keeps a live source running when its connection is lost."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter_ns

from rtseg.connection import ConnectionEvent, LinkState
from rtseg.errors import SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.sources.base import DiagnosedSource, Source, SourceDiagnostics
from rtseg.sources.live.link_thread import LinkReader
from rtseg.sources.live.reconnect_pacing import ReconnectPacing
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import safe_text

_log = get_logger(__name__)

_KEPT_EVENTS = 1000  # the newest of an endless stream; `counts` includes all
_FROZEN_TIMESTAMPS = "frames come, but their timestamps stand still"
_FINAL_STATES = (LinkState.ENDED, LinkState.FAILED)
_WARNING_STATES = (LinkState.STALLED, LinkState.DAMAGED, LinkState.LOST)  # FAILED is raised instead


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Holds the time limits of a live source, in seconds."""

    open_s: float = 10.0  # for a connection and its first picture
    stalled_s: float = 1.0  # without a frame, until the source counts as stalled (three frame periods at least)
    lost_s: float = 5.0  # without a frame, until the connection is given up
    backoff_s: float = 0.5  # the pause between the first two attempts; each pause doubles
    backoff_max_s: float = 1.0
    """The longest pause, see `ReconnectPacing`."""
    wait_s: float = 0.0  # for the peer at the first opening; 0 where it must be there
    give_up_s: float | None = None  # without any connection, until the source has failed; None: never
    seed: int | None = None  # of the random part


class ReconnectingSource:
    """Plays one connection after another as one live stream; its index has a gap where frames were lost.

    open_link: makes one connection; the link raises SourceError where it breaks, and ends where the stream does. name: used
    in the log, without credentials. on_event: called with each event, in the thread where it occurs. events: the newest of
    them. counts: how often each state was entered. Raises what the first opening raises.
    """

    def __init__(
        self,
        open_link: Callable[[], Source],
        limits: LinkLimits = LinkLimits(),
        *,
        name: str = "the source",
        on_event: Callable[[ConnectionEvent], None] | None = None,
    ) -> None:
        self._open_link, self._limits, self._name, self.on_event = open_link, limits, name, on_event
        self._pacing, self._connected_ns = ReconnectPacing(limits.backoff_s, limits.backoff_max_s, limits.seed), 0
        self._closed, self._event_lock = threading.Event(), threading.Lock()
        self.events: deque[ConnectionEvent] = deque(maxlen=_KEPT_EVENTS)
        self.counts = dict.fromkeys(LinkState, 0)
        self._last: Frame | None = None  # the last frame yielded, with this source's index
        self._base, self._moved_ns = 0, 0
        self._reader: LinkReader | None = None
        self._newest = False
        self._expect: Callable[[Frame], None] | None = None
        self._record_event(LinkState.OPENING, "")
        self._info = self._connect(limits.wait_s)

    @property
    def state(self) -> LinkState:
        """Return the present state of the connection."""
        return self.events[-1].state

    @property
    def reconnects(self) -> int:
        """Return how often a lost connection had to be opened again."""
        return self.counts[LinkState.REOPENING]

    @property
    def link(self) -> Source | None:
        """Return the newest connection, None while it is being opened."""
        return self._open_reader().link

    def diagnostics(self) -> SourceDiagnostics:
        """Return what the newest connection reports of itself; a connection without reports gives the defaults."""
        link = self.link
        return link.diagnostics() if isinstance(link, DiagnosedSource) else SourceDiagnostics()

    @property
    def info(self) -> StreamInfo:
        """Return the description of the newest link; a frame may have another size."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed.is_set():
            try:
                yield from self._frames()
            except SourceError as error:
                self._record_event(LinkState.LOST, str(error))
            else:
                self._record_event(LinkState.ENDED, "closed" if self._closed.is_set() else "the peer ended the stream")
                return
            self._reopen()

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Drop a frame that was not taken for a newer one from now on, so that the peer is never blocked.

        expect: called with each frame in the reading thread, before the frame can be taken; its index is the link's own.
        """
        self._newest, self._expect = True, expect
        self._open_reader().keep_newest(expect)

    def close(self) -> None:
        """Close the connection from any thread and at once, whatever is in progress."""
        self._closed.set()
        if self._reader is not None:
            self._reader.close()
        self._record_event(LinkState.ENDED, "closed")

    def _frames(self) -> Iterator[Frame]:
        """Yield the frames of one link, with this source's index."""
        first = True
        while (frame := self._next()) is not None:
            if first:
                self._base = self._first_index(frame) - frame.index
            elif self._last and self._base + frame.index <= self._last.index:  # corrects a link whose index goes back
                self._base = self._last.index + 1 - frame.index
            first = False
            yield self._record_frame(replace(frame, index=self._base + frame.index))

    def _next(self) -> Frame | None:
        """Return the link's next frame, None at its end. Raises SourceError where it gives none within the limits."""
        reader, stalled_s = self._open_reader(), max(self._limits.stalled_s, 3 / self._info.fps)
        if not reader.wait(stalled_s):
            self._record_event(LinkState.STALLED, f"no frame for {stalled_s:.1f} s")
            lost_s = max(self._limits.lost_s, 2 * stalled_s)
            if not reader.wait(lost_s - stalled_s):
                raise SourceError(f"no frame for {lost_s:.1f} s: the connection is given up as dead")
        return reader.take()

    def _record_frame(self, frame: Frame) -> Frame:
        """Store the frame as the last one, and record a change of the stream's state."""
        state, reason = LinkState.LIVE, f"{frame.width}x{frame.height}, {self._info.fps:.4g} fps"
        if self._stands_still(frame):
            state, reason = LinkState.STALLED, _FROZEN_TIMESTAMPS
        elif frame.damage:
            state, reason = LinkState.DAMAGED, frame.damage
        if self.state is not state:
            self._record_event(state, reason)
        self._last = frame
        return frame

    def _stands_still(self, frame: Frame) -> bool:
        """Return whether the peer has repeated one timestamp for as long as a stall takes."""
        stamp, before = _timestamp(frame), _timestamp(self._last)
        if stamp is None or stamp != before:
            self._moved_ns = frame.captured_ns
        return frame.captured_ns - self._moved_ns > self._limits.stalled_s * 1e9

    def _first_index(self, frame: Frame) -> int:
        """Return the index of a link's first frame: it skips as many frames as the outage took, and one at least."""
        if self._last is None:
            return frame.index
        away_ns = frame.captured_ns - self._last.captured_ns
        return self._last.index + 1 + max(1, round(away_ns / self._info.period_ns) - 1)

    def _reopen(self) -> None:
        """Open another connection. Raises SourceError where the source has failed."""
        if not self._closed.is_set():
            self._record_event(LinkState.REOPENING, "")
            self._pacing.connection_ended(perf_counter_ns() - self._connected_ns)
            self._info = self._connect(self._limits.give_up_s)

    def _connect(self, patience_s: float | None) -> StreamInfo:
        """Try until a link is open, for `patience_s` at most (None: for ever). Raises what the last attempt raised."""
        started_ns, pause_s = perf_counter_ns(), self._pacing.take_pause_s()
        while not (pause_s and self._closed.wait(pause_s)):
            try:
                info = self._try_to_open()
                if not self._connected_ns:
                    self._pacing.reset()  # the attempts to open the source are over
                self._connected_ns = perf_counter_ns()
                return info
            except Exception as error:
                pause_s = self._pacing.take_pause_s()
                is_exhausted = patience_s is not None and (perf_counter_ns() - started_ns) / 1e9 + pause_s > patience_s
                if is_exhausted or not isinstance(error, SourceError):
                    self._record_event(LinkState.FAILED, str(error))
                    raise
                _log.debug("%s: %s", self._name, error)
        return self._info

    def _try_to_open(self) -> StreamInfo:
        """Open one connection after the one before has ended, so that a hanging peer costs one thread only."""
        if self._reader is not None:
            self._reader.close()
            if not self._reader.wait_until_ended(self._limits.open_s):
                raise SourceError("the connection before this one cannot be closed: its driver hangs, unplug the device")
        self._reader = reader = LinkReader(self._open_link, newest=self._newest, expect=self._expect)
        if self._closed.is_set():
            reader.close()
        try:
            return reader.wait_until_open(self._limits.open_s).as_live()
        except BaseException:
            reader.close()
            raise

    def _open_reader(self) -> LinkReader:
        if self._reader is None:
            raise SourceError("the source is not open")
        return self._reader

    def _record_event(self, state: LinkState, reason: str) -> None:
        event = ConnectionEvent(state, perf_counter_ns(), safe_text(reason))
        with self._event_lock:
            if self.events and self.state in _FINAL_STATES:
                return
            self.events.append(event)
            self.counts[state] += 1
        level = logging.WARNING if state in _WARNING_STATES else logging.INFO
        _log.log(level, "%s is %s%s", self._name, state.value, f": {reason}" if reason else "")
        if self.on_event:
            self.on_event(event)


def _timestamp(frame: Frame | None) -> int | None:
    return frame.origin.timestamp_ns if frame and frame.origin else None
