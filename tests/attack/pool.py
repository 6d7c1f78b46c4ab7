"""Run child processes that read inputs; one that hangs or dies is replaced."""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HANG_S = 20.0
_START_S = 120.0  # for the start of a process, and a reader's imports
_TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class FuzzJob:
    """Identifies input `number` of a reader."""

    seed: int
    reader: str
    number: int
    seeds: tuple[str, ...]

    def line(self) -> bytes:
        """Return the job as a line of JSON."""
        return json.dumps(self.__dict__).encode() + b"\n"


class ReaderProcess:
    """Runs one child; its folder holds its input, its temporary files and its stderr."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._fresh = folder, True
        folder.mkdir(parents=True, exist_ok=True)
        paths = os.pathsep.join([str(_TESTS), str(_TESTS.parent), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        with (folder / "stderr").open("wb") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "attack.worker", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                start_new_session=True,
                bufsize=0,
            )

    def read(self, job: FuzzJob) -> dict:
        """Read an input, and return the outcome of the worker, {"hang": seconds} or {"crash": text}; the latter two end it."""
        due_s = time.monotonic() + HANG_S + (_START_S if self._fresh else 0)
        self._fresh, data = False, b""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(job.line())
        while not data.endswith(b"\n"):
            if not select.select([self._process.stdout], [], [], max(0.0, due_s - time.monotonic()))[0]:
                self.end()
                return {"hang": HANG_S}
            if not (piece := os.read(self._process.stdout.fileno(), 1 << 16)):
                self.end()
                return {"crash": f"status {self._process.returncode}: {self._complaint()}"}
            data += piece
        return json.loads(data)

    def end(self) -> None:
        """Kill the process and its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    @property
    def is_alive(self) -> bool:
        """Return whether another input can be read."""
        return not self._process.stdout.closed

    def _complaint(self) -> str:
        return (self._folder / "stderr").read_text(errors="replace")[:3000]


def run(jobs: Iterable[FuzzJob], processes: int = 2) -> Iterator[tuple[FuzzJob, dict]]:
    """Read all inputs in several processes; yield each job with its outcome, in the order of completion."""
    waiting, done, stop = iter(list(jobs)), queue.SimpleQueue(), threading.Event()
    lock = threading.Lock()

    def serve(folder: Path) -> None:
        process = None
        try:
            while not stop.is_set():
                with lock:
                    job = next(waiting, None)
                if job is None:
                    break
                if process is None or not process.is_alive:
                    process = ReaderProcess(folder)
                done.put((job, process.read(job)))
        finally:
            if process is not None and process.is_alive:
                process.end()
            done.put(None)

    with tempfile.TemporaryDirectory(prefix="rtseg-attack-") as folder:
        threads = [threading.Thread(target=serve, args=(Path(folder) / str(i),), name="attack") for i in range(processes)]
        for thread in threads:
            thread.start()
        try:
            for _ in threads:
                while (one := done.get()) is not None:
                    yield one
        finally:
            stop.set()
            for thread in threads:
                thread.join()
