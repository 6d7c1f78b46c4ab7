"""Test a session from frames to labels."""

from pathlib import Path

import networks
import numpy as np
import pytest
from session.streams import frame_of

from rtseg.engines.load import load_engine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame, Life, StreamInfo
from rtseg.session.session import Session
from rtseg.trace import LatencyTrace


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 3), (33, 50), (20, 200)])
def test_labels_are_in_the_frame_s_coordinates(engine: OpenVinoEngine, shape: tuple[int, ...]):
    mask = Session(engine).step(frame_of(shape=shape)).mask("lumen")
    assert mask.shape == shape[:2]
    assert mask[:, : shape[1] // 2 - 4].all()
    assert not mask[:, shape[1] // 2 + 4 :].any()


def test_confidence_and_spacing(engine: OpenVinoEngine):
    segmentation = Session(engine, spacing_mm=(0.1, 0.2)).step(frame_of())
    assert 0.5 < segmentation.confidence[0] <= 1
    assert segmentation.area_mm2("lumen") == pytest.approx(segmentation.area_px("lumen") * 0.02)


def test_the_memory_carries_on_and_is_forgotten(engine: OpenVinoEngine):
    session = Session(engine)
    session.step(frame_of(0, value=255))
    remembered = session.step(frame_of(1, value=90))  # too dark to be seen alone
    assert remembered.life is Life.LIVE
    assert remembered.area_px("lumen") > 0
    session.reset("next patient")
    forgotten = session.step(frame_of(2, value=90))
    assert (forgotten.life, forgotten.reason) == (Life.NEW, "next patient")
    assert forgotten.area_px("lumen") == 0


def test_a_change_of_size_resets(engine: OpenVinoEngine):
    session = Session(engine)
    session.step(frame_of(0, value=255))
    changed = session.step(frame_of(1, value=90, shape=(66, 96)))
    assert changed.life is Life.NEW
    assert changed.area_px("lumen") == 0


def test_every_stage_is_timed(engine: OpenVinoEngine):
    trace = LatencyTrace(0)
    Session(engine).step(frame_of(), trace)
    assert list(trace.stages_ns) == ["lifecycle", "sector", "preprocess", "temporal", "infer", "postprocess"]


def test_warm_up_leaves_no_memory(engine: OpenVinoEngine):
    session, cold = Session(engine), Session(engine)
    session.warm_up(StreamInfo(64, 96, 25.0))
    warm = session.step(frame_of())
    np.testing.assert_array_equal(warm.labels, cold.step(frame_of()).labels)
    assert (warm.life, warm.reason) == (Life.NEW, "first frame")


def test_engines_agree(tiny: Path):
    labels = []
    for name in ("openvino", "onnx"):
        session = Session(load_engine(tiny, name))
        labels.append([session.step(frame_of(index, value=80 + 20 * index)).labels for index in range(6)])
    np.testing.assert_array_equal(*labels)


def test_a_network_of_two_logits(tmp_path: Path):
    described = networks.spec(states=(), single=())
    session = Session(load_engine(networks.stateless(tmp_path / "bare.onnx"), spec=described))
    assert session.step(frame_of()).mask("lumen")[:, :40].all()


def test_only_the_largest_region_of_a_single_class_stays(tmp_path: Path):
    path = networks.recurrent(tmp_path / "single.onnx", networks.spec(single=("lumen",)))
    image = np.zeros((64, 96), np.uint8)
    image[:, :40] = image[:10, 80:] = 255
    image[30:, 60:64] = 60
    mask = Session(load_engine(path)).step(Frame(image, 0, 0)).mask("lumen")
    assert mask[:, :36].all()
    assert not mask[:, 60:].any()
