"""Plants failures in an engine at a given frame, and checks a stream in which they occur."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from rtseg.engines.failover.failover import FailoverEngine
from rtseg.errors import EngineError
from rtseg.frame import Frame
from rtseg.session.enhancement import Enhancement
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.session.stabilizer import TemporalOptions

COUNT, FAILED_AT = 60, 30


class LibraryError(Exception):
    """Stands for an exception that only the library of an engine knows."""


FAILURES: dict[str, tuple[str, Exception]] = {
    "upload": ("upload", EngineError("the copy failed")),
    "infer": ("infer", EngineError("the network is gone")),
    "late": ("download", EngineError("illegal memory access")),
    "plain": ("infer", RuntimeError("a plain\nfault")),
    "plain late": ("download", ValueError("a bad answer")),
    "memory": ("infer", MemoryError("there is no room")),
    "library": ("infer", LibraryError("code 7")),
}
KINDS = {
    "upload": "the copy failed",
    "infer": "the network is gone",
    "late": "illegal memory access",
    "plain": "RuntimeError: a plain fault",
    "plain late": "ValueError: a bad answer",
    "memory": "MemoryError: there is no room",
    "library": "LibraryError: code 7",
    "nan": "NaN or infinity, with a memory and without",
}  # the reason that the event gives


def plant(engine: Any, kind: str) -> None:
    """Make an engine fail from now on."""
    if kind == "nan":
        infer = engine.infer
        engine.infer = lambda x, state: (np.full_like(np.asarray(infer(x, state)[0]), np.nan), state)
        return
    method, error = FAILURES[kind]

    def failing(*arguments: Any) -> Any:
        raise error

    setattr(engine, method, failing)


def stream() -> list[Frame]:
    """Draw a bright rectangle that moves to and fro and darkens, so that memory and stabilization matter."""
    random, made = np.random.default_rng(3), []
    for index in range(COUNT):
        image = random.integers(0, 90, (40, 56), np.uint8)
        top = 4 + abs(index % 24 - 12)
        image[top : top + 16, 10:30] = 220 - index
        made.append(Frame(image, index, 0))
    return made


def check_failover(
    engine: FailoverEngine,
    planting: Callable[[], None],
    alone: Any,
    temporal: TemporalOptions | None,
    reason: str,
    enhancement: Enhancement | None = None,
) -> None:
    """Step a session through a stream with a failure, and compare it with a session that starts at that frame."""
    options: dict[str, Any] = {"temporal": temporal, "speckle": enhancement}
    session, frames = Session(engine, locator=WholeFrame(), **options), stream()
    found = [session.step(frame).labels.copy() for frame in frames[:FAILED_AT]]
    planting()
    found += [session.step(frame).labels.copy() for frame in frames[FAILED_AT:]]
    afresh = Session(alone, locator=WholeFrame(), **options)
    expected = [afresh.step(frame).labels for frame in frames[FAILED_AT:]]
    assert len(found) == COUNT
    assert session.counts.live == COUNT - 1, "each frame is classified once"
    assert session.counts.gated == 0
    (event,) = engine.events
    assert event.taken == engine.name
    assert event.reason.count("\n") == 0
    assert reason in event.reason
    for index, (own, other) in enumerate(zip(found[FAILED_AT:], expected, strict=True), FAILED_AT):
        np.testing.assert_array_equal(own, other, err_msg=f"frame {index}")
    assert any(labels.any() for labels in expected)
    engine.close()
    alone.close()


HANGING = ("infer", "upload", "download")  # the calls that hang


class Hang:
    """Makes a call of an engine block, once or for ever, until `release`; counts the calls that did."""

    def __init__(self, engine: Any, method: str, *, once: bool = False) -> None:
        self._released, self.calls = threading.Event(), 0
        original = getattr(engine, method)

        def hanging(*arguments: Any) -> Any:
            if not (once and self.calls):
                self.calls += 1
                self._released.wait()
            return original(*arguments)

        setattr(engine, method, hanging)

    def release(self) -> None:
        """Let every blocked call return."""
        self._released.set()
