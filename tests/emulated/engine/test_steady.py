"""Tests temporal stabilization on the emulated GPU: as on the host, in the same graphs, with only labels downloaded."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from emulated.driver.device import ALL_LATE, DOWN, EmulatedGpu
from emulated.driver.tensorrt_runtime import IExecutionContext
from emulated.engine import plans
from emulated.engine.streams import COPIES_LATE, ORDERS, WORK_LATE, alike, frames

from rtseg import load_engine
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame
from rtseg.session.enhancement import Enhancement, parse_step
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.session.speckle import SpeckleFilter
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions

STANDING = TemporalOptions(smoothing=0.8, hysteresis=1.0)  # without optical flow
SKIPPING = TemporalOptions(smoothing=0.5, flow=True, every=2)
LABELS = 40 * 56  # bytes per frame


def no_kernel_is_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every launch of a kernel fail, whichever module holds its CUDA backend."""
    launchers = [
        module for name, module in sys.modules.items() if name.startswith("rtseg.kernels.") and hasattr(module, "launch")
    ]
    assert len(launchers) > 10
    for module in launchers:
        monkeypatch.setattr(module, "launch", None)


def session_of(engine: Any, **options: Any) -> Session:
    return Session(engine, locator=WholeFrame(), **{"temporal": DEFAULT_TEMPORAL, **options})


def stepped(session: Session, stream: list[Frame]) -> list[np.ndarray]:
    return [session.step(frame).labels.copy() for frame in stream]


def on_host(model: Path, stream: list[Frame], **options: Any) -> list[np.ndarray]:
    """Return OpenVINO's labels of a stream."""
    engine = OpenVinoEngine(model)
    found = stepped(session_of(engine, **options), stream)
    engine.close()
    return found


def wavering(count: int) -> list[Frame]:
    """Draw a slowly moving rectangle slightly above or below the network's threshold, so that its mask flickers."""
    ground, made = np.random.default_rng(4).integers(0, 90, (40, 56), np.uint8), []
    for index in range(count):
        image = ground.copy()
        image[4 + index // 2 : 20 + index // 2, 10:30] = 92 if index % 3 == 2 else 106
        made.append(Frame(image, index, 0))
    return made


@pytest.mark.parametrize("engine", ORDERS, indirect=True)
@pytest.mark.parametrize("options", [DEFAULT_TEMPORAL, STANDING, SKIPPING], ids=["STEADY", "standing", "skipping"])
def test_masks_are_steadied_as_on_the_host_whatever_is_late(engine: Any, tiny: Path, options: TemporalOptions) -> None:
    stream = wavering(9)
    expected = on_host(tiny, stream, temporal=options)
    assert not alike(expected, on_host(tiny, stream, temporal=None)), "else nothing is shown"
    assert alike(stepped(session_of(engine, temporal=options), stream), expected)


def test_weights_that_change_with_each_frame_capture_nothing_anew(
    engine: Any, tiny: Path, gpu: EmulatedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, session, held = wavering(12), session_of(engine), []
    found = []
    for frame in stream:
        if frame.index == 8:
            monkeypatch.setattr(IExecutionContext, "execute_async_v3", None)  # a run of the network outside a graph fails
            no_kernel_is_launched(monkeypatch)  # and so does a kernel launch
        found.append(session.step(frame).labels.copy())
        held.append(gpu.resources_held())
    assert alike(found, on_host(tiny, stream))
    assert len(set(held[8:])) == 1, "nothing is allocated once both graphs are there"
    assert held[-1].graphs == 2


def test_nothing_but_flags_labels_and_confidences_comes_down(engine: Any, gpu: EmulatedGpu) -> None:
    gpu.copies()
    stepped(session_of(engine), frames(6))
    assert {copy.bytes for copy in gpu.copies() if copy.kind == DOWN} == {4, LABELS}


@pytest.mark.parametrize("name", ["median", "lee", "srad", "clahe", "log", "persistence:0.25"])
def test_speckle_is_filtered_on_the_gpu(engine: Any, tiny: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, speckle = wavering(9), Enhancement((parse_step(name),))
    session, found = session_of(engine, speckle=speckle), []
    for frame in stream:
        if frame.index == 7:
            no_kernel_is_launched(monkeypatch)  # it runs in the graph
        found.append(session.step(frame).labels.copy())
    expected = on_host(tiny, stream, speckle=speckle)
    assert not alike(expected, on_host(tiny, stream)), "else nothing is shown"
    different = [(own != other).mean() for own, other in zip(found, expected, strict=True)]
    assert max(different) < 0.005, "a grey level's rounding may differ"


def test_classes_are_cleaned_as_on_the_host(engine: Any, tiny: Path) -> None:
    stream, cleaning = wavering(6), [ClassPostprocess("lumen", hysteresis=(0.3, 0.55), close=2, min_area=30)]
    expected = on_host(tiny, stream, postprocess=cleaning)
    assert not alike(expected, on_host(tiny, stream)), "else nothing is shown"
    assert alike(stepped(session_of(engine, postprocess=cleaning), stream), expected)


def test_a_reset_forgets_on_the_gpu_too(engine: Any, tiny: Path) -> None:
    stream = wavering(10)
    here, there = session_of(engine), session_of(OpenVinoEngine(tiny))
    for frame in stream:
        if frame.index in (5, 6):
            here.reset("asked")
            there.reset("asked")
        assert (here.step(frame).labels == there.step(frame).labels).all(), frame.index


def test_options_may_change_while_it_runs(engine: Any, tiny: Path) -> None:
    here, there = session_of(engine), session_of(OpenVinoEngine(tiny))
    changes = {3: STANDING, 5: None, 7: SKIPPING, 10: DEFAULT_TEMPORAL}
    for frame in wavering(13):
        for session in (here, there):
            session.temporal = changes.get(frame.index, session.temporal)
            session.speckle = SpeckleFilter("median", 3) if frame.index > 8 else None
        assert (here.step(frame).labels == there.step(frame).labels).mean() > 0.995, frame.index


def test_sessions_that_share_an_engine_share_no_past(engine: Any, tiny: Path) -> None:
    stream = wavering(8)
    stepped(session_of(engine), [Frame(255 - frame.image, frame.index, 0) for frame in stream])
    assert alike(stepped(session_of(engine), stream), on_host(tiny, stream))


def test_what_is_kept_can_be_looked_at(engine: Any, tiny: Path) -> None:
    here, there = session_of(engine), session_of(OpenVinoEngine(tiny))
    for frame in frames(5):
        here.step(frame)
        there.step(frame)
        own, other = (session._segmenter.frames._stabilizer._previous.logits for session in (here, there))  # type: ignore[union-attr]
        assert (own.shape, own.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(np.asarray(own), other, atol=1e-3)


@pytest.mark.parametrize("late", [ALL_LATE, COPIES_LATE, WORK_LATE])
def test_on_a_jetson_too(gpu: EmulatedGpu, tiny: Path, late: int) -> None:
    gpu.integrated = True
    gpu.defer_streams(late)
    engine, stream = plans.engine_of(tiny), wavering(8)
    assert alike(stepped(session_of(engine), stream), on_host(tiny, stream))
    engine.close()
    assert gpu.in_use() == (0, 0, 0, 0)


class TestPlantedBufferFaults:
    """Plants buffer faults: each changes the labels."""

    def test_the_wrong_side_of_what_is_kept(self, engine: Any, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from rtseg.engines.tensorrt.buffers import DoubleBuffer

        monkeypatch.setattr(DoubleBuffer, "spare", property(lambda self: self._buffers[self.side]))
        stream = wavering(9)
        assert not alike(stepped(session_of(engine, temporal=STANDING), stream), on_host(tiny, stream, temporal=STANDING))

    def test_weights_that_are_not_brought_anew(self, engine: Any, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from rtseg.engines.tensorrt.buffers import StagingBuffer

        put, seen = StagingBuffer.put, set[int]()

        def once(self: Any, values: Any, stream: Any) -> None:
            if id(self) not in seen:
                seen.add(id(self))
                put(self, values, stream)

        monkeypatch.setattr(StagingBuffer, "put", once)
        stream = wavering(9)
        assert not alike(stepped(session_of(engine), stream), on_host(tiny, stream))


@pytest.mark.parametrize("steps", [0, 2, 5])
def test_a_gpu_that_breaks_takes_the_past_with_it_and_no_frame(gpu: EmulatedGpu, tiny: Path, steps: int) -> None:
    gpu.defer_streams(ALL_LATE)
    engine = FailoverEngine([("tensorrt", lambda: plans.engine_of(tiny)), ("openvino", lambda: OpenVinoEngine(tiny))])
    stream, session = wavering(10), session_of(engine)
    found = stepped(session, stream[:6])
    gpu.break_after(steps)
    found += stepped(session, stream[6:])
    assert alike(found[:6], on_host(tiny, stream[:6]))
    assert alike(found[6:], on_host(tiny, stream[6:])) or alike(found[7:], on_host(tiny, stream[7:]))
    assert engine.name == "openvino"
    engine.close()


def test_a_gpu_that_takes_over_begins_without_a_past(gpu: EmulatedGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSEG_CACHE", str(tmp_path / "cache"))
    model = networks.convolutional(tmp_path / "net.onnx")
    engine = load_engine(model, "tensorrt")
    engine._background_build._thread.join(60)  # type: ignore[attr-defined]  # of the build
    session, stream = session_of(engine), [replace(f, index=number) for number, f in enumerate(frames(8) * 8)]
    found = []
    for frame in stream:
        found.append(session.step(frame).labels.copy())
        if engine.name == "tensorrt":  # type: ignore[attr-defined]
            break
    taken_at = len(found) - 1
    assert 16 <= taken_at < 60
    found += stepped(session, stream[taken_at + 1 : taken_at + 5])
    expected = on_host(model, stream[taken_at : taken_at + 5])
    assert all((own == other).mean() > 0.99 for own, other in zip(found[taken_at:], expected, strict=True))
    engine.close()
    assert gpu.in_use() == (0, 0, 0, 0)
