"""Gives each of several sessions an engine of its own, on one compiled network where the engine allows that."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rtseg.engines.base import Engine
from rtseg.engines.capabilities import Shareable
from rtseg.engines.engine_use import close_engine


class EnginePool:
    """Hands out engines of one model, each for one session; they may run at the same time.

    load: opens the model. It is called once for engines that are `Shareable`, and once for each session for all others, such as
    those that fail over to another engine. Take the engines in one thread.
    """

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._load = load
        self._resources = ExitStack()
        self._first: Engine | None = None

    def take(self) -> Engine:
        """Return an engine that nobody else has; `close` closes it. Raises what `load` raises, and EngineError."""
        engine = self._first.share() if isinstance(self._first, Shareable) else self._load()
        self._resources.callback(close_engine, engine)
        self._first = self._first or engine
        return engine

    def close(self) -> None:
        """Close all engines that were handed out, except where a call to one hangs; closing twice is harmless."""
        self._first = None
        self._resources.close()


@contextmanager
def closing_pool(load: Callable[[], Engine]) -> Iterator[EnginePool]:
    """Close all engines of a pool at the end of the block."""
    pool = EnginePool(load)
    try:
        yield pool
    finally:
        pool.close()
