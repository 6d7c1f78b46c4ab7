"""Tests the TensorRT engine on the emulated GPU with planted races and failures, and checks that no resource leaks."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from emulated.driver import tensorrt_runtime
from emulated.driver.device import ALL_LATE, EmulatedGpu
from emulated.engine import plans
from emulated.engine.streams import WORK_LATE, alike, frames, segmented

from rtseg import kernels
from rtseg.errors import EngineError, ModelError
from rtseg.kernels.network.fit import letterbox
from rtseg.kernels.runtime import cuda
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session


class TestPlantedSyncFaults:
    """Plants synchronization faults: each would be a race on a GPU, and changes the labels here."""

    def test_a_missing_synchronisation(self, engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
        from rtseg.engines.tensorrt.cuda_graph import FrameGraph

        monkeypatch.setattr(FrameGraph, "_synchronize", lambda self: None)
        found: list[np.ndarray] = []  # where the buffer held NaN before, the session refuses it
        with suppress(EngineError):
            found = segmented(engine, frames(7))
        assert not found or not alike(found, expected)

    def test_a_missing_wait_for_the_upload(
        self, engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from rtseg.engines.tensorrt.buffers import UploadRing

        monkeypatch.setattr(UploadRing, "await_upload", lambda self, place: None)
        assert not alike(segmented(engine, frames(7)), expected)

    def test_the_wrong_side_of_the_state(
        self, engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from rtseg.engines.tensorrt.state_buffers import GpuState

        monkeypatch.setattr(GpuState, "swapped", lambda self: self)
        assert not alike(segmented(engine, frames(7)), expected)

    @pytest.mark.parametrize("engine", [WORK_LATE], indirect=True)
    def test_a_frame_overwritten_while_it_is_read(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from rtseg.engines.tensorrt.buffers import UploadRing

        first, second, third = (frame.image for frame in frames(3))

        def labels() -> np.ndarray:
            fit = letterbox((0, 0, 40, 56), networks.SIZE)
            engine.upload(second)
            x = kernels.fit_input(engine.upload(first), fit, (100.0,), (50.0,))
            logits, _ = engine.infer(x, engine.initial_state())
            with engine._gpu.current():
                for image in (second, third):  # the latter into the slot of `first`
                    engine._uploads.take(image)
            return engine.download(kernels.argmax_labels(logits, fit, (40, 56)))

        sound = labels()
        monkeypatch.setattr(UploadRing, "mark_read", lambda self, place: None)
        assert not (labels() == sound).all()


class TestFailure:
    def test_no_driver(self, gpu: EmulatedGpu, tiny: Path) -> None:
        gpu.present = False
        with pytest.raises(EngineError, match=r"GPU 0 cannot be opened .* or run on the CPU"):
            plans.engine_of(tiny)

    def test_no_kernels(self, gpu: EmulatedGpu, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cuda, "LIBRARY_PATH", tmp_path / "librtseg_kernels.so")
        with pytest.raises(EngineError, match=r"the CUDA kernels cannot be loaded .*build them"):
            plans.engine_of(tiny)
        assert (gpu.in_use(), gpu.contexts) == ((0, 0, 0, 0), 0)

    def test_no_memory_for_the_engine(self, gpu: EmulatedGpu, tiny: Path) -> None:
        before = gpu.in_use()
        gpu.limit_memory(100)
        with pytest.raises(EngineError, match=r"no memory left .*free some of it, or use a smaller model"):
            plans.engine_of(tiny)
        assert (gpu.in_use(), gpu.contexts) == (before, 0)

    def test_no_memory_for_a_frame(self, engine: Any, gpu: EmulatedGpu) -> None:
        gpu.limit_memory(5000)
        with pytest.raises(EngineError, match=r"no memory left"):
            engine.upload(np.zeros((400, 400), np.uint8))
        gpu.limit_memory(None)
        assert engine.download(engine.upload(np.ones((400, 400), np.uint8))).all()

    def test_a_fault_on_the_gpu_is_told_and_everything_after_it_fails(self, gpu: EmulatedGpu, tiny: Path) -> None:
        gpu.defer_streams(ALL_LATE)
        engine = plans.engine_of(tiny)
        session = Session(engine, temporal=None, locator=WholeFrame())
        stream = frames(7)
        for frame in stream[:4]:
            session.step(frame)
        gpu.break_after(2)
        with pytest.raises(EngineError, match=r"CUDA.* failed .*illegal memory access"):
            session.step(stream[4])
        with pytest.raises(EngineError, match="failed"):
            session.step(stream[5])
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="load it again"):
            engine.upload(stream[0].image)

    def test_a_network_that_fails_says_so(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        x, state = np.zeros((1, 1, *networks.SIZE), np.float32), engine.initial_state()
        monkeypatch.setattr(tensorrt_runtime.IExecutionContext, "execute_async_v3", lambda self, stream_handle: False)
        with pytest.raises(EngineError, match=r"TensorRT failed on 'tiny' \(TensorRT says why on standard error\)"):
            engine.infer(x, state)

    def test_a_plan_of_another_gpu_is_refused(self, gpu: EmulatedGpu, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
        plan, spec = plans.plan_of(tiny), plans.spec_of(tiny)
        gpu.name = "Another GPU"
        from rtseg.engines.tensorrt.engine import TensorRtEngine

        with pytest.raises(ModelError, match=r"cannot read the plan of 'tiny' .*rtseg build"):
            TensorRtEngine(plan, spec)
        assert "not compatible" in capsys.readouterr().err
        assert gpu.in_use() == (0, 0, 0, 0)

    def test_nothing_is_asked_of_no_frame(self, engine: Any) -> None:
        from rtseg.engines.tensorrt.engine import LOGITS
        from rtseg.engines.tensorrt.lazy_array import LazyArray

        with pytest.raises(EngineError, match="its network has not run: download what must be kept"):
            engine.download(LazyArray(engine, LOGITS))

    def test_nan_resets_the_memory(self, gpu: EmulatedGpu, tmp_path: Path) -> None:
        engine = plans.engine_of(networks.convolutional(tmp_path / "nan.onnx", answers_nan=True))
        session = Session(engine, temporal=None, locator=WholeFrame())
        with pytest.raises(EngineError, match="NaN or infinity, with a memory and without"):
            session.step(frames(1)[0])
        assert session.counts.nonfinite == 1
        engine.close()


@pytest.mark.parametrize("opens", [True, False], ids=["opened", "closed"])
def test_another_thread_may_open_or_close_it(gpu: EmulatedGpu, tiny: Path, opens: bool) -> None:
    def elsewhere(work: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(work).result(60)

    engine = elsewhere(lambda: plans.engine_of(tiny)) if opens else plans.engine_of(tiny)
    segmented(engine, frames(3))
    if opens:
        engine.close()
    else:
        elsewhere(engine.close)
    assert (gpu.in_use(), gpu.contexts) == ((0, 0, 0, 0), 0)


def test_a_context_that_is_lost_is_told_and_no_error(
    gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rtseg.engines.tensorrt.device import CudaStream, cuda

    def lost(self: CudaStream) -> None:
        raise cuda.LogicError("cuCtxPushCurrent failed: context is destroyed")

    engine = plans.engine_of(tiny)
    monkeypatch.setattr(CudaStream, "close", lost)
    engine.close()
    assert "the GPU did not take its context back: cuCtxPushCurrent failed" in caplog.text
    assert gpu.contexts == 0


def test_an_error_that_somebody_keeps_holds_no_stream(gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = plans.engine_of(tiny)
    monkeypatch.setattr(tensorrt_runtime.IExecutionContext, "execute_async_v3", lambda self, stream_handle: False)
    with pytest.raises(EngineError, match="TensorRT failed") as kept:
        segmented(engine, frames(1))
    engine.close()
    assert gpu.resources_held()[1:] == (0, 0, 0), "streams, events, graphs; the memory goes back to the pool with the error"
    assert kept.tb is not None


def test_a_thousand_opens_and_closes_leak_nothing(gpu: EmulatedGpu, tiny: Path) -> None:
    plan, spec = plans.plan_of(tiny), plans.spec_of(tiny)
    from rtseg.engines.tensorrt.engine import TensorRtEngine

    stream = frames(4, (8, 8))
    for number in range(1000):
        engine = TensorRtEngine(plan, spec)
        if number % 100 == 0:
            segmented(engine, stream)
        else:
            engine.initial_state()
        engine.close()
        if number % 100 == 99:
            assert gpu.in_use() == (0, 0, 0, 0)
    assert gpu.contexts == 0
