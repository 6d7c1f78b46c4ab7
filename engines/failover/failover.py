"""Runs several engines with failover: if one fails, the next one processes the same frame; a better one can take over.

The arrays that it returns record how they were computed from the frame. If an engine fails, even asynchronously as a GPU
does, the next engine computes them again. No frame is lost, the recurrent state restarts from zero, and one event reports it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array, Engine, ModelSpec
from rtseg.engines.capabilities import DeviceTimer, Floats, Prefetching, frame_buffers_of
from rtseg.engines.failover.replayable_array import FailoverState, ReplayableArray, unwrap
from rtseg.engines.failover.shadow_run import ShadowRun
from rtseg.errors import EngineError, RtsegError
from rtseg.frame import Image, Labels
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

MAX_EVENTS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Reports a change of engine, or an engine that was refused."""

    left: str  # the engine that was replaced or refused; "" where none ran before
    taken: str  # the engine in use now; "" where none is left
    reason: str  # in words


@runtime_checkable
class BackgroundBuild(Protocol):
    """Describes an engine that is being built in the background."""

    name: str

    def ready(self) -> Engine | None:
        """Return the engine once it is built, else None. Raises RtsegError where the build failed."""

    def accept(self) -> None:
        """Record that the engine passed its shadow run and takes over."""

    def close(self) -> None:
        """Cancel the build."""


Opener = tuple[str, Callable[[], Engine | BackgroundBuild]]  # an engine's name and the function that opens it


class FailoverEngine:
    """Runs the first engine of a list that opens, and falls back to the next one when it fails.

    openers: in order of preference; each is opened only when it is needed. A `BackgroundBuild` takes over between two frames,
    once it is ready and its shadow run agrees with the current engine. events: the newest MAX_EVENTS changes, newest last.
    Raises the last error where no engine opens.
    """

    def __init__(self, openers: Sequence[Opener]) -> None:
        self._openers = deque(openers)
        self._background_build: BackgroundBuild | None = None
        self._shadow_run: ShadowRun | None = None
        self.events: deque[EngineEvent] = deque(maxlen=MAX_EVENTS)
        self.generation = 0  # incremented at each change of engine
        self._saw_nonfinite = False  # the newest logits contained NaN or infinity
        self._retained: dict[str, ReplayableArray] = {}
        self.name, self._engine = self._open_next("")

    @property
    def spec(self) -> ModelSpec:
        """Return the description of the network's inputs and outputs."""
        return self._engine.spec

    def initial_state(self) -> FailoverState:
        """Return a state of zeros in new buffers."""
        if self._shadow_run:
            self._shadow_run.restart()
        return self._run_with_failover(lambda: FailoverState(self._engine.initial_state(), self.generation))

    def prefetch(self, image: Image) -> None:
        """Start the upload of the next frame, if the current engine can prefetch; callable from any thread."""
        if isinstance(engine := self._engine, Prefetching):
            engine.prefetch(image)

    def upload(self, image: Image) -> Array:
        """Copy a frame to the engine's device; before that, a better engine may take over."""
        self._check_takeover()
        return self._run_with_failover(ReplayableArray(self, lambda: self._engine.upload(image)).evaluate)

    def infer(self, x: Array, state: FailoverState) -> tuple[Array, FailoverState]:
        """Run the network, see `Engine.infer`. Raises EngineError where no engine is left."""
        after = FailoverState(None, -1)
        logits = self._run_with_failover(ReplayableArray(self, lambda: self._infer(x, state, after)).evaluate)
        if self._saw_nonfinite and self._is_nonfinite(logits):
            self._run_with_failover(lambda: self._refuse_nonfinite(logits))
        self._saw_nonfinite = False
        self._observe_shadow_run(x, logits)
        return logits, after

    def upload_values(self, name: str, values: Floats) -> Array:
        """Copy per-frame values to the device, see `FrameBuffers`."""
        for retained in self._retained.values():  # arrays lost with a failed engine must be replaced before `infer`
            self._run_with_failover(retained.value)
        return self._run_with_failover(
            ReplayableArray(self, lambda: frame_buffers_of(self._engine).upload_values(name, values)).evaluate
        )

    def retain(self, name: str, array: Array) -> Array:
        """Retain an array for later frames, see `FrameBuffers`; after a failover its values are NaN, which means no past."""

        def retained() -> Array:
            if self.generation == generation:
                return buffer
            return frame_buffers_of(self._engine).upload_values(f"no {name}", np.full(shape, np.nan, np.float32))

        buffer = self._run_with_failover(lambda: frame_buffers_of(self._engine).retain(name, unwrap(array)))
        shape, generation = tuple(array.shape), self.generation
        self._retained[name] = ReplayableArray(self, retained).evaluate()
        return self._retained[name]

    def download(self, labels: Array) -> Labels:
        """Copy labels to the host."""
        return self._run_with_failover(lambda: self._engine.download(unwrap(labels)))

    def device_ns(self) -> Mapping[str, int]:
        """Return the current engine's device times, see `DeviceTimer`; empty where it has none."""
        return self._run_with_failover(lambda: self._engine.device_ns() if isinstance(self._engine, DeviceTimer) else {})

    def close(self) -> None:
        """Close every engine; closing twice is harmless."""
        self._openers.clear()
        if self._shadow_run:
            self._shadow_run.engine.close()
        if self._background_build:
            self._background_build.close()
        self._shadow_run = self._background_build = None
        self._engine.close()

    def call_kernel(self, kernel: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Run a kernel on a `ReplayableArray`; the result has its own memory, and `out` is ignored."""
        options = {name: value for name, value in options.items() if name != "out"}
        work = ReplayableArray(self, lambda: kernel(*map(unwrap, args), **options))
        if kernel is kernels.has_nonfinite:
            self._saw_nonfinite = bool(self._run_with_failover(work.value))
            return self._saw_nonfinite
        return self._run_with_failover(work.evaluate)

    def _infer(self, x: Array, before: FailoverState, after: FailoverState) -> Array:
        own = before.state if before.generation == self.generation else self._engine.initial_state()
        logits, after.state = self._engine.infer(unwrap(x), own)
        after.generation = self.generation
        return logits

    def _is_nonfinite(self, logits: Array) -> bool:
        return bool(self._run_with_failover(lambda: kernels.has_nonfinite(unwrap(logits))))

    def _refuse_nonfinite(self, logits: ReplayableArray) -> None:
        """Fail over after NaN with and without a recurrent state, if another engine is left."""
        if self._openers:
            self._fail_over(EngineError("it gives NaN or infinity, with a memory and without: export the model again"))
            logits.value()

    def _run_with_failover(self, work: Callable[[], T]) -> T:
        """Run `work` on the current engine, or on the first following engine that succeeds."""
        while True:
            try:
                return work()
            except EngineError as error:
                self._fail_over(error)

    def _fail_over(self, error: EngineError) -> None:
        if not self._openers:
            raise error
        broken, left = self._engine, self.name
        self.generation += 1
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
                    self._record_event(left, "", reason)
                    raise
                continue
            if isinstance(opened, BackgroundBuild):
                self._background_build, reason = opened, f"{name} is being built"
                continue
            if reason:
                self._record_event(left, name, reason)
            return name, opened

    def _record_event(self, left: str, taken: str, reason: str) -> None:
        self.events.append(EngineEvent(left, taken, reason))
        afresh = ", and the memory starts afresh" if left else ""
        _log.warning("%s; %s", reason, f"{taken} goes on{afresh}" if taken else "no engine is left")

    def _check_takeover(self) -> None:
        """Start or decide the shadow run of the engine that was built in the background."""
        try:
            if self._background_build and not self._shadow_run and (engine := self._background_build.ready()):
                self._shadow_run = ShadowRun(engine)
            if self._shadow_run and self._shadow_run.verdict is not None:
                self._decide(self._shadow_run)
        except RtsegError as error:
            self._refuse_build(str(error))

    def _decide(self, shadow_run: ShadowRun) -> None:
        if not shadow_run.verdict:
            return self._refuse_build(shadow_run.reason)
        left, old = self.name, self._engine
        build, self._background_build, self._shadow_run = self._background_build, None, None
        if build:
            self.name = build.name
            build.accept()
        self._openers.appendleft((left, lambda: old))  # the replaced engine stays open for a failure
        self._engine, self.generation = shadow_run.engine, self.generation + 1
        self.events.append(EngineEvent(left, self.name, shadow_run.reason))
        _log.warning("%s takes over from %s (%s): the memory starts afresh", self.name, left, shadow_run.reason)
        return None

    def _refuse_build(self, reason: str) -> None:
        build, shadow_run = self._background_build, self._shadow_run
        self._background_build = self._shadow_run = None
        if shadow_run:
            shadow_run.engine.close()
        if build:
            build.close()
            self.events.append(EngineEvent(build.name, self.name, reason))
            _log.error("%s is refused: %s; %s goes on", build.name, reason, self.name)

    def _observe_shadow_run(self, x: Array, logits: Array) -> None:
        if self._shadow_run and self._shadow_run.verdict is None:
            try:
                self._shadow_run.observe(np.asarray(unwrap(x)), unwrap(logits))
            except RtsegError as error:
                self._refuse_build(str(error))
