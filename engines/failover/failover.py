"""Runs several engines with failover: if one fails, the next one processes the same frame; a better one can take over.

The arrays that it returns record how they were computed from the frame. If an engine fails, even asynchronously as a GPU
does, the next engine computes them again. No frame is lost, the recurrent state restarts from zero, and one event reports it.
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
    """Reports a change of engine, or an engine that was refused."""

    left: str  # the engine that was replaced or refused; "" where none ran before
    taken: str  # the engine in use now; "" where none is left
    reason: str  # in words


@runtime_checkable
class Rising(Protocol):
    """Describes an engine that is being built in the background."""

    name: str

    def ready(self) -> Engine | None:
        """Return the engine once it is built, else None. Raises RtsegError where the build failed."""

    def accepted(self) -> None:
        """Record that the engine passed its shadow run and takes over."""

    def close(self) -> None:
        """Cancel the build."""


Opener = tuple[str, Callable[[], Engine | Rising]]  # an engine's name and the function that opens it


class FailoverEngine:
    """Runs the first engine of a list that opens, and falls back to the next one when it fails.

    openers: in order of preference; each is opened only when it is needed. A `BackgroundBuild` takes over between two frames,
    once it is ready and its shadow run agrees with the current engine. events: the newest MAX_EVENTS changes, newest last.
    Raises the last error where no engine opens.
    """

    def __init__(self, openers: Sequence[Opener]) -> None:
        self._openers = deque(openers)
        self._rising: Rising | None = None
        self._trial: Trial | None = None
        self.events: deque[EngineEvent] = deque(maxlen=MOST_EVENTS)
        self.turn = 0  # incremented at each change of engine
        self._doubted = False  # the newest logits contained NaN or infinity
        self._kept: dict[str, Redone] = {}
        self.name, self._engine = self._open_next("")

    @property
    def spec(self) -> ModelSpec:
        """Return the description of the network's inputs and outputs."""
        return self._engine.spec

    def initial_state(self) -> Memory:
        """Return a state of zeros in new buffers."""
        if self._trial:
            self._trial.restart()
        return self._guarded(lambda: Memory(self._engine.initial_state(), self.turn))

    def prefetch(self, image: Image) -> None:
        """Start the upload of the next frame, if the current engine can prefetch; callable from any thread."""
        if isinstance(engine := self._engine, Ahead):
            engine.prefetch(image)

    def upload(self, image: Image) -> Array:
        """Copy a frame to the engine's device; before that, a better engine may take over."""
        self._rise()
        return self._guarded(Redone(self, lambda: self._engine.upload(image)).known)

    def infer(self, x: Array, state: Memory) -> tuple[Array, Memory]:
        """Run the network, see `Engine.infer`. Raises EngineError where no engine is left."""
        after = Memory(None, -1)
        logits = self._guarded(Redone(self, lambda: self._infer(x, state, after)).known)
        if self._doubted and self._is_nonfinite(logits):
            self._guarded(lambda: self._refuse_nonfinite(logits))
        self._doubted = False
        self._try_out(x, logits)
        return logits, after

    def bring(self, name: str, values: Floats) -> Array:
        """Copy per-frame values to the device, see `FrameBuffers`."""
        for kept in self._kept.values():  # arrays lost with a failed engine must be replaced before `infer`
            self._guarded(kept.value)
        return self._guarded(Redone(self, lambda: keeper_of(self._engine).bring(name, values)).known)

    def keep(self, name: str, array: Array) -> Array:
        """Retain an array for later frames, see `FrameBuffers`; after a failover its values are NaN, which means no past."""

        def kept() -> Array:
            if self.turn == turn:
                return there
            return keeper_of(self._engine).bring(f"no {name}", np.full(shape, np.nan, np.float32))

        there = self._guarded(lambda: keeper_of(self._engine).keep(name, value_of(array)))
        shape, turn = tuple(array.shape), self.turn
        self._kept[name] = Redone(self, kept).known()
        return self._kept[name]

    def download(self, labels: Array) -> Labels:
        """Copy labels to the host."""
        return self._guarded(lambda: self._engine.download(value_of(labels)))

    def device_ns(self) -> Mapping[str, int]:
        """Return the current engine's device times, see `DeviceTimer`; empty where it has none."""
        return self._guarded(lambda: self._engine.device_ns() if isinstance(self._engine, Timed) else {})

    def close(self) -> None:
        """Close every engine; closing twice is harmless."""
        self._openers.clear()
        if self._trial:
            self._trial.engine.close()
        if self._rising:
            self._rising.close()
        self._trial = self._rising = None
        self._engine.close()

    def called(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Run a kernel on a `ReplayableArray`; the result has its own memory, and `out` is ignored."""
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
        """Fail over after NaN with and without a recurrent state, if another engine is left."""
        if self._openers:
            self._give_way(EngineError("it gives NaN or infinity, with a memory and without: export the model again"))
            logits.value()

    def _guarded(self, work: Callable[[], T]) -> T:
        """Run `work` on the current engine, or on the first following engine that succeeds."""
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
        """Open the next engine that can be opened; return its name and the engine. Raises the last one's error."""
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
        """Start or decide the shadow run of the engine that was built in the background."""
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
        self._openers.appendleft((left, lambda: old))  # the replaced engine stays open for a failure
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
