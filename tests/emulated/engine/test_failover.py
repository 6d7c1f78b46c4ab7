"""Tests on the emulated GPU that the stream continues when the GPU fails or becomes available later."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import planted
import pytest
import waiting
from emulated.driver import tensorrt_runtime
from emulated.driver.device import ALL_LATE, EmulatedGpu
from emulated.engine import plans
from emulated.engine.streams import alike, frames, segmented

from rtseg import load_engine
from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.hung_threads import hung_threads
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.tensorrt.plan_cache import PlanCache
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions

pytestmark = pytest.mark.usefixtures("cache")


def gpu_then_cpu(model: Path) -> FailoverEngine:
    return FailoverEngine([("tensorrt", lambda: plans.engine_of(model)), ("openvino", lambda: OpenVinoEngine(model))])


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_gpu_that_breaks_loses_no_frame(gpu: EmulatedGpu, tiny: Path, steps: int, caplog: pytest.LogCaptureFixture) -> None:
    gpu.defer_streams(ALL_LATE)
    engine, stream = gpu_then_cpu(tiny), frames(8)
    session = Session(engine, temporal=None, locator=WholeFrame())
    found = [session.step(frame).labels for frame in stream[:5]]
    gpu.break_after(steps)
    found += [session.step(frame).labels for frame in stream[5:]]
    cpu = OpenVinoEngine(tiny)
    assert alike(found[:5], segmented(cpu, stream[:5]))
    broken_at = 5 if (found[5] != segmented(cpu, stream)[5]).any() else 6
    assert alike(found[broken_at:], segmented(cpu, stream[broken_at:])), "the memory starts afresh with the very frame"
    (event,) = engine.events
    assert (event.left, event.taken, engine.name) == ("tensorrt", "openvino", "openvino")
    assert "illegal memory access" in event.reason
    assert "openvino goes on, and the memory starts afresh" in caplog.text
    engine.close()


@pytest.mark.parametrize("trouble", ["no GPU", "no memory"])
def test_a_gpu_that_cannot_be_opened(gpu: EmulatedGpu, tiny: Path, trouble: str) -> None:
    if trouble == "no GPU":
        gpu.present = False
    else:
        gpu.limit_memory(50)
    engine = gpu_then_cpu(tiny)
    assert engine.events[0].taken == "openvino"
    assert "tensorrt cannot run, " in engine.events[0].reason
    assert alike(segmented(engine, frames(3)), segmented(OpenVinoEngine(tiny), frames(3)))
    engine.close()
    assert gpu.contexts == 0


def test_memory_that_runs_out_in_mid_stream(gpu: EmulatedGpu, tiny: Path) -> None:
    engine = gpu_then_cpu(tiny)
    session = Session(engine, temporal=None, locator=WholeFrame())
    session.step(frames(1)[0])
    gpu.limit_memory(0)
    large = frames(1, (400, 400))
    found = session.step(large[0]).labels
    assert alike([found], segmented(OpenVinoEngine(tiny), large))
    assert "no memory left" in engine.events[0].reason
    engine.close()


def test_nan_on_a_fresh_memory_is_the_engines_fault(gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, stream = gpu_then_cpu(tiny), frames(6)
    session = Session(engine, temporal=None, locator=WholeFrame())
    found = [session.step(frame).labels for frame in stream[:3]]
    run = tensorrt_runtime._run

    def broken(one: Any, addresses: dict[str, int], scratch: int) -> None:
        run(one, addresses, scratch)
        tensorrt_runtime._at(addresses["logits"], [1, 1, *networks.HALF])[...] = np.nan

    monkeypatch.setattr(tensorrt_runtime, "_run", broken)
    found += [session.step(frame).labels for frame in stream[3:]]
    assert alike(found[3:], segmented(OpenVinoEngine(tiny), stream[3:]))
    assert "it gives NaN or infinity, with a memory and without" in engine.events[0].reason
    assert len(engine.events) == 1
    engine.close()


@pytest.mark.parametrize("temporal", [None, DEFAULT_TEMPORAL], ids=["plain", "stabilized"])
@pytest.mark.parametrize("kind", [*planted.KINDS, "broken GPU"])
def test_a_failure_in_mid_stream_loses_no_frame(
    gpu: EmulatedGpu, tiny: Path, kind: str, temporal: TemporalOptions | None
) -> None:
    engine = gpu_then_cpu(tiny)

    def plant() -> None:
        if kind == "broken GPU":
            gpu.break_after(0)
        else:
            planted.plant(engine._engine, kind)

    reason = planted.KINDS.get(kind, "illegal memory access")
    planted.check_failover(engine, plant, OpenVinoEngine(tiny), temporal, reason)
    assert gpu.contexts == 0
    assert kind == "broken GPU" or gpu.in_use() == (0, 0, 0, 0)


@pytest.mark.parametrize("temporal", [None, DEFAULT_TEMPORAL], ids=["plain", "stabilized"])
@pytest.mark.parametrize("method", [*planted.HANGING, "retain", "device_ns"])
def test_a_gpu_that_hangs_loses_no_frame(gpu: EmulatedGpu, tiny: Path, method: str, temporal: TemporalOptions | None) -> None:
    """Block one call in the thread of the session, where the context is current, and let the CPU go on."""
    if method == "retain" and temporal is None:
        pytest.skip("nothing is retained without stabilization")
    engine, stream = gpu_then_cpu(tiny), planted.stream()
    session = Session(engine, temporal=temporal, locator=WholeFrame(), engine_timeout_s=0.5)
    found = [session.step(frame).labels.copy() for frame in stream[:20]]
    broken = engine._engine
    hang = planted.Hang(broken, method)
    found += [session.step(frame).labels.copy() for frame in stream[20:]]
    cpu = Session(OpenVinoEngine(tiny), temporal=temporal, locator=WholeFrame())
    assert len(found) == planted.COUNT
    assert alike(found[20:], [cpu.step(frame).labels for frame in stream[20:]])
    assert [event.reason for event in engine.events] == [f"tensorrt hung, {method} did not return within 0.5 s"]
    assert gpu.contexts == 1, "the context of a GPU that hangs was closed under its thread"
    hang.release()
    waiting.until(lambda: not hung_threads())
    engine.close()
    broken.close()
    assert gpu.contexts == 0


def test_the_engine_runs_in_any_thread(gpu: EmulatedGpu, tiny: Path) -> None:
    """Open the engine here, and run it in the session's thread, in this one, and by two sessions in turns."""
    engine, stream = plans.engine_of(tiny), frames(8)
    expected = segmented(OpenVinoEngine(tiny), stream)
    both = [Session(engine, temporal=None, locator=WholeFrame(), engine_timeout_s=seconds) for seconds in (0, 5)]
    found = [[session.step(frame).labels.copy() for session in both] for frame in stream]
    for turn in zip(*found, strict=True):
        assert alike(list(turn), expected)
    for session in both:
        session.close()
    engine.close()
    assert gpu.contexts == 0


class TestBackgroundBuild:
    """Tests a model without a plan: the CPU runs it while TensorRT builds."""

    def stepped(self, session: Session, engine: Any, count: int) -> int:
        """Step the session until TensorRT takes over; return the number of frames. Joins the build first to need few frames."""
        if engine._background_build:
            engine._background_build._thread.join(60)
        for number, frame in enumerate(frames(8) * (count // 8)):
            session.step(replace(frame, index=number))
            if engine.name == "tensorrt" or not engine._background_build:
                return number
        return count

    def test_the_gpu_takes_over_between_two_frames(
        self, gpu: EmulatedGpu, tmp_path: Path, cache: PlanCache, caplog: pytest.LogCaptureFixture
    ) -> None:
        model = networks.convolutional(tmp_path / "net.onnx")
        engine = load_engine(model, "tensorrt")
        assert isinstance(engine, FailoverEngine)
        assert engine.events[0].reason == "tensorrt is being built"
        session = Session(engine, temporal=None, locator=WholeFrame())
        taken_at = self.stepped(session, engine, 64)
        assert taken_at >= 16, "it was tried beside the CPU first"
        assert engine.events[-1].taken == "tensorrt"
        assert "tensorrt takes over from openvino (its Dice against the other is" in caplog.text
        assert list(cache.folder.glob("*.plan")), "what has proved itself is kept"
        stream = frames(8)
        found = [session.step(frame).labels for frame in stream]
        assert (found[-1] == segmented(OpenVinoEngine(model), stream)[-1]).mean() > 0.99
        gpu.break_after(1)
        session.step(stream[0])
        assert engine.name == "openvino", "and the CPU is still there when the GPU fails"
        engine.close()

    def test_a_plan_that_segments_otherwise_is_refused(
        self,
        gpu: EmulatedGpu,
        tmp_path: Path,
        cache: PlanCache,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        run = tensorrt_runtime._run

        def worse(one: Any, addresses: dict[str, int], scratch: int) -> None:
            run(one, addresses, scratch)
            tensorrt_runtime._at(addresses["logits"], [1, 1, *networks.HALF])[..., :12] = 1

        monkeypatch.setattr(tensorrt_runtime, "_run", worse)
        engine = load_engine(networks.convolutional(tmp_path / "net.onnx"), "tensorrt,openvino")
        session = Session(engine, temporal=None, locator=WholeFrame())
        self.stepped(session, engine, 64)
        assert engine.name == "openvino"  # type: ignore[attr-defined]
        assert "tensorrt is refused: its Dice against the other is" in caplog.text
        assert not list(cache.folder.glob("*.plan"))
        assert gpu.in_use().bytes == 0
        engine.close()

    def test_a_build_that_fails_is_told_once(
        self, gpu: EmulatedGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(tensorrt_runtime.Builder, "build_serialized_network", lambda *_: None)
        engine = load_engine(networks.convolutional(tmp_path / "net.onnx"), "tensorrt")
        self.stepped(Session(engine, temporal=None, locator=WholeFrame()), engine, 16)
        assert [record.message for record in caplog.records if "is refused" in record.message].__len__() == 1
        assert "TensorRT cannot build" in caplog.text
        engine.close()

    def test_closing_ends_the_build(self, gpu: EmulatedGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def endless(self: Any, network: Any, config: Any) -> None:
            config.progress_monitor.phase_start("Timing", None, 10)
            while config.progress_monitor.step_complete("Timing", 1):
                pass

        monkeypatch.setattr(tensorrt_runtime.Builder, "build_serialized_network", endless)
        engine = load_engine(networks.convolutional(tmp_path / "net.onnx"), "tensorrt")
        engine.close()
        assert gpu.contexts == 0

    def test_a_trial_that_breaks_the_gpu_leaves_the_cpu(
        self, gpu: EmulatedGpu, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.ERROR)
        engine = load_engine(networks.convolutional(tmp_path / "net.onnx"), "tensorrt")
        engine._background_build._thread.join(60)  # type: ignore[attr-defined]
        session = Session(engine, temporal=None, locator=WholeFrame())
        session.step(frames(1)[0])
        gpu.break_after(0)
        for frame in frames(3)[1:]:
            session.step(frame)
        assert engine.name == "openvino"  # type: ignore[attr-defined]
        assert "tensorrt is refused: CUDA failed" in caplog.text
        engine.close()
