"""Tests that the gate accepts engines of equal accuracy and refuses others with the reason."""

import json
import re

import cv2
import networks
import numpy as np
import pytest

from rtseg.engines.base import StateSpec
from rtseg.engines.load import load_engine
from rtseg.errors import GateRefusal
from rtseg.evaluation.dataset import open_dataset
from rtseg.evaluation.evaluate import evaluate
from rtseg.evaluation.gate import ENDURANCE_FRAMES, MAX_CLIP_FRAMES, run_gate
from rtseg.session.session import Session


class AlteredEngine:
    """Wraps an engine and alters its logits by a function of the logits and the number of the step."""

    def __init__(self, engine, change):
        self._engine, self._change, self.steps = engine, change, 0
        self.spec, self.upload, self.download = engine.spec, engine.upload, engine.download
        self.initial_state, self.close = engine.initial_state, engine.close

    def infer(self, x, state):
        logits, state = self._engine.infer(x, state)
        self.steps += 1
        return self._change(logits, self.steps).astype(np.float32), state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write two scans of a moving bright square with an exact mask, beside a smaller one that is not the lumen."""
    path = tmp_path_factory.mktemp("data")
    for kind in ("images", "masks"):
        (path / kind).mkdir()
    for scan, frames in enumerate((3, 5)):
        for frame in range(frames):
            image = np.full((64, 96), 20, np.uint8)
            image[10 + frame : 40 + frame, 20:60] = 230
            mask = (image > 128).astype(np.uint8)
            image[50:62, 70:94] = 230
            name = f"scan{scan:02d}_frame{frame:05d}.png"
            cv2.imwrite(str(path / "images" / name), image)
            cv2.imwrite(str(path / "masks" / name), mask)
    return path


@pytest.fixture(scope="module")
def fp32(tmp_path_factory):
    bare = networks.undescribed(networks.convolutional(tmp_path_factory.mktemp("net") / "net.onnx"))
    engine = load_engine(bare, spec=networks.spec(states=(StateSpec("h_in", "h_out", ()),), single=("lumen",)))
    yield engine
    engine.close()


def run_altered(fp32, folder, change=lambda logits, steps: logits, **options):
    return run_gate(fp32, AlteredEngine(fp32, change), open_dataset(folder), model="fast.onnx", **options)


def test_an_engine_is_as_good_as_itself(fp32, folder):
    report = run_altered(fp32, folder)
    report.check()
    (lumen,) = report.classes
    assert (lumen.loss, lumen.between, lumen.lowest, lumen.images) == (0, 1, 1, 8)
    assert (report.drift, report.nonfinite, report.steps) == (0, (0, 0), 8 + ENDURANCE_FRAMES)


def test_its_figures_are_those_of_the_evaluation(fp32, folder):
    evaluated = evaluate(Session(fp32, temporal=None), folder, model="net").to_json()
    (lumen,) = run_altered(fp32, folder).classes
    assert lumen.fp32 == pytest.approx(evaluated["classes"]["lumen"]["dice"]["mean"])
    assert 0.8 < lumen.fp32 < 1


def test_a_loss_of_dice_is_refused_with_its_figures(fp32, folder):
    report = run_altered(fp32, folder, lambda logits, _: logits - 1)
    (lumen,) = report.classes
    assert lumen.fp32 - lumen.fast == lumen.loss > 0.005
    assert lumen.lowest < lumen.between < 1
    with pytest.raises(GateRefusal) as refusal:
        report.check()
    figures = f"falls from {lumen.fp32:.4f} to {lumen.fast:.4f}, by {lumen.loss:.4f}, and 0.005 is allowed"
    assert str(refusal.value).startswith(f"fast.onnx is refused: the Dice of 'lumen' {figures}. Calibrate on more")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_answer_that_is_not_finite_is_enough(fp32, folder, value):
    def change(logits, steps):
        return np.where(np.arange(logits.size).reshape(logits.shape) == 7, value, logits) if steps == 200 else logits

    report = run_altered(fp32, folder, change)
    assert report.nonfinite == (0, 1)
    with pytest.raises(GateRefusal, match="1 of its 308 answers hold NaN or infinity"):
        report.check()


def test_a_reference_that_is_not_finite_proves_nothing(fp32, folder):
    broken = AlteredEngine(fp32, lambda logits, _: logits * np.nan)
    report = run_gate(broken, fp32, open_dataset(folder), model="fast.onnx")
    with pytest.raises(GateRefusal, match="308 of the FP32 engine's 308 answers hold NaN"):
        report.check()


def test_a_memory_that_drifts_late_is_refused(fp32, folder):
    report = run_altered(fp32, folder, lambda logits, steps: logits - max(0, steps - 150) / 300)
    assert report.classes[0].loss == 0  # no loss on the images themselves
    assert report.loops[0] == 1 > report.loops[-1]
    with pytest.raises(GateRefusal, match=rf"its memory drifts: the agreement falls by {report.drift:.4f}"):
        report.check()


def test_an_engine_that_is_equally_wrong_all_the_time_does_not_drift(fp32, folder):
    report = run_altered(fp32, folder, lambda logits, _: logits - 0.3)
    assert report.loops[0] < 1
    assert report.drift < 0.005


def test_the_clip_goes_forwards_and_backwards_with_no_reset(fp32, folder):
    seen, states = [], []

    class StateRecordingEngine(AlteredEngine):
        def infer(self, x, state):
            seen.append(x.copy())
            states.append(float(np.asarray(state.now[0].data).max()))
            return super().infer(x, state)

    run_gate(fp32, StateRecordingEngine(fp32, lambda logits, _: logits), open_dataset(folder), model="fast.onnx")
    assert [place for place, state in enumerate(states) if not state] == [0, 3]  # only at the first frame of each scan
    scan, endured = seen[3:8], seen[8:]
    order = [next(place for place, image in enumerate(scan) if np.array_equal(image, x)) for x in endured]
    assert order[:17] == [0, 1, 2, 3, 4, 3, 2, 1] * 2 + [0]
    assert len(order) == ENDURANCE_FRAMES


@pytest.mark.parametrize(("frames", "loop"), [(1, 50), (2, 50), (5, 56), (20, 76), (MAX_CLIP_FRAMES, 50)])
def test_every_loop_shows_the_same_frames(fp32, tmp_path, frames, loop):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for frame in range(frames):
        for kind in ("images", "masks"):
            cv2.imwrite(str(tmp_path / kind / f"scan00_frame{frame:05d}.png"), np.full((16, 24), 255, np.uint8))
    report = run_altered(fp32, tmp_path)
    assert len(report.loops) == ENDURANCE_FRAMES // loop


def test_a_class_that_no_image_holds_is_not_let_through_unseen(folder, tmp_path):
    described = networks.spec(states=(), classes=("lumen", "plaque"))
    engine = load_engine(three_logits(tmp_path / "net.onnx"), spec=described)
    report = run_altered(engine, folder)
    engine.close()
    assert [found.images for found in report.classes] == [8, 0]
    with pytest.raises(GateRefusal, match=r"refused: no image holds 'plaque'"):
        report.check()
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["accepted"] is False


def three_logits(path):
    """Write a network with logits of the background, a bright class, and a third class that is never the largest."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.array([-1, 1, 0], np.float32).reshape(3, 1, 1, 1), "w")
    bias = numpy_helper.from_array(np.array([0, 0, -50], np.float32), "b")
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, *networks.SIZE))]
    answers = [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, *networks.SIZE))]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "net", ports, answers, [weights, bias])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_other_classes_are_another_model(fp32, tmp_path, folder):
    other = networks.convolutional(tmp_path / "n.onnx", networks.spec(classes=("head",), states=fp32.spec.states))
    engine = load_engine(other)
    with pytest.raises(GateRefusal, match=r"segments \('head',\) and not \('lumen',\)"):
        run_gate(fp32, engine, open_dataset(folder), model="n.onnx")
    engine.close()


def test_progress_counts_every_frame(fp32, folder):
    told = []
    run_altered(fp32, folder, progress=lambda done, of: told.append((done, of)))
    assert told == [(step, 308) for step in range(1, 309)]


def test_the_report_as_plain_values(fp32, folder):
    report = run_altered(fp32, folder)
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert plain["accepted"] is True
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", plain["began_at"])
    assert plain["classes"]["lumen"]["loss"] == 0
    assert plain["nonfinite"] == {"fp32": 0, "fast": 0}
    assert len(plain["loops"]) == len(report.loops) > 1
    assert plain["limits"] == {"loss": 0.005, "drift": 0.005, "endured_frames": 300}
