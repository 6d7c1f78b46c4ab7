"""Counts the CUDA graphs that a stream captures on the emulated GPU, with resets of the memory in between.

    python -m tests.emulated.captures --frames 160 --reset-every 20 --json

A capture in the middle of a stream costs a frame its latency. The session is warmed up as `rtseg run` does it, and then each
frame's captures are counted; the sector is the whole frame, since one that moves makes other graphs necessary.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import networks
import numpy as np
from emulated import compiler
from emulated.driver import device, pycuda_driver, tensorrt_runtime
from emulated.engine import plans

from rtseg.frame import Frame, StreamInfo
from rtseg.kernels.runtime import cuda
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL

SHAPE = (40, 56)


def captures_of(engine: Any, frames: int, reset_every: int) -> dict[str, int]:
    """Run a stream on an engine, and return its captures: in all, in the warm-up, and after it."""
    counted = count_captures()
    session = Session(engine, temporal=DEFAULT_TEMPORAL, locator=WholeFrame())
    session.warm_up(StreamInfo(SHAPE[0], SHAPE[1], fps=25.0))
    in_warm_up, random = counted[0], np.random.default_rng(3)
    for index in range(frames):
        image = random.integers(0, 90, SHAPE, np.uint8)
        image[4 + index % 12 : 20 + index % 12, 10:30] = 220
        if reset_every and index and index % reset_every == 0:
            session.reset("asked")
        session.step(Frame(image, index, 0))
    session.close()
    return {"frames": frames, "reset_every": reset_every, "captures": counted[0], "after_warm_up": counted[0] - in_warm_up}


def count_captures() -> list[int]:
    """Return a list of one number: the graphs that are captured from now on."""
    from rtseg.engines.tensorrt import cuda_graph

    capture, counted = cuda_graph.CudaGraph, [0]

    def counting(*arguments: Any) -> Any:
        counted[0] += 1
        return capture(*arguments)

    cuda_graph.CudaGraph = counting  # type: ignore[misc, assignment]
    return counted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=160)
    parser.add_argument("--reset-every", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="write JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = emulated_captures(Path(folder), chosen.frames, chosen.reset_every)
    sys.stdout.write(
        json.dumps(found) + "\n" if chosen.json else "".join(f"{name}: {value}\n" for name, value in found.items())
    )
    return 0


def emulated_captures(folder: Path, frames: int, reset_every: int) -> dict[str, int]:
    """Count the captures on an emulated GPU whose kernels are compiled into a folder."""
    cuda.LIBRARY_PATH = compiler.shared_library(folder, compiler.sources(), *compiler.PLAIN)
    pycuda = ModuleType("pycuda")
    pycuda.driver = pycuda_driver  # type: ignore[attr-defined]
    sys.modules |= {"pycuda": pycuda, "pycuda.driver": pycuda_driver, "tensorrt": tensorrt_runtime}
    device.set_current_gpu(device.EmulatedGpu(cuda.LIBRARY_PATH))
    engine = plans.engine_of(networks.recurrent(folder / "tiny.onnx"))
    try:
        return captures_of(engine, frames, reset_every)
    finally:
        engine.close()


if __name__ == "__main__":
    sys.exit(main())
