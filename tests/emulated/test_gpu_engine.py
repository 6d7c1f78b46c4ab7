"""Tests the checks of the engine in demos/gpu (masks, graphs, pace, faults, cycles) on the emulated GPU."""

import ctypes
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from emulated.driver import tensorrt_runtime
from emulated.driver.device import EmulatedGpu
from emulated.engine import plans
from emulated.engine.test_steady import wavering

from rtseg.engines.openvino import OpenVinoEngine


@pytest.fixture
def gpu_masks() -> ModuleType:
    return import_module("rtseg.demos.gpu.masks")


@pytest.mark.parametrize("sound", [True, False])
def test_masks_that_agree_and_masks_that_do_not(
    gpu_masks: ModuleType, gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch, sound: bool
) -> None:
    run = tensorrt_runtime._run

    def worse(engine: Any, addresses: dict[str, int], scratch: int) -> None:
        run(engine, addresses, scratch)
        shape = next(port.shape for port in engine._session.get_outputs() if port.name == "logits")
        tensorrt_runtime._at(addresses["logits"], shape)[..., :12] += 50

    if not sound:
        monkeypatch.setattr(tensorrt_runtime, "_run", worse)
    here, there = plans.engine_of(tiny), OpenVinoEngine(tiny)
    found = gpu_masks.mean_dice(here, there, wavering(8))
    assert (found > 0.999) if sound else (found < 0.9)
    here.close()
    there.close()


@pytest.mark.parametrize(("dice", "code"), [(0.995, 0), (0.98, 1), (float("nan"), 1)])
def test_it_fails_where_they_differ(
    gpu_masks: ModuleType, gpu: EmulatedGpu, monkeypatch: pytest.MonkeyPatch, tiny: Path, dice: float, code: int
) -> None:
    plans_of_the_check = import_module("rtseg.demos.gpu.plans")
    monkeypatch.setattr(plans_of_the_check, "open_cached", lambda *_: plans.engine_of(tiny))
    monkeypatch.setattr(gpu_masks, "mean_dice", lambda *_: dice)
    assert gpu_masks.main("carotid") == code


def test_a_plan_that_is_not_there_is_told(
    gpu_masks: ModuleType, gpu: EmulatedGpu, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTSEG_CACHE", str(tmp_path))
    assert gpu_masks.main("no-such-model") == 1
    assert "no model 'no-such-model'" in capsys.readouterr().out
    assert gpu_masks.main("carotid") == 1
    assert "there is no plan of carotid: run `rtseg build carotid`" in capsys.readouterr().out


def test_graphs_and_no_graphs_give_the_same_masks(gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = import_module("rtseg.demos.gpu.graphs")
    monkeypatch.setattr(graphs, "RESET_EVERY", 5)
    first, second = plans.engine_of(tiny), plans.engine_of(tiny, graphs=False)
    assert graphs.differing_frames(first, second, wavering(17)) == []
    assert first.captures > 0
    assert second.captures == 0
    first.close()
    second.close()


def test_a_graph_that_is_off_is_found(gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs, run = import_module("rtseg.demos.gpu.graphs"), tensorrt_runtime._run

    def worse(engine: Any, addresses: dict[str, int], scratch: int) -> None:
        run(engine, addresses, scratch)
        shape = next(port.shape for port in engine._session.get_outputs() if port.name == "logits")
        tensorrt_runtime._at(addresses["logits"], shape)[..., :12] += 50

    first = plans.engine_of(tiny)
    second = plans.engine_of(tiny, graphs=False)
    enqueue = tensorrt_runtime.IExecutionContext.execute_async_v3

    def planted(self: Any, stream_handle: int) -> bool:
        captures = bool(gpu.native.emulated_capturing(ctypes.c_void_p(stream_handle)))
        monkeypatch.setattr(tensorrt_runtime, "_run", worse if captures else run)
        return enqueue(self, stream_handle)

    monkeypatch.setattr(tensorrt_runtime.IExecutionContext, "execute_async_v3", planted)
    assert graphs.differing_frames(first, second, wavering(9))
    first.close()
    second.close()


def test_captures_and_latency_at_a_pace(gpu: EmulatedGpu, tiny: Path) -> None:
    pace = import_module("rtseg.demos.gpu.pace")
    engine = plans.engine_of(tiny)
    images = [frame.image for frame in wavering(6)]
    found = pace.run_paced(engine, images, frames=24, fps=1000.0, reset_every=7)
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.captures == 0
    engine.close()


def test_what_misses_an_aim_is_named() -> None:
    paced = import_module("rtseg.demos.gpu.pace").PacedRun
    assert paced(2.0, 4.9, 0).problems(integrated=False) == []
    assert paced(9.0, 14.9, 0).problems(integrated=True) == []
    assert len(paced(3.1, 5.1, 2).problems(integrated=False)) == 3
    assert len(paced(9.0, 15.1, 0).problems(integrated=True)) == 1


def test_a_forced_fault_loses_no_frame(gpu: EmulatedGpu, tiny: Path) -> None:
    faults = import_module("rtseg.demos.gpu.faults")

    def lost(fault: Any) -> list[int]:
        return faults.lost_frames(lambda: plans.engine_of(tiny), lambda: OpenVinoEngine(tiny), wavering(16), fault)

    assert lost(lambda: None) == [-1]
    assert lost(lambda: gpu.break_after(0)) == []


def test_what_grows_in_cycles_is_named(gpu: EmulatedGpu, tiny: Path) -> None:
    cycles = import_module("rtseg.demos.gpu.cycles")
    free = iter([1 << 30, 1 << 30, 1 << 30, (1 << 30) - (9 << 20)])
    frames = list(wavering(4))
    assert cycles.grown(lambda: plans.engine_of(tiny), frames, lambda: next(free), 7) == []
    assert "9437184 bytes" in cycles.grown(lambda: plans.engine_of(tiny), frames, lambda: next(free), 7)[0]
