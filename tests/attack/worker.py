"""Read one input after another in a child process, and report each outcome: `python -m attack.worker FOLDER`."""

import contextlib
import faulthandler
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

GIGABYTE = 1 << 30
MEMORY_MOST = 2 * GIGABYTE
_ADDRESSES = 4 * GIGABYTE  # address space beyond the start's; more raises MemoryError and spares the machine
_SETTLE_S = 2.0  # time in which threads may end


def main() -> None:
    """Serve jobs from stdin until it ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries may write to stdout
    os.dup2(2, 1)
    faulthandler.enable()
    folder = Path(sys.argv[1])
    (folder / "tmp").mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder / "tmp")
    from attack.mutation import Mutator
    from attack.readers import read

    _limit_memory()
    known = set()
    for line in sys.stdin:
        job = json.loads(line)
        if job["reader"] not in known:  # libraries start threads and write files once in a process, whatever they read
            known.add(job["reader"])
            assert read(job["reader"], Path(job["seeds"][0]), 0), "the seed cannot be read"
            assert read(job["reader"], Path(job["seeds"][-1]), 3), "the seed cannot be read"
        os.ftruncate(2, 0)  # a crash report shows only the messages of this input
        os.lseek(2, 0, os.SEEK_SET)
        for name in ("tmp", "input"):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
        path = Mutator(job["seed"]).write(job["reader"], job["number"], [Path(one) for one in job["seeds"]], folder / "input")
        told = _tried(lambda job=job, path=path: read(job["reader"], path, job["number"]), folder)
        answers.write(json.dumps(told) + "\n")


def _tried(read, folder: Path) -> dict:
    """Read an input; report its outcome, its peak memory, and the threads and files that it left."""
    before, errors = set(threading.enumerate()), []
    threading.excepthook = lambda event: errors.append("".join(traceback.format_exception(event.exc_value)))
    _forget_peak()
    from rtseg.errors import RtsegError

    told = {"frames": 0, "refused": "", "traceback": ""}
    try:
        told["frames"] = read()
    except RtsegError as error:
        told["refused"] = str(error) or "no words"
    except Exception:  # noqa: BLE001  the fault that is searched for
        told["traceback"] = traceback.format_exc()
    told["traceback"] = told["traceback"] or "".join(errors)
    told["bytes"] = _peak()
    told["threads"] = _left_threads(before)
    told["files"] = [path.name for path in (folder / "tmp").iterdir()]
    return told


def _left_threads(before: set[threading.Thread]) -> list[str]:
    until_s = time.monotonic() + _SETTLE_S
    while (left := set(threading.enumerate()) - before) and time.monotonic() < until_s:
        time.sleep(0.01)
    return [thread.name for thread in left]


def _limit_memory() -> None:
    addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (addresses + _ADDRESSES, -1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Return the peak memory in bytes since `_forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) << 10


if __name__ == "__main__":
    main()
