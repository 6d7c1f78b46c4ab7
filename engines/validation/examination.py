"""Examines a model file before it is loaded: a child process with limits loads the file and runs it once.

An ONNX file can loop forever or expand into gigabytes, and no engine prevents that. The child process bounds this cost. It is
no sandbox: it has all permissions of its user.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import ModelSpec
from rtseg.engines.validation.onnx_file import OnnxFile
from rtseg.engines.validation.weight_check import external_files
from rtseg.engines.zoo import preview_models, shipped_models
from rtseg.errors import ModelError, SinkError
from rtseg.output.atomic_file import write_atomically
from rtseg.output.private_file import make_folder

TRUST = "RTSEG_TRUST_MODELS"  # if set to 1, every model file is loaded without examination
_CHILD = "rtseg.engines.validation.trial_load"
_POLL_S = 0.01
_PACKAGES = {"onnx": "onnxruntime", "torchscript": "torch", "weights": "torch"}  # of these engines; openvino for the others
_TORCH_S, _TORCH_MB = 20, 640  # added for torch files: the import of torch alone takes seconds
_MB = 1 << 20
_RULES = b"3"  # to be raised where a trial checks more, so that earlier verdicts do not count
_LONGEST_ANSWER = 65_536  # bytes: the capacity of a pipe that is not being read
_REMEDY = f"if you trust this file, load it with --trust-model, or with {TRUST}=1"


@dataclass(frozen=True)
class TrialLimits:
    """Bounds what the examination of one file may cost; a larger file may cost more."""

    cpu_s: int
    """Processor seconds of the child."""
    wall_s: float
    """Seconds by the clock, for a child that blocks without computing."""
    resident_bytes: int
    """Resident memory of the child."""

    @classmethod
    def of(cls, file_bytes: int, engine: str = "openvino") -> "TrialLimits":
        """Return the limits of a file of `file_bytes`: 6 s and 640 MB, and 3 s and 24 MB more for each megabyte.

        The wall-clock limit is 15 s and 6 s more for each megabyte: a small file is refused within 20 s even on a busy machine.
        """
        megabytes, is_torch = file_bytes // _MB, _PACKAGES.get(engine) == "torch"
        more_s, more_mb = (_TORCH_S, _TORCH_MB) if is_torch else (0, 0)
        return cls(6 + 3 * megabytes + more_s, 15 + 6 * megabytes + 2 * more_s, (640 + 24 * megabytes + more_mb) * _MB)


def examine(path: Path, engine: str, stated: ModelSpec | StatedFacts | None = None, *, trusted: bool = False) -> bool:
    """Refuse a model file that cannot be loaded and run once in `engine` within limits, with finite weights and answers.

    Returns whether the child process opened the file, now or earlier, so that its answers need no second check.
    Shipped models, files that passed before and files that the user trusts are not examined. engine: "openvino", "onnx",
    "reduced" for OpenVINO at a smaller input, "torchscript", or "weights" for a state dict of torch. stated: the
    user's description of the network, if any. Raises ModelError.
    """
    if trusted or os.environ.get(TRUST) == "1" or _is_ours(path):
        return False
    facts = StatedFacts.of(stated) if isinstance(stated, ModelSpec) else stated
    content, description = path.read_bytes(), facts.to_json() if facts else ""
    passed = _verdict_path(content, engine, description)
    if passed is not None and passed.is_file():
        return True
    _run_child(path, engine, description, TrialLimits.of(len(content) + _bytes_beside(path, content), engine))
    if passed is not None:
        _remember(passed)
    return True


def _is_ours(path: Path) -> bool:
    """Return whether a file comes with rtseg."""
    return path.resolve() in {known.resolve() for known in (shipped_models() | preview_models()).values()}


def _run_child(path: Path, engine: str, description: str, limits: TrialLimits) -> None:
    # `python -m` searches the working folder first, and would run a json.py that lies beside a downloaded model.
    code = f"import sys; sys.path[:] = {list(map(str, sys.path))!r}; from {_CHILD} import main; main(*sys.argv[1:])"
    limited = str(limits.cpu_s), str(limits.resident_bytes), str(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path.absolute()), engine, *limited],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        start_new_session=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with suppress(BrokenPipeError):
                child.stdin.write(description.encode())
                child.stdin.close()
            problem = _watch(child, limits)
        finally:
            _kill(child)
        answer = child.stdout.read(_LONGEST_ANSWER)
    if problem:
        raise ModelError(f"{path} {problem}: {_REMEDY}")
    _judge(path, child.wait(), answer, limits)


def _watch(child: "subprocess.Popen[bytes]", limits: TrialLimits) -> str:
    """Block until the child ends or exceeds a limit; return a description of the exceeded limit, or ""."""
    deadline = time.monotonic() + limits.wall_s
    while not _has_ended(child):
        if _resident_bytes(child.pid) > limits.resident_bytes:
            return f"takes more than {limits.resident_bytes // _MB} MB to be loaded and run once"
        if time.monotonic() > deadline:
            return f"is not loaded and run once within {limits.wall_s:.0f} s"
        time.sleep(_POLL_S)
    return ""


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Return whether a child has ended, if possible without reaping it, so that its process group id is not reused."""
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # this process ignores SIGCHLD
        return True


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child and all processes that it started."""
    with suppress(ProcessLookupError, PermissionError):  # the group is empty; macOS raises the latter
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def _judge(path: Path, status: int, answer: bytes, limits: TrialLimits) -> None:
    try:
        verdict = json.loads(answer)
    except ValueError:
        verdict = None
    if isinstance(verdict, dict) and "error" in verdict:
        raise ModelError(str(verdict["error"]))
    if verdict != {"passed": True} or status:
        raise ModelError(
            f"{path} cannot be loaded and run once with {limits.cpu_s} s of processor time and "
            f"{limits.resident_bytes // _MB} MB (status {status}): {_REMEDY}"
        )


def _resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 where the system does not report it."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _bytes_beside(path: Path, content: bytes) -> int:
    """Return the total size of the weight files beside a network. Raises ModelError for one outside its folder."""
    if path.suffix == ".xml":
        return path.with_suffix(".bin").stat().st_size if path.with_suffix(".bin").is_file() else 0
    if path.suffix != ".onnx" or b"location" not in content:
        return 0
    return sum(file.stat().st_size for file in external_files(OnnxFile.read(path)))


def _verdict_path(content: bytes, engine: str, description: str) -> Path | None:
    """Return the cache path that records a passed examination; None for a file that may have external weights."""
    if b"location" in content or content.lstrip().startswith(b"<"):  # external data of ONNX, or OpenVINO's .xml
        return None
    package = _PACKAGES.get(engine, "openvino")
    parts = [content, _RULES, engine.encode(), description.encode(), *(version(name).encode() for name in ("rtseg", package))]
    key = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder, "rtseg", "examined", key)


def _remember(passed: Path) -> None:
    with suppress(OSError, SinkError):  # without a cache the next load only takes longer
        make_folder(passed.parent)
        write_atomically(passed, b"")
