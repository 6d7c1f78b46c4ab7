"""Tests the check of the engine's masks, demos/gpu_engine.py, on the emulated GPU."""

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
def gpu_engine() -> ModuleType:
    return import_module("rtseg.demos.gpu_engine")


@pytest.mark.parametrize("sound", [True, False])
def test_masks_that_agree_and_masks_that_do_not(
    gpu_engine: ModuleType, gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch, sound: bool
) -> None:
    run = tensorrt_runtime._run

    def worse(engine: Any, addresses: dict[str, int]) -> None:
        run(engine, addresses)
        shape = next(port.shape for port in engine._session.get_outputs() if port.name == "logits")
        tensorrt_runtime._at(addresses["logits"], shape)[..., :12] += 50

    if not sound:
        monkeypatch.setattr(tensorrt_runtime, "_run", worse)
    here, there = plans.engine_of(tiny), OpenVinoEngine(tiny)
    found = gpu_engine.mean_dice(here, there, wavering(8))
    assert (found > 0.999) if sound else (found < 0.9)
    here.close()
    there.close()


@pytest.mark.parametrize(("at_work", "dice", "code"), [("tensorrt", 0.995, 0), ("tensorrt", 0.98, 1), ("openvino", 1.0, 1)])
def test_it_fails_where_they_differ_or_where_tensorrt_gave_way(
    gpu_engine: ModuleType, monkeypatch: pytest.MonkeyPatch, tiny: Path, at_work: str, dice: float, code: int
) -> None:
    def loaded(model: str, engine: str = "openvino") -> OpenVinoEngine:
        made = OpenVinoEngine(tiny)
        monkeypatch.setattr(made, "name", at_work)
        return made

    monkeypatch.setattr(gpu_engine, "load_engine", loaded)
    monkeypatch.setattr(gpu_engine, "mean_dice", lambda *_: dice)
    assert gpu_engine.main("carotid") == code


def test_an_engine_that_cannot_be_loaded_is_told(gpu_engine: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_engine.main("no-such-model") == 1
    assert "no model 'no-such-model'" in capsys.readouterr().out
