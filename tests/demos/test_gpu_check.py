"""Test `make gpu-check`: its report lists the steps that passed, and leaves out those that cannot run."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def gpu_check() -> ModuleType:
    spec = spec_from_file_location("gpu_check", ROOT / "demos" / "gpu_check.py")
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
    assert report[2]["said"] == "not tried: 'two' failed"
    assert "no-such-program" in report[3]["said"]


@pytest.mark.parametrize(("command", "code"), [("pass", 0), ("raise SystemExit(1)", 1)])
def test_the_report_is_written_and_the_exit_code_says_it(
    gpu_check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)
    monkeypatch.setattr(gpu_check, "list_steps", lambda: [gpu_check.CheckStep("one", [sys.executable, "-c", command])])
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


def test_every_need_is_a_step_before_it(gpu_check: ModuleType) -> None:
    seen: set[str] = {""}
    for step in gpu_check.list_steps():
        assert step.needs in seen
        seen.add(step.name)
    assert len(seen) > 8
