"""Runs Python code of this package in a child process with limits on time and memory, and ends it with all that it started.

A limit is enforced twice: the child limits itself where the system has `setrlimit`, and the parent watches it from outside.
Native code that hangs or allocates neither returns to Python nor obeys a signal handler. It is no sandbox: the child may do
all that its user may.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

WATCH_S = 0.01  # between two looks at the child's memory
ENDING_S = 5.0  # that a killed child has to disappear
MAX_ANSWER = 65_536  # bytes that are read of the child's answer
_MIB = 1 << 20
_PER_CORE = 16 * _MIB  # of address space for the stack and the heap of a thread that a library starts on each core
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


@dataclass(frozen=True, slots=True)
class Limits:
    """Holds what a child process may use."""

    seconds: float
    """Wall-clock time from its start to its end."""
    memory: int
    """Bytes that are resident at once, on Linux; elsewhere bytes that it allocates, where the system limits them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds what became of a child process."""

    answers: tuple[dict[str, Any], ...]
    """The JSON objects that it wrote, one a line, those before its end included."""
    exceeded: str
    """"time" or "memory" where it was ended at that limit, or nothing."""
    status: int
    """Its exit status; negative for a signal."""


def run_limited(module: str, request: dict[str, Any], limits: Limits) -> Outcome:
    """Run `module.main(request)` in a child process. Raises OSError where none can be started.

    The child ends when this process does. An exception here, as Ctrl-C raises it, ends the child too.
    """
    # The child's own folder is not searched for modules, as `python -m` would: a file beside a model could be run.
    paths = list(map(str, sys.path))
    code = f"import sys; sys.path[:] = {paths!r}; from {__name__} import serve; serve({module!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        reader = _Reader(process.stdout)
        exceeded = _watch(process, request, limits)
    finally:
        _end(process)
    return Outcome(reader.answers(), exceeded, process.returncode)


def serve(module: str) -> None:
    """Be the child: read a request, limit this process, and write what `module.main` yields as lines of JSON."""
    from importlib import import_module

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # native libraries print what they like
    header = json.loads(sys.stdin.buffer.readline())
    _end_with(header["parent"])
    _limit_memory(header["memory"])
    _limit_processor_time(header["seconds"])
    for answer in import_module(module).main(header["request"]):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # without the destructors of native libraries


class _Reader:
    """Reads what a child writes in a thread of its own, so that it is never blocked by a full pipe."""

    def __init__(self, pipe: Any) -> None:
        self._pipe, self._content = pipe, b""
        self._thread = threading.Thread(target=self._read, name="rtseg-model-check", daemon=True)
        self._thread.start()

    def answers(self) -> tuple[dict[str, Any], ...]:
        """Return the whole lines that were read, once the child has ended."""
        self._thread.join(ENDING_S)
        found = []
        for line in self._content[:MAX_ANSWER].split(b"\n")[:-1]:
            try:
                answer = json.loads(line)
            except (ValueError, RecursionError):
                continue
            found += [answer] if isinstance(answer, dict) else []
        return tuple(found)

    def _read(self) -> None:
        with self._pipe:
            while len(self._content) < MAX_ANSWER and (piece := self._pipe.read1(MAX_ANSWER)):
                self._content += piece


def _watch(process: "subprocess.Popen[bytes]", request: dict[str, Any], limits: Limits) -> str:
    """Wait for the child's end or a limit; return which."""
    started = monotonic()
    header = {"parent": os.getpid(), "memory": limits.memory, "seconds": limits.seconds, "request": request}
    stdin = process.stdin
    assert stdin is not None
    try:
        stdin.write(json.dumps(header).encode() + b"\n")  # the pipe stays open: its end tells the child of ours
        stdin.flush()
    except BrokenPipeError:  # it has ended at once, and its status says how
        pass
    while not _has_ended(process):
        if monotonic() - started > limits.seconds:
            return "time"
        if resident(process.pid) > limits.memory:
            return "memory"
        sleep(WATCH_S)
    return ""


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Return whether a child has ended, which is not reaped yet where possible: its number, that of its group, stays taken."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # this process ignores SIGCHLD
        return True


def resident(pid: int) -> int:
    """Return the bytes of a process that are in memory or swapped out; 0 where the system does not say or it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS:", "VmSwap:")))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the child with its children, and reap it."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own, which may outlive it
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):  # nothing is left of it; macOS says so by the latter
        pass
    process.wait()
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _end_with(parent: int) -> None:
    """Let this process end when its parent does, also where that is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before this took effect
            os._exit(1)
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()


def _exit_at_end_of_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _limit_memory(most: int) -> None:
    """Limit what is allocated, so that one large allocation fails at once: the watcher would see it when it is too late.

    RLIMIT_AS would refuse what libraries reserve without using it; RLIMIT_DATA counts what can be written alone.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    limit = most + _PER_CORE * (os.cpu_count() or 1)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):  # a lower limit stands already
        pass


def _limit_processor_time(seconds: float) -> None:
    """Limit the processor time to what the wall-clock limit could hold, for a child that nobody watches any more."""
    try:
        import resource

        limit = int(seconds * (os.cpu_count() or 1)) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    except (ImportError, OSError, ValueError):
        pass
