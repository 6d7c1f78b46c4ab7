"""Tests the TensorRT engine on the emulated GPU: correct labels in few graphs, for every order of stream execution."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from emulated.driver.device import ALL_LATE, EmulatedGpu
from emulated.driver.tensorrt_runtime import IExecutionContext
from emulated.engine import plans
from emulated.engine.streams import ORDERS, alike, frames, segmented

from rtseg import kernels, load_engine, open_source
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.zoo import shipped_models
from rtseg.evaluation.metrics import dice
from rtseg.kernels.network.fit import letterbox
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session


def test_the_carotid_is_segmented_as_by_openvino(gpu: EmulatedGpu) -> None:
    gpu.defer_streams(ALL_LATE)
    engine = plans.engine_of(shipped_models()["carotid"])
    here, there = (Session(each, temporal=None) for each in (engine, load_engine("carotid")))
    for frame in islice(open_source("clip:carotid"), 6):
        half = replace(frame, image=frame.image[::2, ::2].copy())  # the emulator is slow
        assert dice(here.step(half).mask("lumen"), there.step(half).mask("lumen")) > 0.999
    assert there.counts.live == 5
    engine.close()


@pytest.mark.parametrize("engine", ORDERS, indirect=True)
def test_labels_are_right_whatever_is_late(engine: Any, expected: list[np.ndarray]) -> None:
    assert alike(segmented(engine, frames(7)), expected)


def test_a_steady_stream_is_two_graphs_one_a_side_and_takes_no_memory(engine: Any, gpu: EmulatedGpu) -> None:
    session = Session(engine, temporal=None, locator=WholeFrame())
    held = []
    for frame in frames(12):
        session.step(frame)
        held.append(gpu.resources_held())
    assert held[-1].graphs == 2
    assert engine.captures == 2
    assert len(set(held[5:])) == 1, "nothing is allocated once both graphs are there"


def test_a_captured_step_is_replayed_and_nothing_else_is_launched(
    engine: Any, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(engine, temporal=None, locator=WholeFrame())
    stream = frames(7)
    found = [session.step(frame).labels for frame in stream[:5]]
    monkeypatch.setattr(IExecutionContext, "execute_async_v3", None)  # a run outside a graph fails
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

    def and_prefetch(labels: Any) -> Any:  # this frame's work is enqueued, and the host has not synchronized
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


def test_many_ways_to_run_are_kept_in_bounds(engine: Any, gpu: EmulatedGpu) -> None:
    for column in range(12):
        fit = letterbox((0, column, 40, 40), networks.SIZE)
        x = kernels.fit_input(engine.upload(frames(1)[0].image), fit, (100.0,), (50.0,))
        for _ in range(2):
            engine.download(kernels.argmax_labels(engine.infer(x, engine.initial_state())[0], fit, (40, 56)))
    assert len(engine._graphs) == 8
    assert gpu.in_use().graphs <= 8


class TestShared:
    """Tests a Jetson, whose CPU and GPU share their memory."""

    @pytest.mark.parametrize("late", ORDERS)
    def test_nothing_large_is_copied(self, gpu: EmulatedGpu, tiny: Path, expected: list[np.ndarray], late: int) -> None:
        gpu.integrated = True
        gpu.defer_streams(late)
        gpu.copies()
        engine = plans.engine_of(tiny)
        assert alike(segmented(engine, frames(7)), expected)
        copied = [copy.bytes for copy in gpu.copies()]
        assert max(copied[len(copied) // 2 :]) <= 8, "flags and confidences alone, once the graphs are there"
        engine.close()
        assert gpu.in_use() == (0, 0, 0, 0)

    def test_as_the_gpu_says_unless_told_otherwise(self, gpu: EmulatedGpu, tiny: Path) -> None:
        for integrated, mapped, expected in [(True, None, True), (False, None, False), (True, False, False)]:
            gpu.integrated = integrated
            engine = plans.engine_of(tiny, mapped=mapped)
            assert engine._mapped == expected
            engine.close()
