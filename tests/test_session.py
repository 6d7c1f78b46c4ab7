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
    """Bright on its left half; a dim line in the right one stands for anatomy, without which there is no contact."""
    image = np.zeros(shape, np.uint8)
    image[:, : shape[1] // 2] = value
    image[shape[0] // 3 :, shape[1] * 3 // 4 :][:, : shape[1] // 24] = 60
    return Frame(image, index, 0)


def _air(index: int, shape: tuple[int, int] = (64, 96)) -> Frame:
    image = np.zeros(shape, np.uint8)
    image[: shape[0] // 5] = 200
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
    assert list(trace.stages_ns) == ["sector", "lifecycle", "preprocess", "infer", "postprocess"]


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


class _Watched:
    """An engine that counts how often it runs, and whose answer is not a number, or doubtful, when asked."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self._engine, self.spec = engine, engine.spec
        self.initial_state, self.upload, self.download = engine.initial_state, engine.upload, engine.download
        self.runs, self.poisoned, self.doubtful = 0, False, False

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        self.runs += 1
        logits, after = self._engine.infer(x, state)
        if self.poisoned and np.any(state.now[0].data):
            logits = np.full_like(logits, np.nan)
        return logits * (0.1 if self.doubtful else 1), after

    def close(self) -> None:
        self._engine.close()


@pytest.fixture
def watched(engine: OpenVinoEngine) -> _Watched:
    return _Watched(engine)


def test_what_is_no_number_resets_the_memory(watched: _Watched, engine: OpenVinoEngine, caplog: pytest.LogCaptureFixture):
    session, watched.poisoned = Session(watched), True
    session.step(_frame(0))
    mended = session.step(_frame(1, 180))
    np.testing.assert_array_equal(mended.labels, Session(engine).step(_frame(1, 180)).labels)
    assert "memory starts afresh" in caplog.text
    assert session.counts.nonfinite == 1


def test_a_held_picture_keeps_its_mask_and_spares_the_engine(watched: _Watched):
    session = Session(watched)
    first = session.step(_frame(0))
    held = [session.step(_frame(index)) for index in range(1, 6)]
    assert watched.runs == 1
    assert all(one.labels is first.labels and one.life is Life.HELD for one in held)
    assert (held[0].confidence, held[0].reason) == (first.confidence, "the picture stands still")
    assert session.step(_frame(6, 180)).life is Life.LIVE
    assert watched.runs == 2


def test_without_contact_there_is_no_mask(watched: _Watched):
    session = Session(watched)
    session.step(_frame(0))
    lost = session.step(_air(1))
    assert (lost.life, lost.area_px("lumen"), lost.confidence) == (Life.LOST, 0, (0.0,))
    assert watched.runs == 1
    assert session.step(_frame(2)).area_px("lumen") > 0


def test_air_is_not_written_into_the_memory(engine: OpenVinoEngine):
    """A short loss of contact leaves the memory as it was; a long one is forgotten."""
    for without_contact, remembered in [(3, True), (30, False)]:
        session = Session(engine)
        session.step(_frame(0, 255))
        for index in range(1, 1 + without_contact):
            session.step(_air(index))
        again = session.step(_frame(1 + without_contact, 90))  # too dark to be seen alone
        assert (again.area_px("lumen") > 0) is remembered
        assert (again.life is Life.NEW) is not remembered


def test_what_is_doubtful_is_not_remembered(watched: _Watched, engine: OpenVinoEngine):
    session, other = Session(watched), Session(engine)
    session.step(_frame(0, 255))
    other.step(_frame(0, 255))
    watched.doubtful = True
    assert session.step(_frame(1, 110)).life is Life.LIVE
    watched.doubtful = False
    assert session.counts.gated == 1
    expected, found = other.step(_frame(2, 90)), session.step(_frame(2, 90))
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.confidence == expected.confidence


@pytest.mark.parametrize("event", ["cut", "size", "gap"])
def test_from_the_second_frame_on_it_is_as_a_fresh_session(engine: OpenVinoEngine, event: str):
    shape = (70, 96) if event == "size" else (64, 96)
    after = [Frame(_frame(0, 250 - 9 * k, shape).image, 99 + k if event == "gap" else 2 + k, 0) for k in range(4)]
    if event == "cut":
        after = [Frame(np.ascontiguousarray(frame.image[:, ::-1]), frame.index, 0) for frame in after]
    session, fresh = Session(engine), Session(engine)
    session.step(_frame(0))
    session.step(_frame(1, 180))
    lives = []
    for frame in after:
        ours, theirs = session.step(frame), fresh.step(frame)
        lives.append(ours.life)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        assert ours.confidence == theirs.confidence
    assert lives == [{"cut": Life.CUT, "size": Life.NEW, "gap": Life.GAP}[event], *[Life.LIVE] * 3]


def test_every_frame_is_counted_by_its_life(engine: OpenVinoEngine):
    session = Session(engine)
    session.warm_up(StreamInfo(64, 96, 25.0))
    for frame in [_frame(0), _frame(1), _frame(2, 180), _air(3), _frame(40, 150)]:
        session.step(frame)
    counts = session.counts
    assert (counts.new, counts.held, counts.live, counts.lost, counts.gap) == (1, 1, 1, 1, 1)
    assert (counts.cut, counts.nonfinite, counts.gated) == (0, 0, 0)


def test_a_network_of_two_logits(tmp_path: Path):
    described = networks.spec(states=(), single=())
    session = Session(load_engine(networks.stateless(tmp_path / "bare.onnx"), spec=described))
    assert session.step(_frame()).mask("lumen")[:, :40].all()


def test_only_the_largest_region_of_a_single_class_stays(tmp_path: Path):
    path = networks.recurrent(tmp_path / "single.onnx", networks.spec(single=("lumen",)))
    image = np.zeros((64, 96), np.uint8)
    image[:, :40] = image[:10, 80:] = 255
    image[30:, 60:64] = 60
    mask = Session(load_engine(path)).step(Frame(image, 0, 0)).mask("lumen")
    assert mask[:, :36].all()
    assert not mask[:, 60:].any()
