"""Engines that stand in for one another: one fails, and the next goes on with the very frame; or a better one takes over.

What it gives to kernels remembers how it was made, from the frame on; so where an engine fails, even late, as a GPU does, the
next one makes it again. No frame is lost, the memory starts afresh, and one event says so.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array, Engine, ModelSpec
from rtseg.engines.capabilities import Ahead, Floats, Timed, keeper_of
from rtseg.engines.failover.replayable_array import Memory, Redone, value_of
from rtseg.engines.failover.shadow_run import Trial
from rtseg.errors import EngineError, RtsegError
from rtseg.frame import Image, Labels

_log = logging.getLogger(__name__)

MOST_EVENTS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One engine has taken the place of another, or was refused it. reason: in words."""

    left: str
    taken: str
    reason: str


@runtime_checkable
class Rising(Protocol):
    """An engine that is on its way."""

    name: str

    def ready(self) -> Engine | None:
        """The engine, once, when it can run. Raises RtsegError where it never will."""

    def accepted(self) -> None:
        """It has proved itself beside the other, and takes over."""

    def close(self) -> None:
        """Give up what is on its way."""


Opener = tuple[str, Callable[[], Engine | Rising]]  # an engine's name, and how it is opened


class FailoverEngine:
    """Runs the first engine of a list that can, and the next one when it fails.

    openers: the best first; each is opened when its turn comes. One that is still on its way takes over between two frames,
    when it is ready and segments as the one at work. events: what happened, the newest last. Raises the last error where none
    can run.
    """

    def __init__(self, openers: Sequence[Opener]) -> None:
        self._openers = deque(openers)
        self._rising: Rising | None = None
        self._trial: Trial | None = None
        self.events: deque[EngineEvent] = deque(maxlen=MOST_EVENTS)
        self.turn = 0  # grows with each change of engine
        self._doubted = False  # the newest answer held NaN
        self._kept: dict[str, Redone] = {}
        self.name, self._engine = self._open_next("")

    @property
    def spec(self) -> ModelSpec:
        """What the network takes and gives."""
        return self._engine.spec

    def initial_state(self) -> Memory:
        """The memory of nothing, in buffers of its own: all zeros."""
        if self._trial:
            self._trial.restart()
        return self._guarded(lambda: Memory(self._engine.initial_state(), self.turn))

    def prefetch(self, image: Image) -> None:
        """Let the engine at work begin to bring up the frame that comes next, where it can; from any thread."""
        if isinstance(engine := self._engine, Ahead):
            engine.prefetch(image)

    def upload(self, image: Image) -> Array:
        """Bring a frame to where the engine runs; between two frames another engine may take over."""
        self._rise()
        return self._guarded(Redone(self, lambda: self._engine.upload(image)).known)

    def infer(self, x: Array, state: Memory) -> tuple[Array, Memory]:
        """Run the network: see Engine.infer. Raises EngineError where no engine is left."""
        after = Memory(None, -1)
        logits = self._guarded(Redone(self, lambda: self._infer(x, state, after)).known)
        if self._doubted and self._is_nonfinite(logits):
            self._guarded(lambda: self._refuse_nonfinite(logits))
        self._doubted = False
        self._try_out(x, logits)
        return logits, after

    def bring(self, name: str, values: Floats) -> Array:
        """Numbers that change with each frame: see Keeping."""
        for kept in self._kept.values():  # what was lost with its engine must be there before `infer` too
            self._guarded(kept.value)
        return self._guarded(Redone(self, lambda: keeper_of(self._engine).bring(name, values)).known)

    def keep(self, name: str, array: Array) -> Array:
        """An array for the next frames, see Keeping; where its engine has given way, NaN: the past of nothing."""

        def kept() -> Array:
            if self.turn == turn:
                return there
            return keeper_of(self._engine).bring(f"no {name}", np.full(shape, np.nan, np.float32))

        there = self._guarded(lambda: keeper_of(self._engine).keep(name, value_of(array)))
        shape, turn = tuple(array.shape), self.turn
        self._kept[name] = Redone(self, kept).known()
        return self._kept[name]

    def download(self, labels: Array) -> Labels:
        """Bring labels to the host."""
        return self._guarded(lambda: self._engine.download(value_of(labels)))

    def device_ns(self) -> Mapping[str, int]:
        """What the engine at work tells of its device's time: see Timed. One that fails here gives way, as anywhere."""
        return self._guarded(lambda: self._engine.device_ns() if isinstance(self._engine, Timed) else {})

    def close(self) -> None:
        """Give every engine back; closing twice is harmless."""
        self._openers.clear()
        if self._trial:
            self._trial.engine.close()
        if self._rising:
            self._rising.close()
        self._trial = self._rising = None
        self._engine.close()

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """A kernel was called with an array of ours. Its result has memory of its own, without `out`."""
        options = {name: value for name, value in options.items() if name != "out"}
        work = Redone(self, lambda: kernel(*map(value_of, args), **options))
        if kernel is kernels.has_nonfinite:
            self._doubted = bool(self._guarded(work.value))
            return self._doubted
        return self._guarded(work.known)

    def _infer(self, x: Array, before: Memory, after: Memory) -> Array:
        own = before.state if before.turn == self.turn else self._engine.initial_state()
        logits, after.state = self._engine.infer(value_of(x), own)
        after.turn = self.turn
        return logits

    def _is_nonfinite(self, logits: Array) -> bool:
        return bool(self._guarded(lambda: kernels.has_nonfinite(value_of(logits))))

    def _refuse_nonfinite(self, logits: Redone) -> None:
        """Let the next engine answer where this one gave NaN twice, the second time without a memory."""
        if self._openers:
            self._give_way(EngineError("it gives NaN or infinity, with a memory and without: export the model again"))
            logits.value()

    def _guarded(self, work: Callable[[], T]) -> T:
        """Do it on the engine at work, or on the first after it that can."""
        while True:
            try:
                return work()
            except EngineError as error:
                self._give_way(error)

    def _give_way(self, error: EngineError) -> None:
        if not self._openers:
            raise error
        broken, left = self._engine, self.name
        self.turn += 1
        try:
            self.name, self._engine = self._open_next(f"{left} failed, {error}")
        finally:
            broken.close()

    def _open_next(self, reason: str) -> tuple[str, Engine]:
        """The first engine that opens. Raises the last one's error."""
        left = getattr(self, "name", "")
        while True:
            name, opener = self._openers.popleft()
            try:
                opened = opener()
            except RtsegError as error:
                reason = "; ".join(filter(None, (reason, f"{name} cannot run, {error}")))
                if not self._openers:
                    self._tell(left, "", reason)
                    raise
                continue
            if isinstance(opened, Rising):
                self._rising, reason = opened, f"{name} is being built"
                continue
            if reason:
                self._tell(left, name, reason)
            return name, opened

    def _tell(self, left: str, taken: str, reason: str) -> None:
        self.events.append(EngineEvent(left, taken, reason))
        afresh = ", and the memory starts afresh" if left else ""
        _log.warning("%s; %s", reason, f"{taken} goes on{afresh}" if taken else "no engine is left")

    def _rise(self) -> None:
        """Look between two frames whether another engine can take over."""
        try:
            if self._rising and not self._trial and (engine := self._rising.ready()):
                self._trial = Trial(engine)
            if self._trial and self._trial.verdict is not None:
                self._decide(self._trial)
        except RtsegError as error:
            self._refuse_rising(str(error))

    def _decide(self, trial: Trial) -> None:
        if not trial.verdict:
            return self._refuse_rising(trial.reason)
        left, old = self.name, self._engine
        rising, self._rising, self._trial = self._rising, None, None
        if rising:
            self.name = rising.name
            rising.accepted()
        self._openers.appendleft((left, lambda: old))  # it stays ready for a failure
        self._engine, self.turn = trial.engine, self.turn + 1
        self.events.append(EngineEvent(left, self.name, trial.reason))
        _log.warning("%s takes over from %s (%s): the memory starts afresh", self.name, left, trial.reason)
        return None

    def _refuse_rising(self, reason: str) -> None:
        rising, trial = self._rising, self._trial
        self._rising = self._trial = None
        if trial:
            trial.engine.close()
        if rising:
            rising.close()
            self.events.append(EngineEvent(rising.name, self.name, reason))
            _log.error("%s is refused: %s; %s goes on", rising.name, reason, self.name)

    def _try_out(self, x: Array, logits: Array) -> None:
        if self._trial and self._trial.verdict is None:
            try:
                self._trial.observe(np.asarray(value_of(x)), value_of(logits))
            except RtsegError as error:
                self._refuse_rising(str(error))
