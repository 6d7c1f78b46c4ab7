"""Runs one of several engines: where it fails, the next one replaces it, and a better one can take over between two frames.

The session repeats the frame on which an engine failed, see `Replaceable`, so that no frame is lost. One event reports it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rtseg.engines.base import Array, Engine, Floats, ModelSpec, State
from rtseg.engines.capabilities import Capturing, DeviceTimer, Prefetching, frame_buffers_of
from rtseg.engines.engine_use import close_engine, is_hung
from rtseg.engines.failover.background import BackgroundBuild, Opener
from rtseg.engines.failover.shadow_run import ShadowRun
from rtseg.engines.hung_threads import check_hung_threads, open_in_time
from rtseg.errors import EngineError, EngineTimeout, RtsegError
from rtseg.frame import Image, Labels
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

MAX_EVENTS = 100


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Reports a change of engine, or an engine that was refused."""

    left: str  # the engine that was replaced or refused; "" where none ran before
    taken: str  # the engine in use now; "" where none is left
    reason: str  # in words


class FailoverEngine:
    """Runs the first engine of a list that opens; `replace` opens the next one when it fails.

    openers: in order of preference; each is opened only when it is needed. A `BackgroundBuild` takes over between two frames,
    once it is ready and its shadow run agrees with the current engine. events: the newest MAX_EVENTS changes, newest last.
    States and arrays belong to the current engine, and are void after a change. changes: their number so far. An engine that
    hangs is neither called nor closed again. Raises the last error where no engine opens.
    """

    def __init__(self, openers: Sequence[Opener]) -> None:
        self._openers = deque(openers)
        self._background_build: BackgroundBuild | None = None
        self._shadow_run: ShadowRun | None = None
        self._is_guarded = False  # whether the engine that was built in the background is at work
        self.changes = 0
        self.events: deque[EngineEvent] = deque(maxlen=MAX_EVENTS)
        self.name, self._engine = self._open_next("")

    @property
    def spec(self) -> ModelSpec:
        """Return the description of the network's inputs and outputs."""
        return self._engine.spec

    @property
    def warm_up_frames(self) -> int:
        """Return the number of frames after which the current engine has recorded its work, see `Capturing`."""
        return self._engine.warm_up_frames if isinstance(self._engine, Capturing) else 1

    def initial_state(self) -> State:
        """Return a state of zeros in new buffers."""
        if self._shadow_run:
            self._guard_build(self._shadow_run.restart)
        return self._engine.initial_state()

    def prefetch(self, image: Image) -> None:
        """Start the upload of the next frame, if the current engine can prefetch; callable from any thread.

        A failure is only logged here: `upload` then sends the frame, or fails in the thread of the session.
        """
        if isinstance(engine := self._engine, Prefetching):
            try:
                engine.prefetch(image)
            except Exception as error:  # noqa: BLE001  an engine's library may raise anything, here in the thread of the source
                _log.debug("a frame was not sent ahead: %s", error)

    def upload(self, image: Image) -> Array:
        """Copy a frame to the current engine's device."""
        return self._engine.upload(image)

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        """Run the network on the current engine, and on the one in its shadow run, see `Engine.infer`."""
        engine = self._engine
        logits, after = engine.infer(x, state)
        if engine is not self._engine:  # the call hung, another engine has taken over, and this answer is of no use
            return logits, after
        if (shadow_run := self._shadow_run) and shadow_run.verdict is None:
            x_on_host, logits_on_host = np.asarray(x), np.asarray(logits)
            self._guard_build(lambda: shadow_run.observe(x_on_host, logits_on_host))
        return logits, after

    def write(self, state: State, name: str, values: Floats) -> State:
        """Write values into a state of the current engine, and of the one in its shadow run, see `Engine.write`."""
        if shadow_run := self._shadow_run:
            self._guard_build(lambda: shadow_run.write(name, values))
        return self._engine.write(state, name, values)

    def upload_values(self, name: str, values: Floats) -> Array:
        """Copy per-frame values to the device, see `FrameBuffers`."""
        return frame_buffers_of(self._engine).upload_values(name, values)

    def retain(self, name: str, array: Array) -> Array:
        """Retain an array for later frames, see `FrameBuffers`."""
        return frame_buffers_of(self._engine).retain(name, array)

    def download(self, labels: Array) -> Labels:
        """Copy labels to the host."""
        return self._engine.download(labels)

    def device_ns(self) -> Mapping[str, int]:
        """Return the current engine's device times, see `DeviceTimer`; empty where it has none."""
        return self._engine.device_ns() if isinstance(self._engine, DeviceTimer) else {}

    def replace(self, error: Exception) -> None:
        """Replace the current engine with the next one that opens, see `Replaceable`. Raises RtsegError where none does."""
        fault, hung = _as_rtseg_error(error), isinstance(error, EngineTimeout)
        if hung and self._is_guarded:  # the other engine hung in its shadow run
            self._is_guarded = False
            return self._refuse_build(str(fault), hung=True)
        if not self._openers:
            raise fault from (None if fault is error else error)
        broken, left = self._engine, self.name
        try:
            self.name, self._engine = self._open_next(f"{left} {'hung' if hung else 'failed'}, {_without_remedy(fault, hung)}")
            self.changes += 1
        finally:
            if not hung:
                _close(broken, left)
        return None

    def take_over(self) -> bool:
        """Start or decide the shadow run of the engine that was built in the background, see `Replaceable`."""
        before = self._engine
        if self._background_build or self._shadow_run:
            self._guard_build(self._advance_build)
        return self._engine is not before

    def close(self) -> None:
        """Close every engine; closing twice is harmless."""
        self._openers.clear()
        if self._shadow_run:
            self._shadow_run.engine.close()
        if self._background_build:
            self._background_build.close()
        self._shadow_run = self._background_build = None
        if not is_hung(self):
            self._engine.close()

    def _open_next(self, reason: str) -> tuple[str, Engine]:
        """Open the next engine that can be opened; return its name and the engine. Raises the last one's error."""
        left = getattr(self, "name", "")
        while self._openers:
            name, opener = self._openers.popleft()
            try:
                opened = open_in_time(opener, name)
            except Exception as error:  # noqa: BLE001  a library's exceptions share no other parent
                fault, hung = _as_rtseg_error(error), isinstance(error, EngineTimeout)
                reason = "; ".join(filter(None, (reason, f"{name} cannot run, {_without_remedy(fault, hung)}")))
                self._check_openers(left, reason, fault, error)
                continue
            if isinstance(opened, BackgroundBuild):
                self._background_build = opened
                reason = "; ".join(filter(None, (reason, f"{name} is being built")))
                continue
            if reason:
                self._record_event(left, name, reason)
            return name, opened
        self._record_event(left, "", reason)
        raise EngineError(f"no engine can run meanwhile, {reason}: name another one, as in --engine tensorrt,openvino")

    def _check_openers(self, left: str, reason: str, fault: RtsegError, error: Exception) -> None:
        """Raise the fault of an engine that did not open, where no other one may be tried."""
        try:
            if isinstance(fault, EngineTimeout):
                check_hung_threads(fault)
            if not self._openers:
                raise fault from (None if fault is error else error)
        except RtsegError:
            self._record_event(left, "", reason)
            raise

    def _record_event(self, left: str, taken: str, reason: str) -> None:
        self.events.append(EngineEvent(left, taken, reason))
        afresh = ", and the memory starts afresh" if left else ""
        _log.warning("%s; %s", reason, f"{taken} goes on{afresh}" if taken else "no engine is left")

    def _guard_build(self, work: Callable[[], None]) -> None:
        """Do work for the engine that was built in the background; it is refused if it fails, and the current one stays."""
        self._is_guarded = True
        try:
            work()
        except Exception as error:  # noqa: BLE001  a fault of that engine must not count as one of the current engine
            self._refuse_build(str(_as_rtseg_error(error)))
        self._is_guarded = False

    def _advance_build(self) -> None:
        if self._background_build and not self._shadow_run and (engine := self._background_build.ready()):
            self._shadow_run = ShadowRun(engine)
        if self._shadow_run and self._shadow_run.verdict is not None:
            self._decide(self._shadow_run)

    def _decide(self, shadow_run: ShadowRun) -> None:
        if not shadow_run.verdict:
            return self._refuse_build(shadow_run.reason)
        left, old, build = self.name, self._engine, self._background_build
        self._background_build = self._shadow_run = None
        self._openers.appendleft((left, lambda: old))  # the replaced engine stays open for a failure
        self.name, self._engine, self.changes = build.name if build else left, shadow_run.engine, self.changes + 1
        self.events.append(EngineEvent(left, self.name, shadow_run.reason))
        _log.warning("%s takes over from %s (%s): the memory starts afresh", self.name, left, shadow_run.reason)
        if build:
            _accept(build)
        return None

    def _refuse_build(self, reason: str, *, hung: bool = False) -> None:
        build, shadow_run = self._background_build, self._shadow_run
        self._background_build = self._shadow_run = None
        if shadow_run and not hung:
            _close(shadow_run.engine, "the engine in its shadow run")
        if build:
            build.close()
            self.events.append(EngineEvent(build.name, self.name, reason))
            _log.error("%s is refused: %s; %s goes on", build.name, reason, self.name)


def _as_rtseg_error(error: Exception) -> RtsegError:
    """Return the error itself, or an EngineError with the type and text of an exception that is not rtseg's."""
    return error if isinstance(error, RtsegError) else EngineError(f"{type(error).__name__}: {error}")


def _without_remedy(fault: RtsegError, hung: bool) -> str:
    """Return the text of a fault; the remedy of a hang, another engine, is what happens."""
    return str(fault).partition(":")[0] if hung else str(fault)


def _close(broken: Engine, name: str) -> None:
    try:
        close_engine(broken)
    except Exception as error:  # noqa: BLE001  after a failure its library may be in any state, and the next engine goes on
        _log.warning("%s could not be closed: %s", name, _as_rtseg_error(error))


def _accept(build: BackgroundBuild) -> None:
    try:
        build.accept()
    except Exception as error:  # noqa: BLE001  a full disk is no reason to refuse the engine, which runs
        _log.warning("what %s built cannot be kept for the next run: %s", build.name, _as_rtseg_error(error))
