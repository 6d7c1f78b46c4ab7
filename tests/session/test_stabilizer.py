"""Test the temporal stabilization of masks: the effect of each option."""

import networks
import numpy as np
import pytest

from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life
from rtseg.kernels.network.fit import letterbox
from rtseg.session.session import Session
from rtseg.session.stabilizer import Stabilizer, TemporalOptions
from rtseg.sources.synthetic import open_synthetic
from rtseg.trace import LatencyTrace

FIT = letterbox((0, 0, 64, 96), (64, 96))
PROBE = open_synthetic("vessel?height=64&width=96&seed=2&drift_mm=0")


def _frame(index=0):
    return Frame(PROBE.image(index), index, 0)


def _logits(value, classes=1):
    return np.full((1, classes, 32, 48), value, np.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothing": 1.0}, "from 0 to 0.95"),
        ({"smoothing": -0.1}, "from 0 to 0.95"),
        ({"smoothing": float("nan")}, "from 0 to 0.95"),
        ({"hysteresis": -1}, "from 0 on"),
        ({"every": 0}, "cannot run every 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ConfigError, match=message):
        TemporalOptions(**options)


def test_the_defaults_change_nothing():
    temporal = Stabilizer(TemporalOptions())
    for value in (1.0, -1.0, 0.5):
        np.testing.assert_array_equal(temporal.stabilize(_logits(value), _frame(), FIT), _logits(value))
        assert temporal.is_due(Life.LIVE)


def test_smoothing_is_full_where_the_picture_stands():
    temporal = Stabilizer(TemporalOptions(smoothing=0.75))
    temporal.stabilize(_logits(2.0), _frame(), FIT)
    mixed = temporal.stabilize(_logits(-2.0), _frame(), FIT)
    strong, weak = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))
    expected = 0.75 * strong + 0.25 * weak
    np.testing.assert_allclose(mixed, np.log(expected / (1 - expected)), rtol=1e-4)


def test_smoothing_ends_where_the_picture_moves():
    temporal = Stabilizer(TemporalOptions(smoothing=0.75))
    temporal.stabilize(_logits(2.0), _frame(), FIT)
    moved = Frame(np.ascontiguousarray(_frame().image[::-1]), 1, 0)
    np.testing.assert_allclose(temporal.stabilize(_logits(-2.0), moved, FIT), -2.0, atol=1e-3)


def test_smoothing_of_several_classes_keeps_the_winner():
    temporal = Stabilizer(TemporalOptions(smoothing=0.5))
    logits = _logits(0.0, 3)
    logits[:, 2] = 4
    temporal.stabilize(logits, _frame(), FIT)
    flipped = _logits(0.0, 3)
    flipped[:, 1] = 0.5
    assert (temporal.stabilize(flipped, _frame(), FIT).argmax(1) == 2).all()


@pytest.mark.parametrize("classes", [1, 3])
def test_hysteresis_holds_a_class_against_a_hair(classes):
    def answer(sure):
        logits = _logits(0.0, classes)
        logits[:, -1] = sure
        return logits

    temporal = Stabilizer(TemporalOptions(hysteresis=0.5))
    temporal.stabilize(answer(1.0), _frame(), FIT)
    held = temporal.stabilize(answer(-0.4), _frame(), FIT)
    beaten = temporal.stabilize(answer(-0.7), _frame(), FIT)

    def wins(logits):
        return logits[:, -1] > (logits[:, 0] if classes > 1 else 0)

    assert wins(held).all()
    assert not wins(beaten).any()


def test_an_answer_is_carried_along_the_motion():
    """A three frames old mask of a moving vessel fits better after warping than without."""
    probe = open_synthetic("vessel?height=240&width=320&seed=2&drift_mm=9&fps=25")
    fit = letterbox((0, 0, 240, 320), (240, 320))
    kept, carried = [], []
    for start in (0, 10, 20):
        temporal = Stabilizer(TemporalOptions(every=4))
        before, truth = probe.truth(start) > 0, probe.truth(start + 3) > 0
        temporal.stabilize(np.where(before, 4, -4).astype(np.float32)[None, None], Frame(probe.image(start), 0, 0), fit)
        now = temporal.warp_previous(Frame(probe.image(start + 3), 3, 0), fit)[0, 0] > 0
        kept.append((before != truth).sum())
        carried.append((now != truth).sum())
    assert sum(carried) < 0.7 * sum(kept)


def test_the_engine_runs_on_each_nth_frame_and_on_every_new_scene():
    temporal = Stabilizer(TemporalOptions(every=3))
    due = []
    for life in [Life.NEW, *[Life.LIVE] * 5, Life.CUT, Life.LIVE]:
        due.append(temporal.is_due(life))
        if due[-1]:
            temporal.stabilize(_logits(1.0), _frame(), FIT)
    assert due == [True, False, False, True, False, False, True, False]


def test_nothing_can_be_carried_before_the_first_answer():
    with pytest.raises(ConfigError, match="where is_due says so"):
        Stabilizer(TemporalOptions(every=2)).warp_previous(_frame(), FIT)


def test_forgetting_leaves_no_past():
    temporal = Stabilizer(TemporalOptions(smoothing=0.9, hysteresis=3))
    temporal.stabilize(_logits(2.0), _frame(), FIT)
    temporal.forget()
    np.testing.assert_array_equal(temporal.stabilize(_logits(-1.0), _frame(), FIT), _logits(-1.0))


@pytest.fixture
def engine(tmp_path):
    made = load_engine(networks.stateless(tmp_path / "bare.onnx"), spec=networks.spec(states=(), single=()))
    yield made
    made.close()


def test_a_session_skips_frames(engine):
    session = Session(engine, temporal=TemporalOptions(every=2))
    traces = [LatencyTrace(0) for _ in range(4)]
    found = [session.step(_frame(index), traces[index]) for index in range(4)]
    assert ["infer" in trace.stages_ns for trace in traces] == [True, False, True, False]
    assert found[1].reason == "carried from the frame before"
    assert found[1].life is Life.LIVE
    assert found[1].area_px("lumen") == pytest.approx(found[0].area_px("lumen"), rel=0.1)


def test_a_session_smooths_and_a_reset_forgets(engine):
    plain, smooth = Session(engine, temporal=None), Session(engine, temporal=TemporalOptions(smoothing=0.9, flow=True))
    same = [(plain.step(_frame(index)), smooth.step(_frame(index))) for index in range(3)]
    np.testing.assert_array_equal(same[0][0].labels, same[0][1].labels)
    assert (same[2][0].labels != same[2][1].labels).any()
    smooth.reset("next")
    np.testing.assert_array_equal(smooth.step(_frame(2)).labels, same[2][0].labels)
