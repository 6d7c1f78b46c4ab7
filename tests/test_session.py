"""The session: frames in, labels out, and a memory that it keeps and resets."""

from collections.abc import Iterator
from pathlib import Path

import networks
import numpy as np
import pytest

from rtseg.engines.base import Array, State
from rtseg.engines.load import load_engine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame, Life, StreamInfo
from rtseg.session import Session
from rtseg.trace import LatencyTrace


@pytest.fixture
def engine(tiny: Path) -> Iterator[OpenVinoEngine]:
    made = OpenVinoEngine(tiny)
    yield made
    made.close()


def _frame(index: int = 0, value: int = 200, shape: tuple[int, ...] = (64, 96)) -> Frame:
    """Bright on its left half."""
    image = np.zeros(shape, np.uint8)
    image[:, : shape[1] // 2] = value
    return Frame(image, index, 0)


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 3), (33, 50), (20, 200)])
def test_labels_are_in_the_frame_s_coordinates(engine: OpenVinoEngine, shape: tuple[int, ...]):
    mask = Session(engine).step(_frame(shape=shape)).mask("lumen")
    assert mask.shape == shape[:2]
    assert mask[:, : shape[1] // 2 - 4].all()
    assert not mask[:, shape[1] // 2 + 4 :].any()


def test_confidence_and_spacing(engine: OpenVinoEngine):
    segmentation = Session(engine, spacing_mm=(0.1, 0.2)).step(_frame())
    assert 0.5 < segmentation.confidence[0] <= 1
    assert segmentation.area_mm2("lumen") == pytest.approx(segmentation.area_px("lumen") * 0.02)


def test_the_memory_carries_on_and_is_forgotten(engine: OpenVinoEngine):
    session = Session(engine)
    session.step(_frame(0, value=255))
    remembered = session.step(_frame(1, value=90))  # too dark to be seen alone
    assert remembered.life is Life.LIVE
    assert remembered.area_px("lumen") > 0
    session.reset("next patient")
    forgotten = session.step(_frame(2, value=90))
    assert (forgotten.life, forgotten.reason) == (Life.NEW, "next patient")
    assert forgotten.area_px("lumen") == 0


def test_a_change_of_size_resets(engine: OpenVinoEngine):
    session = Session(engine)
    session.step(_frame(0, value=255))
    changed = session.step(_frame(1, value=90, shape=(66, 96)))
    assert changed.life is Life.NEW
    assert changed.area_px("lumen") == 0


def test_every_stage_is_timed(engine: OpenVinoEngine):
    trace = LatencyTrace(0)
    Session(engine).step(_frame(), trace)
    assert list(trace.stages_ns) == ["lifecycle", "preprocess", "infer", "postprocess"]


def test_warm_up_leaves_no_memory(engine: OpenVinoEngine):
    session, cold = Session(engine), Session(engine)
    session.warm_up(StreamInfo(64, 96, 25.0))
    warm = session.step(_frame())
    np.testing.assert_array_equal(warm.labels, cold.step(_frame()).labels)
    assert (warm.life, warm.reason) == (Life.NEW, "first frame")


def test_engines_agree(tiny: Path):
    labels = []
    for name in ("openvino", "onnx"):
        session = Session(load_engine(tiny, name))
        labels.append([session.step(_frame(index, value=80 + 20 * index)).labels for index in range(6)])
    np.testing.assert_array_equal(*labels)


class _Poisoned:
    """An engine whose answer is not a number as long as its memory holds more than zeros."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self._engine, self.spec = engine, engine.spec
        self.initial_state, self.upload, self.download = engine.initial_state, engine.upload, engine.download

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        logits, after = self._engine.infer(x, state)
        fresh = not np.any(state.now[0].data)
        return (logits if fresh else np.full_like(logits, np.nan)), after

    def close(self) -> None:
        self._engine.close()


def test_what_is_no_number_resets_the_memory(engine: OpenVinoEngine, caplog: pytest.LogCaptureFixture):
    session = Session(_Poisoned(engine))
    session.step(_frame(0))
    mended = session.step(_frame(1))
    np.testing.assert_array_equal(mended.labels, Session(engine).step(_frame(1)).labels)
    assert "memory starts afresh" in caplog.text


def test_a_network_of_two_logits(tmp_path: Path):
    described = networks.spec(states=(), single=())
    session = Session(load_engine(networks.stateless(tmp_path / "bare.onnx"), spec=described))
    assert session.step(_frame()).mask("lumen")[:, :40].all()


def test_only_the_largest_region_of_a_single_class_stays(tmp_path: Path):
    path = networks.recurrent(tmp_path / "single.onnx", networks.spec(single=("lumen",)))
    image = np.zeros((64, 96), np.uint8)
    image[:, :40] = image[:10, 80:] = 255
    mask = Session(load_engine(path)).step(Frame(image, 0, 0)).mask("lumen")
    assert mask[:, :36].all()
    assert not mask[:, 60:].any()
