"""Sessions whose results can be had again, bit for bit: one that is recorded, and one that replays it."""

from dataclasses import replace
from typing import Any

from rtseg.engines.base import Engine
from rtseg.errors import SourceError
from rtseg.frame import Frame, Life, Segmentation
from rtseg.kernels.network.fit import Box
from rtseg.session.lifecycle import Lifecycle
from rtseg.session.sector import Guard, Kind, Locator, Sector, SectorFinder
from rtseg.session.sector.shape import unknown
from rtseg.session.session import Session
from rtseg.sources.files.recording import Decision, RecordedFrame, check_of
from rtseg.trace import LatencyTrace

_KINDS = frozenset(kind.value for kind in Kind)


class CoveredSession(Session):
    """A session that sees of each frame what a recording keeps of it: nothing outside the sector.

    Else the network would have seen the letters in the corners of the sector's box, which no recording may hold, and a replay
    could not give the same masks. While the sector is not known there is no mask, since the whole frame is black.
    Takes what `Session` takes.
    """

    def __init__(self, engine: Engine, *, locator: Locator | None = None, **options: Any) -> None:
        super().__init__(engine, locator=_Foreseen(locator or SectorFinder()), **options)
        self._guard = Guard()

    def expect(self, frame: Frame) -> None:
        """Nothing: the engine is not given the frame itself."""

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Find the sector, black what is around it, and segment the rest. Raises EngineError."""
        trace = trace or LatencyTrace(frame.captured_ns)
        if not isinstance(self.locator, _Foreseen):
            self.locator = _Foreseen(self.locator)  # somebody set another while the stream runs
        with trace.stage("sector"):
            sector = self.locator.foresee(frame)
        with trace.stage("guard"):
            covered = frame if sector.kind is Kind.WHOLE else self._guard.cover(frame, sector)
        return super().step(covered, trace)


class ReplayedSession(Session):
    """A session for the frames of `replay:`, in which sector, life and times are those of the recording.

    The network, its memory and the smoothing run anew, so that the masks are the recorded ones where engine, model and options
    are. equal, different: how many were, and how many were not. Takes what `Session` takes but a locator.
    """

    def __init__(self, engine: Engine, **options: Any) -> None:
        super().__init__(engine, locator=_RecordedSector(), **options)
        self._lifecycle = _RecordedLife()
        self.equal = self.different = 0

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Segment a recorded frame as it was then. Raises EngineError, SourceError."""
        decision = _decision(frame)
        made = super().step(replace(frame, captured_ns=decision.captured_ns), trace or LatencyTrace(frame.captured_ns))
        same = check_of(made.labels) == decision.labels
        self.equal, self.different = self.equal + same, self.different + (not same)
        return made


class _Foreseen:
    """A locator that is asked before the session asks, and then gives that answer."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._answer = unknown((0, 0)), ""

    def foresee(self, frame: Frame) -> Sector:
        """Where the sector is in the uncovered frame."""
        self._answer = self._locator.observe(frame)
        return self._answer[0]

    def observe(self, frame: Frame) -> tuple[Sector, str]:  # noqa: ARG002  it was looked at before it was covered
        """What was found in the frame before it was covered."""
        return self._answer

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._locator.forget()


class _RecordedSector:
    """A locator that gives the recorded sectors."""

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """The sector of then; what it did to the memory is told by the recorded life."""
        decision = _decision(frame)
        inside = all(0 <= x <= frame.width - 1 and 0 <= y <= frame.height - 1 for x, y in decision.outline)
        if not inside or decision.kind not in _KINDS:
            raise SourceError(f"the sector recorded at frame {frame.index} is not in it: record again")
        return Sector(Kind(decision.kind), (frame.height, frame.width), decision.outline, decision.confidence), ""

    def forget(self) -> None:
        """Nothing is remembered."""


class _RecordedLife(Lifecycle):
    """What became of the memory then."""

    def observe(self, frame: Frame, box: Box | None = None) -> tuple[Life, str]:  # noqa: ARG002  nothing is looked at
        """The life and the reason of then; a frame that was never recorded, as in the warm-up, is a first one."""
        decision = frame.decision if isinstance(frame, RecordedFrame) else None
        return (decision.life, decision.reason) if decision else (Life.NEW, "not recorded")


def _decision(frame: Frame) -> Decision:
    """What became of a frame. Raises SourceError."""
    if not isinstance(frame, RecordedFrame) or frame.decision is None:
        raise SourceError("a ReplayedSession takes the frames of a recording: give it those of replay:FOLDER")
    return frame.decision
