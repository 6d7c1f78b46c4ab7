"""Examine a model file from outside before it is loaded: a child process with limits loads it and runs it once.

An ONNX file can loop without end or unfold into gigabytes, and no engine stops it. The child bears that instead.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rtseg.atomic_file import write_atomically
from rtseg.engines.base import ModelSpec
from rtseg.engines.zoo import shipped
from rtseg.errors import ModelError, SinkError
from rtseg.output import make_folder

TRUST = "RTSEG_TRUST_MODELS"  # set to 1, every model file is loaded unexamined
_CHILD = "rtseg.engines.trial_load"
_POLL_S = 0.02
_MB = 1 << 20
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
    def of(cls, file_bytes: int) -> "TrialLimits":
        """Return the limits of a file of `file_bytes`: 6 s and 640 MB, and 3 s and 24 MB more for each megabyte."""
        megabytes = file_bytes // _MB
        return cls(6 + 3 * megabytes, 60 + 6 * megabytes, (640 + 24 * megabytes) * _MB)


def examine(path: Path, engine: str, spec: ModelSpec | None = None, *, trusted: bool = False) -> None:
    """Refuse a model file that cannot be loaded and run once in `engine` within limits, with finite weights and answers.

    Shipped models, files that passed before and files that the user trusts are not examined. engine: "openvino" or "onnx".
    spec: the user's description of the network, if any. Raises ModelError.
    """
    if trusted or os.environ.get(TRUST) == "1" or path.resolve() in {known.resolve() for known in shipped().values()}:
        return
    coded, told = path.read_bytes(), spec.to_json() if spec else ""
    passed = _verdict_path(coded, engine, told)
    if passed is not None and passed.is_file():
        return
    _run_child(path, engine, told, TrialLimits.of(len(coded)))
    if passed is not None:
        _remember(passed)


def _run_child(path: Path, engine: str, told: str, limits: TrialLimits) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
    arguments = [sys.executable, "-m", _CHILD, str(path.absolute()), engine, str(limits.cpu_s), str(limits.resident_bytes)]
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with suppress(BrokenPipeError):
                child.stdin.write(told.encode())
                child.stdin.close()
            problem = _watch(child, limits)
            answer = child.stdout.read() if not problem else b""
        finally:
            child.kill()
    if problem:
        raise ModelError(f"{path} {problem}: {_REMEDY}")
    _judge(path, child.wait(), answer, limits)


def _watch(child: "subprocess.Popen[bytes]", limits: TrialLimits) -> str:
    """Block until the child ends or exceeds a limit; return the limit in words, or nothing."""
    deadline = time.monotonic() + limits.wall_s
    while child.poll() is None:
        if _resident_bytes(child.pid) > limits.resident_bytes:
            return f"takes more than {limits.resident_bytes // _MB} MB to be loaded and run once"
        if time.monotonic() > deadline:
            return f"is not loaded and run once within {limits.wall_s:.0f} s"
        time.sleep(_POLL_S)
    return ""


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
    """Return the resident memory of a process; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _verdict_path(coded: bytes, engine: str, told: str) -> Path | None:
    """Return where a passed examination is remembered; None for a file whose weights may lie in other files."""
    if b"location" in coded:  # the key of external data in ONNX
        return None
    parts = [coded, engine.encode(), told.encode(), *(version(name).encode() for name in ("rtseg", "openvino"))]
    key = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder, "rtseg", "examined", key)


def _remember(passed: Path) -> None:
    with suppress(OSError, SinkError):  # a cache that cannot be written costs time only
        make_folder(passed.parent)
        write_atomically(passed, b"")
