"""Keep a session within a time budget: reduce its work step by step, and restore it when there is headroom.

Dropping frames also keeps up with a stream, but each shown frame is then as late as before. The steps come in the order of
their loss of accuracy: switch the speckle filter off, shrink the network's input, and run the engine on every second frame
only, with warped masks between.
"""

import logging
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean

from rtseg.engines.reduced_input import ShrinkableEngine
from rtseg.errors import ConfigError
from rtseg.frame import Life
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.session.stabilizer import TemporalOptions
from rtseg.trace import LatencyTrace

WINDOW = 12  # frames that are measured before a change
OVER = 1 / 3  # share of these that may miss the budget
CALM = 60  # frames without change before a step is restored; doubled after each failed attempt
LONGEST_CALM = 960
ROOM = 0.85  # share of the budget that the expected time after restoring a step must not exceed
EVENTS = 1000  # newest events that are kept

_UNITS_MS = {"ms": 1.0, "s": 1000.0, "": 1.0}
_WAIT = "wait"
_SMALLER_SAVES = 1 - (3 / 4) ** 2  # share of the pixels
_LEAST_LEFT = 0.2
_NOT_WORKED = (Life.HELD, Life.LOST, Life.SPOILT)  # frames on which the engine did not run, whose times are no measure

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """Describes one way to reduce the work."""

    name: str
    """Description of the reduced state, for logs."""
    take: Callable[[], Callable[[], None] | None]
    """Reduces the work and returns a function that restores it; returns None where there is nothing to save."""
    stage: str
    """Stage whose time the step saves."""
    saves: float
    """Approximate share of that time."""


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """Reports a step that was taken or restored at a frame."""

    index: int
    """Index of the frame."""
    step: str
    """Name of the step."""
    back: bool
    """Whether the work was restored; else it was reduced."""
    taken: int
    """Number of steps in force afterwards."""

    def __str__(self) -> str:
        return f"frame {self.index}: {self.step}{', taken back' if self.back else ''}"


@dataclass(slots=True)
class _Taken:
    """Holds a step in force."""

    step: Step
    undo: Callable[[], None]
    leaves: float  # remaining share of a frame's time, estimated from the stages before the step


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
        told: Callable[[BudgetEvent], None] | None = None,
    ) -> None:
        if not 1 <= limit_ms <= 60_000:
            raise ConfigError(f"a budget of {limit_ms:g} ms is out of range: give 1ms to 60s, such as 33ms")
        self.limit_ms, self._told = limit_ms, told or (lambda _: None)
        self.events: deque[BudgetEvent] = deque(maxlen=EVENTS)
        self._steps, self._taken = _steps(session, engine), list[_Taken]()
        self._window: deque[LatencyTrace] = deque(maxlen=WINDOW)
        self._calm = 0  # frames since the last change
        self._patience = CALM
        self._recovered = False  # whether the last change restored a step

    @property
    def taken(self) -> tuple[str, ...]:
        """Return the names of the steps in force."""
        return tuple(each.step.name for each in self._taken)

    def observe(self, result: Result) -> None:
        """Measure one result, after its sinks; a change applies from the next frame on."""
        if result.segmentation.life in _NOT_WORKED:
            return
        self._window.append(result.trace)
        self._calm += 1
        if len(self._window) < WINDOW:
            return
        if sum(trace.total_ns > 1e6 * self.limit_ms for trace in self._window) > OVER * WINDOW:
            self._do_less(result.frame.index)
        elif self._taken and self._calm >= self._patience and self._has_room():
            self._take_back(result.frame.index)

    def _do_less(self, index: int) -> None:
        """Take the next step that saves time."""
        if self._recovered and self._calm < 2 * CALM:
            self._patience = min(2 * self._patience, LONGEST_CALM)  # the last restoration was too early
        after = self._steps.index(self._taken[-1].step) + 1 if self._taken else 0
        for step in self._steps[after:]:
            undo = step.take()
            if undo:
                self._taken.append(_Taken(step, undo, self._left_by(step)))
                self._changed(index, step, back=False)
                return

    def _take_back(self, index: int) -> None:
        last = self._taken.pop()
        last.undo()
        self._changed(index, last.step, back=True)

    def _has_room(self) -> bool:
        """Return whether the newest step can be restored at the present speed of the machine."""
        now_ms = fmean(trace.total_ns for trace in self._window) / 1e6
        return now_ms / self._taken[-1].leaves <= ROOM * self.limit_ms

    def _left_by(self, step: Step) -> float:
        """Estimate the share of a frame's work that remains after a step, from the measured window."""
        whole = sum(trace.total_ns - trace.stages_ns.get(_WAIT, 0) for trace in self._window)
        saved = step.saves * sum(trace.stages_ns.get(step.stage, 0) for trace in self._window)
        return max(_LEAST_LEFT, 1 - saved / max(whole, 1))

    def _changed(self, index: int, step: Step, *, back: bool) -> None:
        event = BudgetEvent(index, step.name, back, len(self._taken))
        self.events.append(event)
        _log.info("budget of %g ms: %s", self.limit_ms, event)
        self._told(event)
        self._window.clear()
        self._calm, self._recovered = 0, back


def parse_budget(text: str) -> float:
    """Parse "33ms", "0.033s" or "33" to milliseconds. Raises ConfigError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|)\s*", text)
    if not found:
        raise ConfigError(f"a budget is not {text!r}: give a time such as 33ms")
    return float(found[1]) * _UNITS_MS[found[2]]


def _steps(session: Session, engine: ShrinkableEngine | None) -> tuple[Step, ...]:
    """Return the steps in the order in which they are taken."""

    def without_speckle() -> Callable[[], None] | None:
        before = session.speckle
        if before is None:
            return None
        session.speckle = None
        return lambda: setattr(session, "speckle", before)

    def smaller() -> Callable[[], None] | None:
        if engine is None:
            return None
        engine.small = True
        return lambda: setattr(engine, "small", False)

    def every_second() -> Callable[[], None] | None:
        before = session.temporal
        options = before or TemporalOptions()
        if options.every > 1:
            return None
        session.temporal = replace(options, every=2)
        return lambda: setattr(session, "temporal", before)

    return (
        Step("the speckle filter is off", without_speckle, "speckle", 1.0),
        Step("the network's input is smaller", smaller, "infer", _SMALLER_SAVES),
        Step("the engine runs on every 2nd frame", every_second, "infer", 0.5),
    )
