"""Records which engines are in use in this process: at one moment by one session, and not at all after they hung."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from weakref import WeakValueDictionary

from rtseg.engines.base import Engine
from rtseg.errors import ConfigError, EngineTimeout
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
_CLOSE_S = 5.0  # an engine that takes longer to close is left to the end of the process


class EngineUse:
    """Holds the use of one engine by all sessions of this process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine  # so that its id stays its own
        self._lock = Lock()
        self._problem: EngineTimeout | None = None

    @property
    def is_hung(self) -> bool:
        """Return whether a call did not return and nothing replaced the engine."""
        return self._problem is not None

    def claim(self) -> None:
        """Claim the engine for one frame, until `release`.

        Raises ConfigError where another session is using it, and EngineTimeout where it hung.
        """
        if not self._lock.acquire(blocking=False):
            raise ConfigError(
                f"the engine of {self.engine.spec.name!r} is used by two sessions at once, which would mix their memories: "
                f"load an engine for each session, or take one for each from rtseg.engines.engine_pool.EnginePool"
            )
        if self._problem is not None:
            self._lock.release()
            raise EngineTimeout(f"the engine of {self.engine.spec.name!r} hung before ({self._problem}): load it again")

    def release(self) -> None:
        """Release the engine for other sessions."""
        self._lock.release()

    def hung(self, problem: EngineTimeout) -> None:
        """Record that a call did not return, and that the engine must neither be called nor closed."""
        self._problem = problem
        _hung.append(self)


_uses: "WeakValueDictionary[int, EngineUse]" = WeakValueDictionary()
_hung: list[EngineUse] = []  # kept, since the engines are still in use by threads that hang
_uses_lock = Lock()


def use_of(engine: Engine) -> EngineUse:
    """Return the use of an engine, the same one for all sessions."""
    with _uses_lock:
        use = _uses.get(id(engine))
        if use is None:
            _uses[id(engine)] = use = EngineUse(engine)
        return use


def is_hung(engine: Engine) -> bool:
    """Return whether a call to an engine hangs, so that it must not be closed."""
    use = _uses.get(id(engine))
    return use is not None and use.engine is engine and use.is_hung


def close_engine(engine: Engine) -> None:
    """Close an engine, unless a call to it hangs; where closing it hangs, the engine is left. Raises what `close` raises."""
    errors: list[BaseException] = []

    def close() -> None:
        try:
            engine.close()
        except BaseException as error:  # noqa: BLE001  raised again in the calling thread
            errors.append(error)

    if is_hung(engine):
        return
    thread = Thread(target=close, name="rtseg-engine-close", daemon=True)
    thread.start()
    thread.join(_CLOSE_S)
    if thread.is_alive():
        _log.warning("the engine of %r did not close within %g s: it is left open", engine.spec.name, _CLOSE_S)
    for error in errors:
        raise error


@contextmanager
def closing_engine(engine: Engine) -> Iterator[Engine]:
    """Close an engine at the end of the block by `close_engine`."""
    try:
        yield engine
    finally:
        close_engine(engine)
