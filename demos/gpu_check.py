"""Check every claim about GPUs on the NVIDIA GPU or Jetson of this machine, and write a report (`make gpu-check`).

The steps compare the kernels with the NumPy reference and the engine with OpenVINO, and measure the speed. Until a report that
passed is committed as docs/benchmarks/gpu-NAME.json, the GPU path is unproved on a device.

    python3 demos/gpu_check.py [gpu-report.json]
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 3600
TAIL = 4000  # last characters of a step's output that are reported

RTSEG = [sys.executable, "-m", "rtseg.cli"]
MODELS = ("carotid", "carotid-int8")
REPORTS = "docs/benchmarks/gpu-*.json"  # committed reports
DECODED = "rtseg/sources/files/clips/carotid.mp4#decode=gpu"


@dataclass(frozen=True, slots=True)
class CheckStep:
    """Describes one command of the check."""

    name: str
    command: Sequence[str]
    needs: str = ""  # name of the step that must have passed before


def list_steps() -> list[CheckStep]:
    """Return the steps of the check, in order."""
    build = ["cmake", "-S", ".", "-B", "build/cuda"]
    found = [
        CheckStep("the machine", [*RTSEG, "doctor"]),
        CheckStep("the GPU", ["nvidia-smi"]),
        CheckStep("configure the kernels", build),
        CheckStep("build the kernels", ["cmake", "--build", "build/cuda", "-j"], needs="configure the kernels"),
        CheckStep("every kernel against its truth", [sys.executable, "demos/gpu_kernels.py"], needs="build the kernels"),
    ]
    for model in MODELS:
        run = [*RTSEG, "run", "clip:carotid", "--model", model, "--engine", "tensorrt", "--json", f"out/gpu-{model}.jsonl"]
        found += [
            CheckStep(f"build and gate {model}", [*RTSEG, "build", model, "--again"], needs="every kernel against its truth"),
            CheckStep(
                f"masks of {model} against OpenVINO's",
                [sys.executable, "demos/gpu_engine.py", model],
                needs=f"build and gate {model}",
            ),
            CheckStep(f"run {model}", run, needs=f"build and gate {model}"),
            CheckStep(
                f"bench {model}",
                [*RTSEG, "bench", "synthetic:", "--model", model, "--engine", "tensorrt"],
                needs=f"build and gate {model}",
            ),
        ]
    decoded = [*RTSEG, "run", DECODED, "--model", "carotid", "--engine", "tensorrt", "--speckle", "median"]
    return [*found, CheckStep("decode on the GPU, filter speckle there", decoded, needs="build and gate carotid")]


def device_status() -> str:
    """Return whether the committed reports prove the GPU path on a device, in words."""
    passed = [path.name for path in sorted(ROOT.glob(REPORTS)) if json.loads(path.read_text(encoding="utf-8"))["passed"]]
    return f"proved on a device by {', '.join(passed)}" if passed else "unproved on a device"


def run_step(step: CheckStep) -> dict[str, object]:
    """Run a step and return its entry of the report."""
    started = time.monotonic()
    try:
        ended = subprocess.run(step.command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        code, said = ended.returncode, ended.stdout + ended.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        code, said = -1, str(error)
    seconds = round(time.monotonic() - started, 1)
    return {"step": step.name, "command": list(step.command), "passed": code == 0, "seconds": seconds, "said": said[-TAIL:]}


def run_steps(wanted: Sequence[CheckStep]) -> list[dict[str, object]]:
    """Run the steps in order and return their entries; a step whose required step failed is reported as not tried."""
    report: list[dict[str, object]] = []
    for step in wanted:
        passed = {entry["step"] for entry in report if entry["passed"]}
        if step.needs and step.needs not in passed:
            report.append({"step": step.name, "passed": False, "said": f"not tried: {step.needs!r} failed"})
        else:
            report.append(run_step(step))
        sys.stdout.write(f"{'passed' if report[-1]['passed'] else 'FAILED'}  {step.name}\n")
    return report


def main(path: str = "gpu-report.json") -> int:
    """Run the check, write the report, and return the exit status: 0 when every step passed."""
    (ROOT / "out").mkdir(exist_ok=True)
    sys.stdout.write(f"The GPU path is {device_status()}.\n")
    report = run_steps(list_steps())
    passed = all(entry["passed"] for entry in report)
    Path(path).write_text(json.dumps({"passed": passed, "steps": report}, indent=2) + "\n", encoding="utf-8")
    verdict = (
        "all passed: send it back, and the GPU path is proved on this device" if passed else "not all passed: send it back"
    )
    sys.stdout.write(f"{verdict}; the report to send back is {path}\n")
    return not passed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
