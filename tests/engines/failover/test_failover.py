"""Tests failover between real engines."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest

from rtseg.engines.base import Engine
from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.load import load_engine
from rtseg.engines.onnx import OnnxEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import EngineError, ImageError, ModelError
from rtseg.frame import Frame
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session


def frames(count: int) -> list[Frame]:
    made = []
    for index in range(count):
        image = np.full((40, 56), 20, np.uint8)
        image[4 + index : 20 + index, 10:30] = 220 - 5 * index
        made.append(Frame(image, index, 0))
    return made


def session_of(engine: Engine) -> Session:
    return Session(engine, temporal=None, locator=WholeFrame())


def broken(engine: Any, problem: str = "the network is gone") -> None:
    def infer(x: Any, state: Any) -> Any:
        raise EngineError(problem)

    engine.infer = infer


def test_it_is_what_its_first_engine_is(tiny: Path) -> None:
    engine = load_engine(tiny, "openvino,onnx")
    assert (engine.spec, engine.name) == (networks.spec(), "openvino")  # type: ignore[attr-defined]
    alone = session_of(OpenVinoEngine(tiny))
    together = session_of(engine)
    for frame in frames(5):
        found, expected = together.step(frame), alone.step(frame)
        assert (found.labels == expected.labels).all()
        assert found.confidence == expected.confidence
    engine.close()
    engine.close()


def test_the_next_engine_answers_for_the_very_frame(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = load_engine(tiny, "openvino,onnx")
    assert isinstance(engine, FailoverEngine)
    session, stream = session_of(engine), frames(7)
    for frame in stream[:3]:
        session.step(frame)
    broken(engine._engine)
    found = [session.step(frame).labels for frame in stream[3:]]
    afresh = session_of(OnnxEngine(tiny))
    assert all((own == afresh.step(frame).labels).all() for own, frame in zip(found, stream[3:], strict=True))
    (event,) = engine.events
    assert (event.left, event.taken) == ("openvino", "onnx")
    assert "openvino failed, the network is gone; onnx goes on, and the memory starts afresh" in caplog.text
    engine.close()


def test_an_engine_raises_until_it_is_replaced(tiny: Path) -> None:
    engine = load_engine(tiny, "openvino,onnx")
    assert isinstance(engine, FailoverEngine)
    x = np.ones((1, 1, *networks.SIZE), np.float32)
    broken(engine._engine)
    with pytest.raises(EngineError, match="the network is gone") as raised:
        engine.infer(x, engine.initial_state())
    engine.replace(raised.value)
    logits, after = engine.infer(x, engine.initial_state())
    np.testing.assert_allclose(logits, 0.5)
    np.testing.assert_allclose(engine.infer(x, after)[0], 0.75)
    engine.close()


def test_when_no_engine_is_left_the_last_error_is_raised(tiny: Path) -> None:
    engine = load_engine(tiny, "openvino,onnx")
    session = session_of(engine)
    broken(engine._engine, "first")  # type: ignore[attr-defined]
    session.step(frames(1)[0])
    broken(engine._engine, "second")  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="second"):
        session.step(frames(2)[1])
    engine.close()


def test_nan_with_a_memory_and_without_is_the_engines_fault(tmp_path: Path) -> None:
    bad, good = networks.convolutional(tmp_path / "bad.onnx", answers_nan=True), networks.convolutional(tmp_path / "good.onnx")
    engine = FailoverEngine([("bad", lambda: OpenVinoEngine(bad)), ("good", lambda: OpenVinoEngine(good))])
    session, alone = session_of(engine), session_of(OpenVinoEngine(good))
    for frame in frames(3):
        assert (session.step(frame).labels == alone.step(frame).labels).all()
    assert [event.taken for event in engine.events] == ["good"]
    assert "NaN or infinity, with a memory and without" in engine.events[0].reason
    engine.close()


@pytest.mark.parametrize("alone", [False, True])
def test_nan_twice_without_another_engine_is_refused(tmp_path: Path, alone: bool) -> None:
    bad = networks.convolutional(tmp_path / "bad.onnx", answers_nan=True)
    session = session_of(OpenVinoEngine(bad) if alone else FailoverEngine([("bad", lambda: OpenVinoEngine(bad))]))
    with pytest.raises(EngineError, match="NaN or infinity, with a memory and without"):
        session.step(frames(1)[0])
    assert session.counts.nonfinite == 1


def test_what_cannot_be_opened_is_passed_over(tiny: Path, tmp_path: Path) -> None:
    def absent() -> Engine:
        raise ModelError("no such thing: make one")

    engine = FailoverEngine([("first", absent), ("second", lambda: OpenVinoEngine(tiny))])
    assert (engine.name, engine.events[0].reason) == ("second", "first cannot run, no such thing: make one")
    with pytest.raises(ModelError, match="no such thing"):
        FailoverEngine([("first", absent), ("second", absent)])
    engine.close()


def test_what_a_later_engine_cannot_open_is_told_with_what_failed(tiny: Path) -> None:
    def absent() -> Engine:
        raise ModelError("no such thing: make one")

    engine = FailoverEngine([("first", lambda: OpenVinoEngine(tiny)), ("second", absent)])
    session = session_of(engine)
    broken(engine._engine)
    with pytest.raises(ModelError, match="no such thing"):
        session.step(frames(1)[0])
    assert engine.events[0].reason == "first failed, the network is gone; second cannot run, no such thing: make one"
    engine.close()


def test_the_next_engine_may_fail_to_open_by_a_plain_exception(tiny: Path) -> None:
    def absent() -> Engine:
        raise MemoryError("no room\nfor it")

    engine = FailoverEngine([("first", absent), ("second", lambda: OpenVinoEngine(tiny)), ("third", absent)])
    assert (engine.name, engine.events[0].reason) == ("second", "first cannot run, MemoryError: no room for it")
    broken(engine._engine)
    with pytest.raises(EngineError, match="MemoryError: no room for it"):
        session_of(engine).step(frames(1)[0])
    engine.close()


def test_a_refused_frame_is_no_fault_of_the_engine(tiny: Path) -> None:
    engine = load_engine(tiny, "openvino,onnx")
    assert isinstance(engine, FailoverEngine)

    def upload(image: Any) -> Any:
        raise ImageError("this is no image")

    engine._engine.upload = upload  # type: ignore[method-assign]
    with pytest.raises(ImageError, match="no image"):
        session_of(engine).step(frames(1)[0])
    assert (engine.name, list(engine.events)) == ("openvino", [])
    engine.close()


def test_an_engine_that_cannot_be_closed_gives_way(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    def close() -> None:
        raise RuntimeError("the driver hangs")

    engine = load_engine(tiny, "openvino,onnx")
    assert isinstance(engine, FailoverEngine)
    broken(engine._engine)
    engine._engine.close = close  # type: ignore[method-assign]
    session_of(engine).step(frames(1)[0])
    assert engine.name == "onnx"
    assert "openvino could not be closed: RuntimeError: the driver hangs" in caplog.text
    engine.close()


class _Build:
    """Stands for a build whose engine fails in its shadow run, or whose plan cannot be stored."""

    name = "built"

    def __init__(self, engine: Any, problem: Exception | None = None) -> None:
        self.engine, self.problem = engine, problem

    def ready(self) -> Any:
        return self.engine

    def accept(self) -> None:
        if self.problem:
            raise self.problem

    def close(self) -> None: ...


@pytest.mark.parametrize("method", ["infer", "initial_state"])
def test_a_plain_exception_in_the_shadow_run_refuses_that_engine_alone(tiny: Path, method: str) -> None:
    other = OpenVinoEngine(tiny)

    def failing(*arguments: Any) -> Any:
        raise MemoryError("it is full")

    setattr(other, method, failing)
    engine = FailoverEngine([("built", lambda: _Build(other)), ("cpu", lambda: OpenVinoEngine(tiny))])
    session = session_of(engine)
    for frame in frames(4):
        session.step(frame)
    assert (engine.name, [event.left for event in engine.events]) == ("cpu", ["", "built"])
    assert engine.events[-1].reason == "MemoryError: it is full"
    engine.close()


def test_a_plan_that_cannot_be_stored_takes_over_all_the_same(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = OpenVinoEngine(tiny)
    engine = FailoverEngine([("built", lambda: _Build(other, OSError("disk full"))), ("cpu", lambda: OpenVinoEngine(tiny))])
    session = session_of(engine)
    for number, frame in enumerate(frames(8) * 8):
        session.step(replace(frame, index=number))
    assert (engine.name, engine._engine, len(engine.events)) == ("built", other, 2)
    assert "what built built cannot be kept for the next run: OSError: disk full" in caplog.text
    engine.close()


def test_a_build_without_an_engine_meanwhile_is_refused(tiny: Path) -> None:
    engine = FailoverEngine([("cpu", lambda: OpenVinoEngine(tiny)), ("built", lambda: _Build(None))])
    broken(engine._engine)
    with pytest.raises(EngineError, match="no engine can run meanwhile, cpu failed, the network is gone; built is being built"):
        session_of(engine).step(frames(1)[0])
    engine.close()


def test_an_unknown_engine_in_a_list(tiny: Path) -> None:
    with pytest.raises(
        ModelError,
        match="no engine 'tpu': choose auto, one of openvino, onnx, openvino-bf16, tensorrt, or several of these with",
    ):
        load_engine(tiny, "openvino,tpu")
