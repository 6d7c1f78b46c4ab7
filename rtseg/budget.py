"""Keep a session within a time budget: reduce its work step by step, and restore it when there is headroom.

Dropping frames also keeps up with a stream, but each shown frame is then as late as before. The steps come in the order of
their loss of accuracy: switch the speckle filter off, shrink the network's input, and run the engine on every second frame
only, with warped masks between.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean

from rtseg.engines.reduced_input import ShrinkableEngine
from rtseg.errors import ConfigError
from rtseg.frame import Life
from rtseg.result import Result
from rtseg.session.enhancement import Enhancement
from rtseg.session.session import Session
from rtseg.session.stabilizer import TemporalOptions
from rtseg.text.log_records import get_logger
from rtseg.trace import LatencyTrace

WINDOW_FRAMES = 12  # frames that are measured before a change
MAX_LATE_SHARE = 1 / 3  # share of these that may miss the budget
CALM_FRAMES = 60  # frames without change before a step is restored; doubled after each failed attempt
MAX_CALM_FRAMES = 960
HEADROOM = 0.85  # share of the budget that the expected time after restoring a step must not exceed
MAX_EVENTS = 1000  # newest events that are kept

_UNITS_MS = {"ms": 1.0, "s": 1000.0, "": 1.0}
_WAIT_STAGE = "wait"
_SMALLER_INPUT_SAVES = 1 - (3 / 4) ** 2  # share of the pixels
_MIN_REMAINING = 0.2
_SKIPPED_STATES = (Life.HELD, Life.LOST, Life.SPOILT)  # frames on which the engine did not run, whose times are no measure

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BudgetStep:
    """Describes one way to reduce the work."""

    name: str
    """Description of the reduced state, for logs."""
    apply: Callable[[], Callable[[], None] | None]
    """Reduces the work and returns a function that restores it; returns None where there is nothing to save."""
    stage: str
    """Stage whose time the step saves."""
    saved_share: float
    """Approximate share of that time."""


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """Reports a step that was taken or restored at a frame."""

    index: int
    """Index of the frame."""
    step: str
    """Name of the step."""
    is_restored: bool
    """Whether the work was restored; else it was reduced."""
    taken: int
    """Number of steps in force afterwards."""

    def __str__(self) -> str:
        return f"frame {self.index}: {self.step}{', taken back' if self.is_restored else ''}"


@dataclass(slots=True)
class _ActiveStep:
    """Holds a step in force."""

    step: BudgetStep
    undo: Callable[[], None]
    remaining: float  # remaining share of a frame's time, estimated from the stages before the step


class Budget:
    """Adjusts one session by its results, so that frames stay within `limit_ms` from capture to the last sink.

    engine: the session's engine, where its input can shrink. on_event: called at each change. events: the newest changes.
    Raises ConfigError.
    """

    def __init__(
        self,
        session: Session,
        limit_ms: float,
        engine: ShrinkableEngine | None = None,
        on_event: Callable[[BudgetEvent], None] | None = None,
    ) -> None:
        if not 1 <= limit_ms <= 60_000:
            raise ConfigError(f"a budget of {limit_ms:g} ms is out of range: give 1ms to 60s, such as 33ms")
        self.limit_ms, self._on_event = limit_ms, on_event or (lambda _: None)
        self.events: deque[BudgetEvent] = deque(maxlen=MAX_EVENTS)
        self._steps, self._taken = _degradation_steps(session, engine), list[_ActiveStep]()
        self._window: deque[LatencyTrace] = deque(maxlen=WINDOW_FRAMES)
        self._frames_since_change = 0  # frames since the last change
        self._calm_frames = CALM_FRAMES
        self._last_was_restored = False  # whether the last change restored a step

    @property
    def taken(self) -> tuple[str, ...]:
        """Return the names of the steps in force."""
        return tuple(each.step.name for each in self._taken)

    def observe(self, result: Result) -> None:
        """Measure one result, after its sinks; a change applies from the next frame on."""
        if result.segmentation.life in _SKIPPED_STATES:
            return
        self._window.append(result.trace)
        self._frames_since_change += 1
        if len(self._window) < WINDOW_FRAMES:
            return
        if sum(trace.total_ns > 1e6 * self.limit_ms for trace in self._window) > MAX_LATE_SHARE * WINDOW_FRAMES:
            self._take_next_step(result.frame.index)
        elif self._taken and self._frames_since_change >= self._calm_frames and self._has_room():
            self._take_back(result.frame.index)

    def _take_next_step(self, index: int) -> None:
        """Take the next step that saves time."""
        if self._last_was_restored and self._frames_since_change < 2 * CALM_FRAMES:
            self._calm_frames = min(2 * self._calm_frames, MAX_CALM_FRAMES)  # the last restoration was too early
        after = self._steps.index(self._taken[-1].step) + 1 if self._taken else 0
        for step in self._steps[after:]:
            undo = step.apply()
            if undo:
                self._taken.append(_ActiveStep(step, undo, self._remaining_after(step)))
                self._changed(index, step, is_restored=False)
                return

    def _take_back(self, index: int) -> None:
        last = self._taken.pop()
        last.undo()
        self._changed(index, last.step, is_restored=True)

    def _has_room(self) -> bool:
        """Return whether the newest step can be restored at the present speed of the machine."""
        now_ms = fmean(trace.total_ns for trace in self._window) / 1e6
        return now_ms / self._taken[-1].remaining <= HEADROOM * self.limit_ms

    def _remaining_after(self, step: BudgetStep) -> float:
        """Estimate the share of a frame's work that remains after a step, from the measured window."""
        total_ns = sum(trace.total_ns - trace.stages_ns.get(_WAIT_STAGE, 0) for trace in self._window)
        saved = step.saved_share * sum(trace.stages_ns.get(step.stage, 0) for trace in self._window)
        return max(_MIN_REMAINING, 1 - saved / max(total_ns, 1))

    def _changed(self, index: int, step: BudgetStep, *, is_restored: bool) -> None:
        event = BudgetEvent(index, step.name, is_restored, len(self._taken))
        self.events.append(event)
        _log.info("budget of %g ms: %s", self.limit_ms, event)
        self._on_event(event)
        self._window.clear()
        self._frames_since_change, self._last_was_restored = 0, is_restored


def parse_budget(text: str) -> float:
    """Parse "33ms", "0.033s" or "33" to milliseconds. Raises ConfigError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|)\s*", text)
    if not found:
        raise ConfigError(f"a budget is not {text!r}: give a time such as 33ms")
    return float(found[1]) * _UNITS_MS[found[2]]


def _degradation_steps(session: Session, engine: ShrinkableEngine | None) -> tuple[BudgetStep, ...]:
    """Return the steps in the order in which they are taken."""

    def without_speckle() -> Callable[[], None] | None:
        before = session.speckle
        rest = before.without_speckle() if isinstance(before, Enhancement) else None
        if before == rest:
            return None
        session.speckle = rest  # a network may need the other steps
        return lambda: setattr(session, "speckle", before)

    def smaller() -> Callable[[], None] | None:
        if engine is None:
            return None
        engine.is_reduced = True
        return lambda: setattr(engine, "is_reduced", False)

    def every_second() -> Callable[[], None] | None:
        before = session.temporal
        options = before or TemporalOptions()
        if options.every > 1:
            return None
        session.temporal = replace(options, every=2)
        return lambda: setattr(session, "temporal", before)

    return (
        BudgetStep("the speckle filter is off", without_speckle, "speckle", 1.0),
        BudgetStep("the network's input is smaller", smaller, "infer", _SMALLER_INPUT_SAVES),
        BudgetStep("the engine runs on every 2nd frame", every_second, "infer", 0.5),
    )
