"""Removes each safeguard of the GPU path from a copy of the code, one by one, and counts how many the tests find missing.

    PYTHONPATH=tests python -m planted_safeguards [NAME ...]

The tests pass on the copy as it is; with a safeguard removed, the tests that are named beside it must fail (`make planted`).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".pytest_cache", ".hypothesis", "build", "out", "docs", "held_out", "tracking"
)
TIMEOUT_S = 900
ENGINE = "tests/emulated/engine/"


@dataclass(frozen=True, slots=True)
class Safeguard:
    """Describes a safeguard: where it stands, what stands there without it, and the tests that must miss it."""

    name: str
    file: str
    sound: str
    """The text, which occurs once."""
    fault: str
    """The text without the safeguard."""
    tests: str
    """The arguments of pytest, with blanks between."""


OVERWRITING, GUARD, FAILING = (f"{ENGINE}test_{name}.py" for name in ("overwriting", "guard", "failing"))
BUFFERS, DEVICE, BUILDER, RUNTIME, TRT = (
    f"engines/tensorrt/{name}.py" for name in ("buffers", "device", "builder", "runtime", "engine")
)
SAFEGUARDS = (
    Safeguard(
        "wait before a pinned frame is overwritten", BUFFERS, "        self.upload.ended.synchronize()\n", "", OVERWRITING
    ),
    Safeguard("wait before pinned values are overwritten", BUFFERS, "        self._copied.synchronize()\n", "", OVERWRITING),
    Safeguard(
        "an execution context for each graph",
        RUNTIME,
        "        first, self._first = self._first, None\n",
        "        first = self._first\n",
        f"{ENGINE}test_engine.py -k steady_stream",
    ),
    Safeguard(
        "scratch memory for each execution context",
        RUNTIME,
        "        made.set_device_memory(self._scratch.pointer, self._scratch.nbytes)\n",
        "",
        f"{ENGINE}test_engine.py -k steady_stream",
    ),
    Safeguard(
        "wait before a mapped frame is overwritten",
        BUFFERS,
        "            self.consumed.synchronize()\n",
        "            pass\n",
        OVERWRITING,
    ),
    Safeguard(
        "wait before a frame on the GPU is overwritten",
        BUFFERS,
        "            copies.wait_for_event(self.consumed)\n",
        "            pass\n",
        OVERWRITING,
    ),
    Safeguard(
        "wait for the upload",
        BUFFERS,
        "        self._work.wait_for_event(slot.upload.ended)\n",
        "",
        f"{ENGINE}test_engine.py -k late",
    ),
    Safeguard(
        "mark of a frame that was read", BUFFERS, "        slot.consumed.record(self._work)\n", "        pass\n", OVERWRITING
    ),
    Safeguard("streams that do not block", DEVICE, "cuda.Stream(NON_BLOCKING)", "cuda.Stream()", OVERWRITING),
    Safeguard(
        "memory that is cached on the host", DEVICE, "DEVICEMAP if mapped else 0", "DEVICEMAP | 4 if mapped else 4", OVERWRITING
    ),
    Safeguard(
        "close of the network", TRT, "        self._open.callback(self._network.close)\n", "", f"{FAILING} -k overwritten"
    ),
    Safeguard(
        "runtime that outlives its engine",
        RUNTIME,
        "        self._engine = None\n        self._runtime = None\n",
        "        self._runtime = None\n        self._engine = None\n",
        f"{FAILING} -k overwritten",
    ),
    Safeguard(
        "context that is released in no thread of the caller",
        DEVICE,
        "            thread.start()\n            thread.join()\n",
        "            thread.run()\n",
        f"{ENGINE}test_plans.py -k current_in_no",
    ),
    Safeguard(
        "build without TF32", BUILDER, "    config.clear_flag(tensorrt.BuilderFlag.TF32)", "    pass", f"{GUARD} -k tf32"
    ),
    Safeguard(
        "run before a capture",
        "engines/tensorrt/cuda_graph.py",
        "        self._arrays = {}\n        self._enqueue_all(outputs)\n",
        "        self._arrays = {}\n",
        f"{ENGINE}test_captures.py -k captures_nothing",
    ),
    Safeguard(
        "guard of null factories",
        "engines/tensorrt/guard.py",
        "(TypeError, RuntimeError, ValueError, MemoryError)",
        "(RuntimeError, ValueError, MemoryError)",
        f"{GUARD} -k opened",
    ),
    Safeguard(
        "exception of the progress callback",
        BUILDER,
        "            raise monitor.problem from None\n",
        "            pass\n",
        f"{GUARD} -k callback",
    ),
    Safeguard(
        "network that is closed where its context fails",
        RUNTIME,
        "            self.close()\n            raise\n",
        "            raise\n",
        f"{GUARD} -k opened",
    ),
    Safeguard(
        "state that a graph does not keep alive",
        TRT,
        "lambda arrays: self._run(fed, addresses, arrays)",
        "lambda arrays, _=state: self._run(fed, addresses, arrays)",
        f"{ENGINE}test_captures.py -k captures_nothing",
    ),
    Safeguard(
        "one side for a state of zeros that has run",
        TRT,
        "            state.is_zero = False\n            return LazyArray",
        "            return LazyArray",
        f"{ENGINE}test_captures.py -k twice",
    ),
    Safeguard(
        "side of a written state",
        TRT,
        "        state.is_zero = False\n        return state",
        "        return state",
        f"{ENGINE}test_captures.py -k written",
    ),
)


def passes(copy: Path, tests: str) -> bool:
    """Return whether tests pass on the copy. Raises RuntimeError where they cannot be run."""
    cache = ROOT / ".pytest_cache"  # it holds the compiled kernels
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", "-o", f"cache_dir={cache}", *tests.split()]
    if "-k" in command:  # the words behind it are one expression
        place = command.index("-k")
        command = [*command[: place + 1], " ".join(command[place + 1 :])]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"{tests} cannot be run: {ended.stdout[-2000:]}{ended.stderr[-500:]}")
    return ended.returncode == 0


def is_found(copy: Path, safeguard: Safeguard) -> bool:
    """Remove a safeguard from the copy, and return whether its tests fail; the copy is sound again afterwards."""
    path = copy / safeguard.file
    text = path.read_text()
    if text.count(safeguard.sound) != 1:
        raise RuntimeError(f"{safeguard.name!r} has lost its place in {safeguard.file}: plant it anew")
    path.write_text(text.replace(safeguard.sound, safeguard.fault))
    try:
        return not passes(copy, safeguard.tests)
    finally:
        path.write_text(text)


def main(*names: str) -> int:
    """Plant each fault, or those whose names contain one of the words, and return 0 where all are found."""
    chosen = [one for one in SAFEGUARDS if not names or any(name in one.name for name in names)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "rtseg"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=LEFT_OUT)
        for tests in dict.fromkeys(one.tests for one in chosen):
            if not passes(copy, tests):
                raise RuntimeError(f"{tests} fails on the code as it is: nothing is shown")
        found = 0
        for safeguard in chosen:
            is_missed = not is_found(copy, safeguard)
            found += not is_missed
            sys.stdout.write(f"{'NOT FOUND' if is_missed else 'found'}  {safeguard.name}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{found} of {len(chosen)} found\n")
    return found < len(chosen)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
