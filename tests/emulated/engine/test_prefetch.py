"""Tests that the capture thread uploads the next frame while the emulated GPU processes the current one."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated.driver.device import EmulatedGpu
from emulated.engine import plans
from emulated.engine.streams import ORDERS, alike, frames, segmented

from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

LONGEST_S = 60


class Paired:
    """Provides a live source that yields a frame as soon as the engine has started on the previous one, and not sooner."""

    info = StreamInfo(40, 56, 25.0, live=True)

    def __init__(self, stream: list[Frame], engine: Any) -> None:
        self._stream, self._infer = stream, engine.infer
        self._wanted, self._there = threading.Semaphore(0), threading.Semaphore(0)
        engine.infer = self._infer_and_give

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._stream:
            assert self._wanted.acquire(timeout=LONGEST_S)
            yield frame
            self._there.release()  # the frame has been taken by now
        self._there.release()

    def close(self) -> None:
        self._wanted.release()

    def _infer_and_give(self, x: Any, state: Any) -> Any:
        answer = self._infer(x, state)  # enqueued; the host has not synchronized
        self._wanted.release()
        assert self._there.acquire(timeout=LONGEST_S)
        return answer


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch, gpu: EmulatedGpu) -> list[bool]:
    """Return a list that records for each taken frame whether it was prefetched."""
    from rtseg.engines.tensorrt.buffers import UploadRing
    from rtseg.engines.tensorrt.engine import TensorRtEngine

    monkeypatch.setattr(TensorRtEngine, "warm_up_frames", 1)  # `Paired` gives a frame for each call of infer
    taken, take = list[bool](), UploadRing.take

    def told(self: Any, image: Any) -> Any:
        taken.append(bool(self._prefetched and self._prefetched[0] is image))
        return take(self, image)

    monkeypatch.setattr(UploadRing, "take", told)
    return taken


def piped(source: Any, engine: Any) -> list[np.ndarray]:
    session = Session(engine, temporal=None, locator=WholeFrame())
    return [result.segmentation.labels.copy() for result in Pipeline(source, session, keep_surroundings=True)]


@pytest.mark.parametrize("late", ORDERS)
@pytest.mark.parametrize("kind", ["alone", "failover"])
def test_every_frame_of_a_live_source_is_sent_ahead_and_right(
    gpu: EmulatedGpu, tiny: Path, ahead: list[bool], late: int, kind: str
) -> None:
    gpu.defer_streams(late)
    own = plans.engine_of(tiny)
    engine = own if kind == "alone" else FailoverEngine([("tensorrt", lambda: own)])
    stream = frames(7)
    found = piped(Paired(stream, own), engine)
    assert alike(found, segmented(OpenVinoEngine(tiny), stream))
    assert ahead == [False] + 7 * [True], "the first is the warm-up's blank one"
    engine.close()
    assert gpu.in_use() == (0, 0, 0, 0)
    assert not gpu.is_broken()


def test_a_frame_that_cannot_be_sent_ahead_is_no_frame_lost(gpu: EmulatedGpu, tiny: Path) -> None:
    own = plans.engine_of(tiny)
    engine = FailoverEngine([("tensorrt", lambda: own), ("openvino", lambda: OpenVinoEngine(tiny))])
    session, stream = Session(engine, temporal=None, locator=WholeFrame()), frames(6)
    found = [session.step(frame).labels for frame in stream[:3]]
    gpu.break_after(0)
    for frame in stream[3:]:
        session.expect(frame)
        found.append(session.step(frame).labels)
    cpu = OpenVinoEngine(tiny)
    assert alike(found[:3], segmented(cpu, stream[:3]))
    assert alike(found[3:], segmented(cpu, stream[3:]))
    assert engine.name == "openvino"
    engine.close()


def test_closing_waits_for_a_frame_that_is_being_sent_ahead(gpu: EmulatedGpu, tiny: Path) -> None:
    engine, ended = plans.engine_of(tiny), threading.Event()
    engine.upload(frames(1)[0].image)

    def send() -> None:
        while not ended.is_set():
            engine.prefetch(np.zeros((40, 56), np.uint8))

    thread = threading.Thread(target=send)
    thread.start()
    engine.close()
    ended.set()
    thread.join(LONGEST_S)
    assert not thread.is_alive()
    assert gpu.in_use() == (0, 0, 0, 0)
    assert not gpu.is_broken()
