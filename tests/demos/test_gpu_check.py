"""Test `make gpu-check`: its report lists the steps that passed, and leaves out those that cannot run."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def gpu_check() -> ModuleType:
    spec = spec_from_file_location("gpu_check", ROOT / "demos" / "gpu" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["gpu_check"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_step_that_needs_what_failed_is_not_tried(gpu_check: ModuleType) -> None:
    good, bad = [sys.executable, "-c", "print('fine')"], [sys.executable, "-c", "raise SystemExit('broken')"]
    wanted = [
        gpu_check.CheckStep("one", good),
        gpu_check.CheckStep("two", bad),
        gpu_check.CheckStep("three", good, needs="two"),
        gpu_check.CheckStep("four", ["no-such-program"], needs="one"),
    ]
    report = gpu_check.run_steps(wanted)
    assert [entry["passed"] for entry in report] == [True, False, False, False]
    assert "fine" in report[0]["said"]
    assert "broken" in report[1]["said"]
    assert report[2]["said"] == "not proved: 'two' failed"
    assert "no-such-program" in report[3]["said"]


@pytest.mark.parametrize(("command", "code"), [("pass", 0), ("raise SystemExit(1)", 1)])
def test_the_report_is_written_and_the_exit_code_says_it(
    gpu_check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)
    monkeypatch.setattr(gpu_check, "list_steps", lambda _: [gpu_check.CheckStep("one", [sys.executable, "-c", command])])
    assert gpu_check.main(str(tmp_path / "report.json")) == code
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["passed"] is (code == 0)
    assert [entry["step"] for entry in report["steps"]] == ["one"]


def test_it_says_unproved_until_a_report_that_passed_is_committed(
    gpu_check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)
    reports = tmp_path / "docs" / "benchmarks"
    reports.mkdir(parents=True)
    assert gpu_check.device_status() == "unproved on a device"
    (reports / "gpu-orin.json").write_text('{"passed": false}')
    assert gpu_check.device_status() == "unproved on a device"
    (reports / "gpu-thor.json").write_text('{"passed": true}')
    assert gpu_check.device_status() == "proved on a device by gpu-thor.json"


@pytest.mark.parametrize("page", ["README.md", "docs/tensorrt.md", "docs/jetson.md"])
def test_the_pages_say_the_same(gpu_check: ModuleType, page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").replace("*", "").lower().split())
    assert ("unproved on a device" in text) == (gpu_check.device_status() == "unproved on a device")


def machine(gpu_check: ModuleType, **changed: Any) -> Any:
    described = {"has_gpu": True, "is_jetson": False, "cuda_major": 12, "nvcc": "/nvcc", "sanitizer": "/sanitizer"}
    return gpu_check.GpuMachine(**(described | changed))


@pytest.mark.parametrize("changed", [{}, {"is_jetson": True}, {"has_gpu": False}, {"nvcc": "", "sanitizer": ""}])
def test_every_need_is_a_step_before_it(gpu_check: ModuleType, changed: dict[str, Any]) -> None:
    seen: set[str] = {""}
    for step in gpu_check.list_steps(machine(gpu_check, **changed)):
        assert step.needs in seen
        assert step.name not in seen
        seen.add(step.name)
    assert len(seen) > 60


def test_without_a_gpu_each_step_says_so_and_nothing_is_run(
    gpu_check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_check, "find_machine", lambda: machine(gpu_check, has_gpu=False))
    monkeypatch.setattr(gpu_check, "run_step", None)
    assert gpu_check.main(str(tmp_path / "report.json")) == 1
    lines = capsys.readouterr().out.splitlines()[1:-1]
    assert len(lines) > 60
    assert all(line.startswith("not proved: no GPU: ") for line in lines)


def test_without_tensorrt_the_kernels_are_still_tried(gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def passed(step: Any) -> dict[str, object]:
        return {"step": step.name, "passed": "tensorrt" not in " ".join(step.command), "said": ""}

    monkeypatch.setattr(gpu_check, "run_step", passed)
    report = {str(entry["step"]): entry for entry in gpu_check.run_steps(gpu_check.list_steps(machine(gpu_check)))}
    assert all(report[name]["passed"] for name in report if name.startswith("kernels "))
    assert report["build and gate carotid in fp16"]["said"] == "not proved: no TensorRT"
    assert report["forced faults"]["said"] == "not proved: no plan of carotid in fp16"


@pytest.mark.parametrize(
    ("said", "board", "has_gpu", "cuda"),
    [
        ({"nvidia-smi": "CUDA Version: 13.0", "nvidia-smi -L": "GPU 0: NVIDIA H200"}, "", True, 13),
        ({}, "", False, 0),
        ({}, "NVIDIA Jetson AGX Orin\0", True, 0),
        ({"nvidia-smi -L": "No devices found."}, "Raspberry Pi", False, 0),
    ],
)
def test_what_the_machine_has(
    gpu_check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any, board: str, has_gpu: bool, cuda: int
) -> None:
    (tmp_path / "model").write_text(board)
    monkeypatch.setattr(gpu_check, "BOARD", tmp_path / "model")
    monkeypatch.setattr(gpu_check, "_said", lambda *command: said.get(" ".join(command), ""))
    found = gpu_check.find_machine()
    assert (found.has_gpu, found.cuda_major) == (has_gpu, cuda)


def test_programs_of_cuda_are_found_beside_the_path(
    gpu_check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvcc").write_text("#!/bin/sh\n")
    (tmp_path / "nvcc").chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(gpu_check, "CUDA_FOLDERS", (str(tmp_path),))
    assert gpu_check.find_machine().nvcc == str(tmp_path / "nvcc")
