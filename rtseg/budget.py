"""A time budget: a session that takes too long does less, step by step, and takes it back when there is room again.

Dropping frames keeps up with a stream as well, but each frame that is shown is then as late as before. The steps cost accuracy
in the order of what they cost least: the speckle filter goes, the input shrinks, the engine runs on every second frame and the
mask is carried along the motion between.
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

WINDOW = 12  # frames that are looked at before anything is changed
OVER = 1 / 3  # of these may miss the budget
CALM = 60  # frames without change before a step is taken back; after each failed attempt twice as many
LONGEST_CALM = 960
ROOM = 0.85  # of the budget must be enough for what a step taken back is expected to cost
EVENTS = 1000  # that are remembered

_UNITS_MS = {"ms": 1.0, "s": 1000.0, "": 1.0}
_WAIT = "wait"
_SMALLER_SAVES = 1 - (3 / 4) ** 2  # of the pixels
_LEAST_LEFT = 0.2
_NOT_WORKED = (Life.HELD, Life.LOST, Life.SPOILT)  # frames that cost nothing say nothing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One way to do less.

    take: does it, and returns what undoes it; None where there is nothing to be saved. stage, saves: of which stage's time it
    saves what share, about.
    """

    name: str
    take: Callable[[], Callable[[], None] | None]
    stage: str
    saves: float


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """A step that was taken at a frame, or taken back; taken: how many are, after it."""

    index: int
    step: str
    back: bool
    taken: int

    def __str__(self) -> str:
        return f"frame {self.index}: {self.step}{', taken back' if self.back else ''}"


@dataclass(slots=True)
class _Taken:
    step: Step
    undo: Callable[[], None]
    leaves: float  # of a frame's time, as a share: told from the stages before, since the machine may change meanwhile


class Budget:
    """Watches the results of one session and sets it so that frames stay within `limit_ms`, from capture to the last sink.

    engine: the session's, where it can shrink. told: is called with each step. events: the newest of them. Raises ConfigError.
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
        self._calm = 0  # frames since something was changed
        self._patience = CALM
        self._recovered = False  # whether the last change took a step back

    @property
    def taken(self) -> tuple[str, ...]:
        """The names of the steps that are taken now."""
        return tuple(each.step.name for each in self._taken)

    def observe(self, result: Result) -> None:
        """Look at one result, after its sinks; what is changed acts from the next frame on."""
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
        """Take the next step that saves anything."""
        if self._recovered and self._calm < 2 * CALM:
            self._patience = min(2 * self._patience, LONGEST_CALM)  # it was too early
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
        """Whether the newest step could be taken back, if the machine goes on as now."""
        now_ms = fmean(trace.total_ns for trace in self._window) / 1e6
        return now_ms / self._taken[-1].leaves <= ROOM * self.limit_ms

    def _left_by(self, step: Step) -> float:
        """What a step leaves of a frame's work, as a share, by the window that made it necessary."""
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
    """The milliseconds of "33ms", "0.033s" or "33". Raises ConfigError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|)\s*", text)
    if not found:
        raise ConfigError(f"a budget is not {text!r}: give a time such as 33ms")
    return float(found[1]) * _UNITS_MS[found[2]]


def _steps(session: Session, engine: ShrinkableEngine | None) -> tuple[Step, ...]:
    """In the order in which they are taken."""

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
