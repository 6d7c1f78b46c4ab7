"""Tests failover between real engines."""

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
from rtseg.errors import EngineError, ModelError
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


def test_a_state_of_the_engine_before_is_the_memory_of_nothing(tiny: Path) -> None:
    engine = load_engine(tiny, "openvino,onnx")
    x = np.ones((1, 1, *networks.SIZE), np.float32)
    _, state = engine.infer(x, engine.initial_state())
    broken(engine._engine)  # type: ignore[attr-defined]
    logits, after = engine.infer(x, state)
    np.testing.assert_allclose(logits, 0.5)
    np.testing.assert_allclose(engine.infer(x, state)[0].copy(), 0.5, err_msg="it may be used again")
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


def test_nan_without_another_engine_is_left_to_the_session(tmp_path: Path) -> None:
    bad = networks.convolutional(tmp_path / "bad.onnx", answers_nan=True)
    session = session_of(FailoverEngine([("bad", lambda: OpenVinoEngine(bad))]))
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


def test_its_arrays_have_a_shape_and_a_dtype(tiny: Path) -> None:
    engine = load_engine(tiny, "openvino,onnx")
    up = engine.upload(frames(1)[0].image)
    assert (up.shape, up.dtype) == ((40, 56), np.uint8)
    engine.close()


def test_an_unknown_engine_in_a_list(tiny: Path) -> None:
    with pytest.raises(
        ModelError, match="no engine 'tpu': choose one of openvino, onnx, openvino-bf16, tensorrt, or several with commas"
    ):
        load_engine(tiny, "openvino,tpu")
