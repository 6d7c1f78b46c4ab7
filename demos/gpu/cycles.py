"""Open and close the engine 50 times, and see that the GPU's memory and the process's threads are as before.

python -m rtseg.demos.gpu.cycles [MODEL]
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

from rtseg import open_source
from rtseg.engines.base import Engine
from rtseg.errors import RtsegError
from rtseg.frame import Frame
from rtseg.session.session import Session

CYCLES, SETTLED = 50, 5  # after which what CUDA keeps for the process is there
MAX_GROWTH_BYTES = 8 << 20


def free_bytes() -> int:
    """Return the free memory of the GPU by nvidia-smi; on a Jetson, which has none, that of the whole board."""
    ask = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        return int(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()[0]) << 20
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))


def grown(open_engine: Callable[[], Engine], frames: list[Frame], free: Callable[[], int], cycles: int) -> list[str]:
    """Return what has grown between the fifth and the last cycle, in words."""
    before, threads = 0, 0
    for number in range(cycles):
        if number == SETTLED:
            before, threads = free(), threading.active_count()
        engine = open_engine()
        session = Session(engine)
        for frame in frames:
            session.step(frame)
        session.close()
        engine.close()
    lost, more = before - free(), threading.active_count() - threads
    told = [f"{lost} bytes of the GPU's memory are gone"] if lost > MAX_GROWTH_BYTES else []
    return told + ([f"{more} threads are left"] if more > 0 else [])


def main(model: str = "carotid") -> int:
    """Print the result and return the exit status: 0 when nothing has grown."""
    try:
        from rtseg.demos.gpu.plans import open_cached

        with closing(open_source("clip:carotid")) as source:
            frames = list(islice(source, 12))
        problems = grown(lambda: open_cached(model), frames, free_bytes, CYCLES)
    except RtsegError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join(problems) + "\n" if problems else f"nothing has grown in {CYCLES} cycles\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
