"""Check every claim about GPUs on the NVIDIA GPU or Jetson of this machine, and write a report (`make gpu-check`).

Each step is one command, in an environment of its own (`.venv-gpu`). What this machine lacks is named beside each step that it
leaves unproved. Until a report that passed is committed as docs/benchmarks/gpu-NAME.json, the GPU path is unproved on a device.

    python3 demos/gpu/check.py [gpu-report.json]
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 3600
TAIL = 4000  # last characters of a step's output that are reported

ENVIRONMENT = ".venv-gpu"
MODELS = ("carotid", "fetal-head", "nerve-vessel", "breast-lesion", "muscle")
SANITIZERS = ("memcheck", "racecheck", "synccheck", "initcheck")
REPORTS = "docs/benchmarks/gpu-*.json"  # committed reports


CUDA_FOLDERS = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer")
BOARD = Path("/proc/device-tree/model")  # of a Jetson


@dataclass(frozen=True, slots=True)
class GpuMachine:
    """Describes what the check can use."""

    has_gpu: bool
    """Whether a driver answers with a GPU, or the board is a Jetson."""
    is_jetson: bool
    """Whether TensorRT and CUDA are the board's own."""
    cuda_major: int
    """The newest CUDA that the driver runs, 0 where it does not say."""
    nvcc: str
    """Path of the compiler, "" where there is none."""
    sanitizer: str
    """Path of compute-sanitizer, "" where there is none."""


@dataclass(frozen=True, slots=True)
class CheckStep:
    """Describes one command of the check."""

    name: str
    command: Sequence[str]
    needs: str = ""  # name of the step that must have passed before
    lacks: str = ""  # what this machine lacks for it, as in "no GPU"
    gives: str = ""  # what the steps that need this one lack where it fails, as in "no TensorRT"


def list_steps(machine: GpuMachine) -> list[CheckStep]:
    """Return the steps of the check on a machine, in order."""
    steps = [*_preparation(machine), *_kernels(machine)]
    for name in MODELS:
        for model, precision in ((name, "fp32"), (name, "fp16"), *((f"{name}-int8", form) for form in ("int8", "int8-fp16"))):
            steps += _model(model, precision)
    steps += [
        _demo("forced faults", "faults", "build and gate carotid in fp16"),
        _demo("50 times opened and closed", "cycles", "build and gate carotid in fp16"),
        _demo("NVDEC decodes", "decoding", "rtseg"),
    ]
    if machine.has_gpu:
        return steps
    return [CheckStep(step.name, step.command, step.needs, "no GPU") for step in steps]


def _preparation(machine: GpuMachine) -> list[CheckStep]:
    """Return the steps that install rtseg, pycuda and TensorRT into the check's environment."""
    pip = [f"{ENVIRONMENT}/bin/python", "-m", "pip", "install", "--quiet"]
    site = ["--system-site-packages"] if machine.is_jetson else []  # which shows JetPack's TensorRT
    steps = [
        CheckStep("environment", [sys.executable, "-m", "venv", *site, ENVIRONMENT]),
        CheckStep("rtseg", [*pip, "--editable", ".[onnx]"], needs="environment"),
        CheckStep("the machine", [*_rtseg("doctor")], needs="rtseg"),
        CheckStep("pycuda", [*pip, "pycuda"], needs="rtseg", lacks="" if machine.nvcc else "no nvcc", gives="no pycuda"),
    ]
    if not machine.is_jetson:
        extra = f".[tensorrt-cu{machine.cuda_major}]"
        lacks = "" if machine.cuda_major >= 12 else "no driver for CUDA 12"
        steps.append(CheckStep("install TensorRT", [*pip, "--editable", extra], needs="rtseg", lacks=lacks))
    shown = "import tensorrt, pycuda.driver; print(tensorrt.__version__, pycuda.VERSION)"
    return [*steps, CheckStep("TensorRT", _python("-c", shown), needs="pycuda", gives="no TensorRT")]


def _kernels(machine: GpuMachine) -> list[CheckStep]:
    """Return the steps that build the kernels, and compare each with its definition in all ways of running."""
    without = "" if machine.nvcc else "no nvcc"
    built = "kernels on the default stream"
    steps = [
        CheckStep(
            "configure the kernels",
            ["cmake", "-S", ".", "-B", "build/cuda", f"-DCMAKE_CUDA_COMPILER={machine.nvcc}"],
            lacks=without,
        ),
        CheckStep("build the kernels", ["cmake", "--build", "build/cuda", "-j"], needs="configure the kernels"),
        _demo(built, "kernels", "build the kernels", "default"),
        _demo("kernels on a stream of their own", "kernels", built, "own"),
        _demo("kernels in graphs", "kernels", built, "graph"),
        _demo("kernels on two streams at once", "kernels", built, "two"),
        _demo("kernels on mapped memory", "kernels", "pycuda", "mapped"),
    ]
    lacks = "" if machine.sanitizer else "no compute-sanitizer"
    for tool in SANITIZERS:
        watched = [machine.sanitizer, "--tool", tool, "--error-exitcode", "9", *_python("-m", "rtseg.demos.gpu.kernels", "own")]
        steps.append(CheckStep(f"kernels under {tool}", watched, needs=built, lacks=lacks))
    return steps


def _model(model: str, precision: str) -> list[CheckStep]:
    """Return the steps that build, gate, soak and time one model."""
    which = f"{model} in {precision}"
    built = f"build and gate {which}"
    return [
        CheckStep(
            built, _rtseg("build", model, "--precision", precision, "--again"), needs="TensorRT", gives=f"no plan of {which}"
        ),
        _demo(f"masks of {which} against OpenVINO's", "masks", built, model, precision),
        _demo(f"{which} in graphs and without", "graphs", built, model, precision),
        _demo(f"{which} at a pace, with resets", "pace", built, model, precision),
    ]


def _demo(name: str, module: str, needs: str, *arguments: str) -> CheckStep:
    return CheckStep(name, _python("-m", f"rtseg.demos.gpu.{module}", *arguments), needs=needs)


def _python(*arguments: str) -> list[str]:
    return [f"{ENVIRONMENT}/bin/python", *arguments]


def _rtseg(*arguments: str) -> list[str]:
    return _python("-m", "rtseg.cli", *arguments)


def device_status() -> str:
    """Return whether the committed reports prove the GPU path on a device, in words."""
    passed = [path.name for path in sorted(ROOT.glob(REPORTS)) if json.loads(path.read_text(encoding="utf-8"))["passed"]]
    return f"proved on a device by {', '.join(passed)}" if passed else "unproved on a device"


def run_step(step: CheckStep) -> dict[str, object]:
    """Run a step and return its entry of the report."""
    started = time.monotonic()
    around = os.environ | {"PATH": search_path(), "CUDA_ROOT": "/usr/local/cuda"}
    try:
        ended = subprocess.run(
            step.command, cwd=ROOT, env=around, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        code, said = ended.returncode, ended.stdout + ended.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        code, said = -1, str(error)
    seconds = round(time.monotonic() - started, 1)
    return {"step": step.name, "command": list(step.command), "passed": code == 0, "seconds": seconds, "said": said[-TAIL:]}


def run_steps(wanted: Sequence[CheckStep]) -> list[dict[str, object]]:
    """Run the steps in order and return their entries; one that cannot be run says what is not there."""
    report: list[dict[str, object]] = []
    for step in wanted:
        if lacking := _lacking(step, wanted, report):
            report.append({"step": step.name, "passed": False, "said": lacking})
            sys.stdout.write(f"{lacking}: {step.name}\n")
        else:
            report.append(run_step(step))
            sys.stdout.write(f"{'passed' if report[-1]['passed'] else 'FAILED'}: {step.name}\n")
        sys.stdout.flush()
    return report


def _lacking(step: CheckStep, wanted: Sequence[CheckStep], report: Sequence[dict[str, object]]) -> str:
    """Return why a step cannot be run, or ""."""
    if step.lacks:
        return f"not proved: {step.lacks}"
    if not step.needs or any(entry["passed"] and entry["step"] == step.needs for entry in report):
        return ""
    gives = next((other.gives for other in wanted if other.name == step.needs), "")
    return f"not proved: {gives or f'{step.needs!r} failed'}"


def find_machine() -> GpuMachine:
    """Return what this machine has, by nvidia-smi, the board's name and the programs that are found."""
    said = _said("nvidia-smi")
    version = re.search(r"CUDA Version:\s*(\d+)", said)
    is_jetson = BOARD.is_file() and "jetson" in BOARD.read_text(encoding="utf-8", errors="replace").lower()
    has_gpu = is_jetson or "GPU 0" in _said("nvidia-smi", "-L")
    return GpuMachine(has_gpu, is_jetson, int(version[1]) if version else 0, _found("nvcc"), _found("compute-sanitizer"))


def search_path() -> str:
    """Return PATH with the folders where CUDA's installers put their programs, at its end."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *CUDA_FOLDERS])


def _found(program: str) -> str:
    return shutil.which(program, path=search_path()) or ""


def _said(*command: str) -> str:
    """Return what a program prints, "" where it is missing or fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.returncode == 0 else ""


def main(path: str = "gpu-report.json") -> int:
    """Run the check, write the report, and return the exit status: 0 when every step passed."""
    sys.stdout.write(f"The GPU path is {device_status()}.\n")
    report = run_steps(list_steps(find_machine()))
    passed = all(entry["passed"] for entry in report)
    Path(path).write_text(json.dumps({"passed": passed, "steps": report}, indent=2) + "\n", encoding="utf-8")
    verdict = (
        "all passed: send it back, and the GPU path is proved on this device" if passed else "not all passed: send it back"
    )
    sys.stdout.write(f"{verdict}; the report to send back is {path}\n")
    return not passed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
