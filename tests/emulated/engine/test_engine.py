"""The engine of TensorRT on the emulated GPU: right, in few graphs, and whatever streams do late."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from emulated.driver.device import ALL_LATE, Device
from emulated.engine import plans

from rtseg import kernels, load_engine, open_source
from rtseg.engines.base import SwapState
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.zoo import shipped
from rtseg.errors import EngineError, ModelError
from rtseg.frame import Frame
from rtseg.kernels import cuda
from rtseg.kernels.fit import letterbox
from rtseg.metrics import dice
from rtseg.sector import WholeFrame
from rtseg.session import Session

COPIES_LATE, WORK_LATE = 0b10, 0b01  # the work's stream is made first
ORDERS = [0, ALL_LATE, COPIES_LATE, WORK_LATE]


def frames(count: int, shape: tuple[int, ...] = (40, 56), seed: int = 3) -> list[Frame]:
    """Bright blots that move, on a dark ground: something to remember, and another frame each time."""
    random = np.random.default_rng(seed)
    made = []
    for index in range(count):
        image = random.integers(0, 90, shape, np.uint8)
        image[4 + index : 20 + index, 10:30] = 220 - 5 * index
        made.append(Frame(image, index, 0))
    return made


def segmented(engine: Any, stream: list[Frame]) -> list[np.ndarray]:
    session = Session(engine, temporal=None, locator=WholeFrame())
    return [session.step(frame).labels.copy() for frame in stream]


@pytest.fixture
def expected(tiny: Path) -> list[np.ndarray]:
    """What OpenVINO makes of `frames(7)`."""
    engine = OpenVinoEngine(tiny)
    labels = segmented(engine, frames(7))
    assert all(0 < found.mean() < 1 for found in labels)
    engine.close()
    return labels


def alike(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all((own == other).all() for own, other in zip(found, expected, strict=True))


def test_the_carotid_is_segmented_as_by_openvino(gpu: Device) -> None:
    gpu.streams_late(ALL_LATE)
    engine = plans.engine_of(shipped()["carotid"])
    here, there = (Session(each, temporal=None) for each in (engine, load_engine("carotid")))
    for frame in islice(open_source("clip:carotid"), 6):
        half = replace(frame, image=frame.image[::2, ::2].copy())  # the emulator takes its time
        assert dice(here.step(half).mask("lumen"), there.step(half).mask("lumen")) > 0.999
    assert there.counts.live == 5
    engine.close()


@pytest.mark.parametrize("engine", ORDERS, indirect=True)
def test_labels_are_right_whatever_is_late(engine: Any, expected: list[np.ndarray]) -> None:
    assert alike(segmented(engine, frames(7)), expected)


def test_a_steady_stream_is_two_graphs_one_a_side_and_takes_no_memory(engine: Any, gpu: Device) -> None:
    session = Session(engine, temporal=None, locator=WholeFrame())
    held = []
    for frame in frames(12):
        session.step(frame)
        held.append(gpu.held())
    assert held[-1].graphs == 2
    assert [step.captures for step in engine._steps.values()] == [1, 1]
    assert len(set(held[5:])) == 1, "nothing is allocated once both graphs are there"


def test_a_captured_step_is_replayed_and_nothing_else_is_launched(
    engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(engine, temporal=None, locator=WholeFrame())
    stream = frames(7)
    found = [session.step(frame).labels for frame in stream[:5]]
    monkeypatch.setattr(engine, "_network", None)  # whoever runs it outside a graph fails
    found += [session.step(frame).labels for frame in stream[5:]]
    assert alike(found, expected)


def test_another_size_captures_anew(engine: Any, tiny: Path) -> None:
    stream = frames(4) + frames(4, (52, 44), 5) + frames(4, (40, 56, 3), 7)
    assert alike(segmented(engine, stream), segmented(OpenVinoEngine(tiny), stream))


def test_what_was_not_asked_before_is_brought_too(engine: Any, tiny: Path) -> None:
    cpu = OpenVinoEngine(tiny)
    for number, frame in enumerate(frames(6)):
        fit = letterbox((0, 0, 40, 56), networks.SIZE)
        answers = []
        for each in (engine, cpu):
            x = kernels.fit_input(each.upload(frame.image), fit, (100.0,), (50.0,))
            logits, _ = each.infer(x, each.initial_state())
            asked = [kernels.argmax_labels(logits, fit, (40, 56)), kernels.probability(logits)][: 1 + number % 2]
            answers.append([np.asarray(each.download(array)) for array in asked])
        for own, other in zip(*answers, strict=True):
            np.testing.assert_allclose(own, other, atol=1e-5)


def test_an_overlay_is_made_on_the_gpu(engine: Any) -> None:
    image, palette = frames(1)[0].image, np.array([[255, 0, 0]], np.uint8)
    fit = letterbox((0, 0, 40, 56), networks.SIZE)
    up = engine.upload(image)
    logits, _ = engine.infer(kernels.fit_input(up, fit, (100.0,), (50.0,)), engine.initial_state())
    labels = kernels.argmax_labels(logits, fit, (40, 56))
    drawn = engine.download(kernels.blend(up, labels, palette, 0.4))
    np.testing.assert_array_equal(drawn, kernels.blend(image, engine.download(labels), palette, 0.4))


def test_arrays_say_what_they_are_before_and_after_the_network(engine: Any) -> None:
    up = engine.upload(frames(1)[0].image)
    x = kernels.fit_input(up, letterbox((0, 0, 40, 56), networks.SIZE), (100.0,), (50.0,))
    assert (x.shape, x.dtype) == ((1, 1, *networks.SIZE), np.float32)
    logits, _ = engine.infer(x, engine.initial_state())
    assert (logits.shape, logits.dtype) == ((1, 1, *networks.HALF), np.float32)


@pytest.mark.parametrize("engine", ORDERS, indirect=True)
def test_the_next_frame_goes_up_while_one_is_worked_on(engine: Any, expected: list[np.ndarray]) -> None:
    stream, found = frames(7), []
    session = Session(engine, temporal=None, locator=WholeFrame())
    download = engine.download

    def and_prefetch(labels: Any) -> Any:  # the work on this frame is on its way, and nobody has waited for it
        engine.prefetch(stream[min(len(found) + 1, 6)].image)
        return download(labels)

    engine.download = and_prefetch
    for frame in stream:
        found.append(session.step(frame).labels)
    assert alike(found, expected)


def test_a_prefetched_frame_that_never_comes_is_no_harm(engine: Any, expected: list[np.ndarray]) -> None:
    session, found = Session(engine, temporal=None, locator=WholeFrame()), []
    for frame in frames(7):
        engine.prefetch(np.zeros((40, 56), np.uint8))
        engine.prefetch(np.zeros((4, 5), np.uint8))
        found.append(session.step(frame).labels)
    assert alike(found, expected)


def test_many_ways_to_run_are_kept_in_bounds(engine: Any, gpu: Device) -> None:
    for column in range(12):
        fit = letterbox((0, column, 40, 40), networks.SIZE)
        x = kernels.fit_input(engine.upload(frames(1)[0].image), fit, (100.0,), (50.0,))
        for _ in range(2):
            engine.download(kernels.argmax_labels(engine.infer(x, engine.initial_state())[0], fit, (40, 56)))
    assert len(engine._steps) == 8
    assert gpu.in_use().graphs <= 8


class TestShared:
    """Jetson: one memory for both."""

    @pytest.mark.parametrize("late", ORDERS)
    def test_nothing_large_is_copied(self, gpu: Device, tiny: Path, expected: list[np.ndarray], late: int) -> None:
        gpu.integrated = True
        gpu.streams_late(late)
        gpu.copies()
        engine = plans.engine_of(tiny)
        assert alike(segmented(engine, frames(7)), expected)
        copied = [copy.bytes for copy in gpu.copies()]
        assert max(copied[len(copied) // 2 :]) <= 8, "flags and confidences alone, once the graphs are there"
        engine.close()
        assert gpu.in_use() == (0, 0, 0, 0)

    def test_as_the_gpu_says_unless_told_otherwise(self, gpu: Device, tiny: Path) -> None:
        for integrated, mapped, expected in [(True, None, True), (False, None, False), (True, False, False)]:
            gpu.integrated = integrated
            engine = plans.engine_of(tiny, mapped=mapped)
            assert engine._mapped == expected
            engine.close()


class TestFaults:
    """Planted faults: each would be a race on a GPU, and shows here as a wrong answer."""

    def test_a_missing_synchronisation(self, engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
        from rtseg.engines.step import Step

        monkeypatch.setattr(Step, "_wait", lambda self: None)
        assert not alike(segmented(engine, frames(7)), expected)

    def test_a_missing_wait_for_the_upload(
        self, engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from rtseg.engines.uploads import Uploads

        monkeypatch.setattr(Uploads, "await_upload", lambda self, place: None)
        assert not alike(segmented(engine, frames(7)), expected)

    def test_the_wrong_side_of_the_state(
        self, engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SwapState, "swapped", lambda self: self)
        assert not alike(segmented(engine, frames(7)), expected)

    @pytest.mark.parametrize("engine", [WORK_LATE], indirect=True)
    def test_a_frame_overwritten_while_it_is_read(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from rtseg.engines.uploads import Uploads

        first, second, third = (frame.image for frame in frames(3))

        def labels() -> np.ndarray:
            fit = letterbox((0, 0, 40, 56), networks.SIZE)
            engine.upload(second)
            x = kernels.fit_input(engine.upload(first), fit, (100.0,), (50.0,))
            logits, _ = engine.infer(x, engine.initial_state())
            with engine._gpu.current():
                for image in (second, third):  # the latter to where `first` lies
                    engine._uploads.take(image)
            return engine.download(kernels.argmax_labels(logits, fit, (40, 56)))

        sound = labels()
        monkeypatch.setattr(Uploads, "read", lambda self, place: None)
        assert not (labels() == sound).all()


class TestFailure:
    def test_no_driver(self, gpu: Device, tiny: Path) -> None:
        gpu.present = False
        with pytest.raises(EngineError, match=r"GPU 0 cannot be opened .* or run on the CPU"):
            plans.engine_of(tiny)

    def test_no_kernels(self, gpu: Device, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cuda, "_chosen", [tmp_path / "librtseg_kernels.so"])
        with pytest.raises(EngineError, match=r"the CUDA kernels cannot be loaded .*build them"):
            plans.engine_of(tiny)
        assert (gpu.in_use(), gpu.contexts) == ((0, 0, 0, 0), 0)

    def test_no_memory_for_the_engine(self, gpu: Device, tiny: Path) -> None:
        before = gpu.in_use()
        gpu.limit(100)
        with pytest.raises(EngineError, match=r"no memory left .*free some of it, or use a smaller model"):
            plans.engine_of(tiny)
        assert (gpu.in_use(), gpu.contexts) == (before, 0)

    def test_no_memory_for_a_frame(self, engine: Any, gpu: Device) -> None:
        gpu.limit(5000)
        with pytest.raises(EngineError, match=r"no memory left"):
            engine.upload(np.zeros((400, 400), np.uint8))
        gpu.limit(None)
        assert engine.download(engine.upload(np.ones((400, 400), np.uint8))).all()

    def test_a_fault_on_the_gpu_is_told_and_everything_after_it_fails(self, gpu: Device, tiny: Path) -> None:
        gpu.streams_late(ALL_LATE)
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
        monkeypatch.setattr(engine._network._context, "execute_async_v3", lambda stream_handle: False)
        with pytest.raises(EngineError, match=r"TensorRT failed on 'tiny' \(it does not say why\)"):
            engine.infer(x, state)

    def test_a_plan_of_another_gpu_is_refused(self, gpu: Device, tiny: Path) -> None:
        plan, spec = plans.plan_of(tiny), plans.spec_of(tiny)
        gpu.name = "Another GPU"
        from rtseg.engines.tensorrt import TensorRtEngine

        with pytest.raises(ModelError, match=r"cannot read the plan of 'tiny' \(.*not compatible.*rtseg build"):
            TensorRtEngine(plan, spec)
        assert gpu.in_use() == (0, 0, 0, 0)

    def test_nothing_is_asked_of_no_frame(self, engine: Any) -> None:
        from rtseg.engines.deferred import Deferred
        from rtseg.engines.tensorrt import LOGITS

        with pytest.raises(EngineError, match="its network has not run: download what must be kept"):
            engine.download(Deferred(engine, LOGITS))

    def test_nan_resets_the_memory(self, gpu: Device, tmp_path: Path) -> None:
        engine = plans.engine_of(networks.convolutional(tmp_path / "nan.onnx", gain=np.nan))
        session = Session(engine, temporal=None, locator=WholeFrame())
        session.step(frames(1)[0])
        assert session.counts.nonfinite == 1
        engine.close()


@pytest.mark.parametrize("opens", [True, False], ids=["opened", "closed"])
def test_another_thread_may_open_or_close_it(gpu: Device, tiny: Path, opens: bool) -> None:
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
    gpu: Device, tiny: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rtseg.engines.gpu import Stream, cuda

    def lost(self: Stream) -> None:
        raise cuda.LogicError("cuCtxPushCurrent failed: context is destroyed")

    engine = plans.engine_of(tiny)
    monkeypatch.setattr(Stream, "close", lost)
    engine.close()
    assert "the GPU did not take its context back: cuCtxPushCurrent failed" in caplog.text
    assert gpu.contexts == 0


def test_an_error_that_somebody_keeps_holds_no_stream(gpu: Device, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = plans.engine_of(tiny)
    monkeypatch.setattr(engine._network._context, "execute_async_v3", lambda stream_handle: False)
    with pytest.raises(EngineError, match="TensorRT failed") as kept:
        segmented(engine, frames(1))
    engine.close()
    assert gpu.held()[1:] == (0, 0, 0), "streams, events, graphs; the memory goes back to the pool with the error"
    assert kept.tb is not None


def test_a_thousand_opens_and_closes_leak_nothing(gpu: Device, tiny: Path) -> None:
    plan, spec = plans.plan_of(tiny), plans.spec_of(tiny)
    from rtseg.engines.tensorrt import TensorRtEngine

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
