"""Provides NVIDIA's own ONNX parser and builder, which need no GPU, and runs rtseg's builder on them in a process of its own.

TensorRT for RTX (`tensorrt-rtx-cu12`) has the bindings of TensorRT under another name. As a program,
`python -m conformity.real_builder PACKAGES FOLDER` puts them in the place of `tensorrt`, and pycuda's errors in the place of
pycuda, which a build does not call otherwise. It builds each job of FOLDER/jobs.json, and prints a line of JSON for each.
"""

import fcntl
import json
import logging
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

REQUIREMENT = "tensorrt-rtx-cu12==1.7.1.116"  # 89 MB
INSTALL_S, BUILD_S = 600, 600
TESTS = Path(__file__).parents[1]


class NoBuilder(Exception):
    """Signals that NVIDIA's builder cannot be installed here."""


@dataclass(frozen=True, slots=True)
class BuildJob:
    """Describes one build."""

    model: str
    """The path of the ONNX file."""
    precision: str
    """fp32, fp16, int8 or int8-fp16."""
    fault: str = ""
    """What is planted: "cancel", "raise", "interrupt", "timing", "plan" or "driver"."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Reports one build."""

    size: int
    """The bytes of the plan."""
    seconds: float
    """The time of the build on this machine."""
    problem: str = ""
    """The class and the text of the exception, "" where there is none."""
    timing: int = 0
    """The bytes of the timing cache that was written."""
    log: str = ""
    """What rtseg logged."""


def installed(folder: Path) -> Path:
    """Install the builder into a folder, once for all workers of a test run, and return the folder. Raises NoBuilder."""
    packages, mark = folder / "packages", folder / REQUIREMENT
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), "--upgrade", REQUIREMENT]
            try:
                ended = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=INSTALL_S)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise NoBuilder(str(error)) from error
            if ended.returncode:
                raise NoBuilder(ended.stderr.strip()[-300:])
            mark.touch()
    return packages


def built(packages: Path, folder: Path, jobs: list[BuildJob]) -> list[BuildResult]:
    """Build each job in one process of its own, which NVIDIA's libraries may end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps([asdict(job) for job in jobs]))
    command = [sys.executable, "-m", "conformity.real_builder", str(packages), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")]))}
    ended = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False, timeout=BUILD_S)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return [BuildResult(**json.loads(line)) for line in ended.stdout.splitlines() if line.startswith("{")]


def main(packages: str, folder: str) -> int:
    """Build the jobs of a folder."""
    import rtseg.engines.onnx_runtime  # noqa: F401  first, because it turns the telemetry off

    _stand_in(packages)
    for number, job in enumerate(json.loads((Path(folder) / "jobs.json").read_text())):
        sys.stdout.write(json.dumps(asdict(_result(BuildJob(**job), Path(folder) / f"{number}.timing"))) + "\n")
    return 0


def _stand_in(packages: str) -> None:
    """Put NVIDIA's builder in the place of `tensorrt`, and a driver that is never called in the place of pycuda."""
    sys.path.append(packages)
    import tensorrt_rtx

    driver = ModuleType("pycuda.driver")
    driver.Error = type("Error", (Exception,), {})  # type: ignore[attr-defined]
    driver.MemoryError = type("MemoryError", (driver.Error,), {})  # type: ignore[attr-defined]
    pycuda = ModuleType("pycuda")
    pycuda.driver = driver  # type: ignore[attr-defined]
    sys.modules |= {"tensorrt": tensorrt_rtx, "pycuda": pycuda, "pycuda.driver": driver}


def _result(job: BuildJob, timing: Path) -> BuildResult:
    from rtseg.text.log_records import get_logger

    lines, handler = list[str](), _Lines()
    get_logger("rtseg").addHandler(handler)
    handler.lines = lines
    started = time.monotonic()
    try:
        size, problem = _build(job, timing), ""
    except BaseException as error:  # noqa: BLE001  each is reported to the test
        size, problem = 0, f"{type(error).__name__}: {error}"
    written = timing.stat().st_size if timing.is_file() else 0
    return BuildResult(size, round(time.monotonic() - started, 2), problem, written, "\n".join(lines))


def _build(job: BuildJob, timing: Path) -> int:
    from rtseg.engines.tensorrt.builder import build
    from rtseg.engines.tensorrt.plan_cache import PlanTag
    from rtseg.engines.tensorrt.runtime import VERSION, LoadedPlan

    if job.fault == "timing":
        timing.write_bytes(b"a spoilt timing cache")
    tag: Any = PlanTag(**_tag_fields(VERSION, job.precision))
    gpu: Any = SimpleNamespace(current=nullcontext)
    memory: Any = None  # no plan comes so far that it takes some
    plan = build(Path(job.model), tag, gpu, timing, _progress(job.fault))
    if job.fault == "plan":
        LoadedPlan(plan[:1000], "'cut short'", memory)
    if job.fault == "driver":
        LoadedPlan(plan, "'sound'", memory)
    return len(plan)


def _tag_fields(version: str, precision: str) -> dict[str, Any]:
    from dataclasses import fields

    from rtseg.engines.tensorrt.plan_cache import PlanTag

    numbers = {field.name: 0 for field in fields(PlanTag) if field.type in (int, "int")}
    texts = {field.name: "" for field in fields(PlanTag) if field.name not in numbers}
    return numbers | texts | {"tensorrt": version, "precision": precision, "device": "gpu"}


def _progress(fault: str) -> Any:
    def report(*_: object) -> bool:
        if fault == "raise":
            raise LookupError("planted")
        if fault == "interrupt":
            raise KeyboardInterrupt
        return fault != "cancel"

    return report


class _Lines(logging.Handler):
    """Collects what is logged."""

    lines: list[str]

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
