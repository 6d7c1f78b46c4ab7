"""Detects engine calls that do not return: the work on a frame runs in a thread that can be abandoned.

No thread can be stopped from outside while it hangs in a library. So the session's thread hands each frame to a worker thread
and blocks until the answer; it abandons a worker whose engine call lasts too long. All calls to an engine come from one worker,
as CUDA contexts and the libraries' own thread pools prefer. A library that hangs while it holds the GIL stops the process.
"""

from collections.abc import Callable, Mapping
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import Any, TypeVar
from weakref import finalize

from rtseg.engines.base import Array, Engine, Floats, ModelSpec, State
from rtseg.engines.capabilities import DeviceTimer, Replaceable, frame_buffers_of
from rtseg.engines.hung_threads import OPEN_TIMEOUT_S, abandon
from rtseg.errors import ConfigError, EngineTimeout
from rtseg.frame import Image, Labels

T = TypeVar("T")

LIVE_TIMEOUT_S = 1.0  # of one engine call on a live source
FILE_TIMEOUT_S = 10.0  # on a file, where nobody watches, and for the warm-up
MIN_TIMEOUT_S, MAX_TIMEOUT_S = 0.05, 3600.0
_MIN_TICKS = 4  # in the time of a call; a process that was stopped meanwhile, as by Ctrl-Z, sees only one of them pass
_MAX_TICK_S = 0.5  # on Windows, Ctrl-C gets through between two ticks only
_POLL_S = 0.01
_INTERRUPTED_S = 1.0  # that a call has left to return after Ctrl-C, so that its engine can be closed
_OPENING = "take_over"  # the call that may open an engine, which has a limit of its own


class WatchedEngine:
    """Passes calls on to an engine and records which one is running; after `abandon` it passes on none and raises."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._timer = engine if isinstance(engine, DeviceTimer) else None
        self._replaceable = engine if isinstance(engine, Replaceable) else None
        self._buffers = frame_buffers_of(engine)
        self._calls, self._is_abandoned = 0, False
        self._changes = self._replaceable.changes if self._replaceable else 0
        self.running = 0  # the number of the running call; 0 between two calls
        self.running_name = ""  # its name

    @property
    def spec(self) -> ModelSpec:
        """Return the description of the network's inputs and outputs."""
        return self._engine.spec

    def initial_state(self) -> State:
        """Return a state of zeros in new buffers."""
        return self._watch("initial_state", self._engine.initial_state)

    def upload(self, image: Image) -> Array:
        """Copy a frame's pixels to the device."""
        return self._watch("upload", self._engine.upload, image)

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        """Run the network, see `Engine.infer`."""
        return self._watch("infer", self._engine.infer, x, state)

    def write(self, state: State, name: str, values: Floats) -> State:
        """Write values into a state, see `Engine.write`."""
        return self._watch("write", self._engine.write, state, name, values)

    def download(self, labels: Array) -> Labels:
        """Copy labels to the host."""
        return self._watch("download", self._engine.download, labels)

    def upload_values(self, name: str, values: Floats) -> Array:
        """Copy per-frame values to the device, see `FrameBuffers`."""
        return self._watch("upload_values", self._buffers.upload_values, name, values)

    def retain(self, name: str, array: Array) -> Array:
        """Retain an array for later frames, see `FrameBuffers`."""
        return self._watch("retain", self._buffers.retain, name, array)

    def device_ns(self) -> Mapping[str, int]:
        """Return the newest frame's device times, see `DeviceTimer`; empty for an engine without them."""
        return self._watch("device_ns", self._timer.device_ns) if self._timer else {}

    def take_over(self) -> bool:
        """Let a better engine take over between two frames; return whether any change voided earlier states and arrays."""
        if self._replaceable is None:
            return False
        self._watch("take_over", self._replaceable.take_over)
        before, self._changes = self._changes, self._replaceable.changes
        return self._changes != before

    def close(self) -> None:
        """Do nothing, since the engine belongs to whoever opened it."""

    def abandon(self) -> None:
        """Let the running call, and each later one, end with EngineTimeout: another engine has taken over."""
        self._is_abandoned = True

    def _watch(self, name: str, call: Callable[..., T], *arguments: Any) -> T:
        if self._is_abandoned:
            raise EngineTimeout("the engine was given up")
        self._calls += 1
        self.running_name, self.running = name, self._calls
        try:
            answer = call(*arguments)
        finally:
            self.running = 0
        if self._is_abandoned:
            raise EngineTimeout("the engine was given up")
        return answer


class EngineWorker:
    """Runs the work on frames in a thread of its own, which starts with the first one and is abandoned when a call hangs.

    watched: the engine that the work calls. The thread ends with `close`, or when the worker is deleted.
    """

    def __init__(self, watched: WatchedEngine) -> None:
        self._watched = watched
        self._thread: Thread | None = None
        self._finalizer: Any = None

    def run(self, work: Callable[[], T], timeout_s: float) -> T:
        """Run the work and return its result, or raise its exception.

        Raises EngineTimeout where one engine call lasts longer than `timeout_s`, and at most a half more.
        """
        if self._thread is None or not self._thread.is_alive():  # it is not alive in a process that was forked
            self._start()
        context, ended = copy_context(), list[bool]()  # with such settings as NumPy's handling of errors
        self._tasks.put((lambda: context.run(work), ended))
        try:
            result, error = self._await(timeout_s)
        except EngineTimeout:
            self._abandon()
            raise
        except BaseException:  # Ctrl-C: the call in progress still uses the engine
            self._settle(ended)
            raise
        if error is None:
            return result  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error  # it refers to this frame by its traceback

    def close(self) -> None:
        """End the thread; the next `run` starts another one."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._finalizer()
            thread.join(_INTERRUPTED_S)

    def _start(self) -> None:
        self._tasks, self._answers = SimpleQueue[Any](), SimpleQueue[Any]()
        self._thread = Thread(target=_serve, args=(self._tasks, self._answers), name="rtseg-engine", daemon=True)
        self._finalizer = finalize(self, self._tasks.put, None)
        self._finalizer.atexit = False
        self._thread.start()

    def _await(self, timeout_s: float) -> Any:
        """Return the answer. Raises EngineTimeout where the same call is running at every tick of `timeout_s`."""
        tick_s = min(timeout_s / _MIN_TICKS, _MAX_TICK_S)
        seen, ticks = 0, 0
        while True:
            try:
                return self._answers.get(timeout=tick_s)
            except Empty:
                running, name = self._watched.running, self._watched.running_name
            ticks = ticks + 1 if running and running == seen else 0
            seen = running
            limit_s = max(timeout_s, OPEN_TIMEOUT_S) if name == _OPENING else timeout_s
            if ticks * tick_s >= limit_s:
                raise EngineTimeout(
                    f"{name} did not return within {limit_s:g} s: name another engine to go on with, as in "
                    f"--engine openvino,onnx, or allow more by --engine-timeout"
                )

    def _settle(self, ended: list[bool]) -> None:
        """Let the interrupted work end, or abandon it; in either case the next `run` starts another thread."""
        try:
            ends = monotonic() + _INTERRUPTED_S
            while not ended and monotonic() < ends:
                sleep(_POLL_S)
        finally:
            if ended:
                self.close()  # its answer may be taken or not
            else:
                self._abandon()

    def _abandon(self) -> None:
        thread, self._thread = self._thread, None
        self._watched.abandon()
        self._finalizer()  # where the call returns after all, the thread ends
        if thread is not None:
            abandon(thread)


def check_timeout(seconds: float | None) -> float | None:
    """Return the limit of an engine call in seconds: None for the default, 0 for none. Raises ConfigError."""
    if seconds is not None and seconds != 0 and not MIN_TIMEOUT_S <= seconds <= MAX_TIMEOUT_S:
        raise ConfigError(
            f"an engine timeout of {seconds:g} s is out of range: give {MIN_TIMEOUT_S:g} to {MAX_TIMEOUT_S:g} s, or 0 for none"
        )
    return seconds


def _serve(tasks: "SimpleQueue[Any]", answers: "SimpleQueue[Any]") -> None:
    """Run tasks until None arrives. It refers to nothing between two tasks, so that no frame is kept alive."""
    while (task := tasks.get()) is not None:
        work, ended = task
        answer: tuple[Any, BaseException | None]
        try:
            answer = work(), None
        except BaseException as error:  # noqa: BLE001  raised again in the thread of the session
            answer = None, error
        ended.append(True)
        answers.put(answer)
        del task, work, answer
