"""Define sessions with reproducible results, bit for bit: one to record, and one to replay the recording."""

from dataclasses import replace
from typing import Any

from rtseg.engines.base import Engine
from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, Life, Segmentation
from rtseg.kernels.network.fit import Box
from rtseg.session.beam_space import BeamSpaceSession
from rtseg.session.frame_segmenter import CARRIED
from rtseg.session.judgement import Judgement
from rtseg.session.lifecycle import Lifecycle
from rtseg.session.prompts import Prompt
from rtseg.session.redaction import RedactionMode, Redactor
from rtseg.session.sector import Locator, Sector, SectorKind
from rtseg.session.sector.shape import unknown_sector
from rtseg.session.session import Session
from rtseg.session.settings import SessionSettings
from rtseg.sources.files.recording import Decision, RecordedFrame, labels_crc32
from rtseg.trace import LatencyTrace

_KINDS = frozenset(kind.value for kind in SectorKind)


class RedactedSession(Session):
    """Segments only the part of each frame that a recording keeps: the inside of the sector.

    Otherwise the network would see text in the corners of the sector's box, which a recording must not hold, and a replay could
    not give the same masks. What is withheld is black for the network too. redact: how the frames are redacted, see `Redactor`.
    Takes the arguments of `Session`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        locator: Locator | None = None,
        redact: RedactionMode | str = RedactionMode.AUTO,
        **options: Any,
    ) -> None:
        super().__init__(engine, locator=locator, **options)
        self.redactor = self._guard = Redactor(redact)
        self._locator = _PrecomputedLocator(self.settings.locator)
        self._precompute_for(self.settings)
        self._settings = self._own_settings  # the first frame brings no other locator

    def expect(self, frame: Frame) -> None:
        """Do nothing, since the engine gets the redacted frame instead."""

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Find the sector, redact its surroundings, and segment the rest. Raises EngineError."""
        trace = trace or LatencyTrace(frame.captured_ns)
        if (settings := self.settings) is not self._public_settings:  # they were set while the stream runs
            self._precompute_for(settings)
        with trace.stage("sector"):
            sector = self._locator.precompute(frame)
        with trace.stage("guard"):
            redacted = self._guard.redact(frame, sector, is_stated=self.is_sector_stated)
        return self._step(redacted, trace, self._own_settings)

    def _precompute_for(self, settings: SessionSettings) -> None:
        """Put a locator that precomputes in place of the one of the settings; the same locator keeps its state."""
        if self._locator.inner is not settings.locator:
            self._locator = _PrecomputedLocator(settings.locator)
        self._public_settings, self._own_settings = settings, replace(settings, locator=self._locator)


class ReplayedSession(Session):
    """Segments the frames of `replay:` with the sector, state and times of the recording.

    The network, its memory and the stabilization run anew, so that the masks equal the recorded ones if engine, model and
    options do. equal, different: the number of masks that do and do not. Takes the arguments of `Session` except the locator.
    """

    def __init__(self, engine: Engine, **options: Any) -> None:
        super().__init__(engine, locator=_RecordedLocator(), **options)
        self._lifecycle = _RecordedLifecycle()
        self.equal = self.different = 0

    def prompt(self, prompt: Prompt, name: str = "object", *, at: int | None = None) -> None:  # noqa: ARG002  none is taken
        """Raise ConfigError, since a replay follows what was pointed at in its recording."""
        raise ConfigError(
            "a replay follows what was pointed at when it was recorded: point at something else in its pictures-0.mkv"
        )

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Segment a recorded frame with its recorded decision. Raises EngineError, SourceError."""
        decision = _decision(frame)
        for write in decision.writes:
            self.write(write.name, write.values)
        self._replay_objects(decision.objects, {write.name: write.values for write in decision.writes})
        segmentation = super().step(replace(frame, captured_ns=decision.captured_ns), trace or LatencyTrace(frame.captured_ns))
        same = labels_crc32(segmentation.labels) == decision.labels
        self.equal, self.different = self.equal + same, self.different + (not same)
        return segmentation


class RedactedBeamSpaceSession(RedactedSession, BeamSpaceSession):
    """Runs a network on the scan lines of the part of each frame that a recording keeps. Takes `geometry` too."""


class ReplayedBeamSpaceSession(ReplayedSession, BeamSpaceSession):
    """Replays a recording of a `RedactedBeamSpaceSession`; `geometry` must be that of the recording."""


class _PrecomputedLocator:
    """Locates the sector ahead of the session's own call, which then gets the stored result."""

    def __init__(self, locator: Locator) -> None:
        self.inner = locator
        self._answer = unknown_sector((0, 0)), ""

    def precompute(self, frame: Frame) -> Sector:
        """Find the sector in the frame before redaction, and store the result."""
        self._answer = self.inner.observe(frame)
        return self._answer[0]

    def observe(self, frame: Frame) -> tuple[Sector, str]:  # noqa: ARG002  the result precedes the redaction
        """Return the stored result."""
        return self._answer

    def forget(self) -> None:
        """Treat the next frame as the first one."""
        self.inner.forget()


class _RecordedLocator:
    """Returns the recorded sectors."""

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """Return the recorded sector; its effect on the memory is part of the recorded state. Raises SourceError."""
        decision = _decision(frame)
        inside = all(0 <= x <= frame.width - 1 and 0 <= y <= frame.height - 1 for x, y in decision.outline)
        if not inside or decision.kind not in _KINDS:
            raise SourceError(f"the sector recorded at frame {frame.index} is not in it: record again")
        size = (frame.height, frame.width)
        return Sector(SectorKind(decision.kind), size, decision.outline, decision.confidence, decision.face), ""

    def forget(self) -> None:
        """Do nothing, since there is no state."""


class _RecordedLifecycle(Lifecycle):
    """Returns the recorded states."""

    def observe(self, frame: Frame, box: Box | None = None) -> Judgement:  # noqa: ARG002  the frame is not examined
        """Return the recorded state and reason; a frame without them, as in the warm-up, counts as a first one.

        That a mask was carried on is left out of the reason: the session adds it, where it carries the mask on again.
        """
        decision = frame.decision if isinstance(frame, RecordedFrame) else None
        if decision is None:
            return Judgement(Life.NEW, "not recorded")
        return Judgement(decision.life, decision.reason.removesuffix(CARRIED).removesuffix(": "))


def _decision(frame: Frame) -> Decision:
    """Return the recorded decision of a frame. Raises SourceError."""
    if not isinstance(frame, RecordedFrame) or frame.decision is None:
        raise SourceError("a ReplayedSession takes the frames of a recording: give it those of replay:FOLDER")
    return frame.decision


CoveredSession = RedactedSession  # the earlier name
