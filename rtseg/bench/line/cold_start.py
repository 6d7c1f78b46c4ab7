"""Times a cold start: a fresh process, from its first import to its first mask."""

import json
import subprocess
import sys
from contextlib import closing
from time import perf_counter_ns
from typing import Any

import numpy as np

from rtseg.engines.load import load_engine
from rtseg.errors import EngineError
from rtseg.frame import Frame, StreamInfo
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

TIMEOUT_S = 1800.0  # TensorRT may build an engine for many minutes
_CHILD = (
    "import time; began = time.perf_counter_ns(); from rtseg.bench.line.cold_start import child; child(began, {arguments!r})"
)


def time_cold_start(model: str, engine: str, threads: int, shape: tuple[int, ...]) -> dict[str, float]:
    """Return the milliseconds of each step of a fresh process, and of the whole process.

    shape: (H, W) or (H, W, 3) of the first frame. Raises EngineError if the process fails or exceeds 30 minutes.
    """
    code = _CHILD.format(arguments=json.dumps([model, engine, threads, shape]))
    started_ns = perf_counter_ns()
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except subprocess.TimeoutExpired:
        raise EngineError(f"a fresh process with {model!r} gave no mask in {TIMEOUT_S:g} s: try another --engine") from None
    except subprocess.CalledProcessError as error:
        raise EngineError(f"a fresh process with {model!r} failed: {error.stderr.strip()[-300:]}") from None
    whole_ms = (perf_counter_ns() - started_ns) / 1e6
    return {**json.loads(done.stdout.splitlines()[-1]), "process": round(whole_ms, 1)}


def child(began_ns: int, arguments: str) -> None:
    """Run a cold start in the fresh process and print the milliseconds of its steps as JSON.

    began_ns: the time before the first import. arguments: JSON of [model, engine, threads, shape].
    """
    imported_ns = perf_counter_ns()
    model, engine, threads, shape = json.loads(arguments)
    with closing(load_engine(model, engine, threads=threads)) as network:
        loaded_ns = perf_counter_ns()
        session = Session(network, locator=WholeFrame())
        session.warm_up(StreamInfo(shape[0], shape[1], fps=25.0))
        ready_ns = perf_counter_ns()
        session.step(Frame(np.zeros(shape, np.uint8), 0, perf_counter_ns()))
        steps = (began_ns, imported_ns, loaded_ns, ready_ns, perf_counter_ns())
    sys.stdout.write(json.dumps(_milliseconds(steps)) + "\n")


def _milliseconds(steps_ns: tuple[int, ...]) -> dict[str, Any]:
    """Return the milliseconds between successive times, by step.

    import: imports of rtseg. engine: built, or read from the cache, and loaded. warm_up: kernels and first inference.
    """
    names = ("import", "engine", "warm_up", "first_frame")
    return {name: round((end - start) / 1e6, 1) for name, start, end in zip(names, steps_ns, steps_ns[1:], strict=False)}
