"""Force faults on the GPU, and see that the next engine answers for the very frame.

python -m rtseg.demos.gpu.faults [MODEL]
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice

import numpy as np

from rtseg import open_source
from rtseg.engines.base import Engine
from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.load import load_engine
from rtseg.errors import RtsegError
from rtseg.frame import Frame
from rtseg.session.session import Session

AT = 12  # the frame at which the fault happens

Fault = Callable[[], None]


def read_nowhere() -> None:
    """Read an address that is no memory: CUDA's context is broken from then on."""
    from rtseg.kernels.runtime.cuda import launch
    from rtseg.kernels.runtime.device_array import DeviceArray

    target = DeviceArray((16,), np.uint8)
    nowhere = DeviceArray((16,), np.uint8)
    nowhere.pointer = 1 << 20
    launch("copy", target, nowhere, 16)


def lost_frames(first: Callable[[], Engine], second: Callable[[], Engine], frames: Sequence[Frame], fault: Fault) -> list[int]:
    """Return the indices of the frames without labels, or -1 where the first engine was still at work after the fault."""
    engine = FailoverEngine([("first", first), ("second", second)])
    session, lost = Session(engine), []
    for number, frame in enumerate(frames):
        if number == AT:
            fault()
        found = session.step(frame)
        if found.labels.shape != frame.image.shape[:2]:
            lost.append(frame.index)
    session.close()
    return lost if engine.name == "second" else [-1, *lost]


def main(model: str = "carotid") -> int:
    """Print the result and return the exit status: 0 when no frame was lost."""
    try:
        from rtseg.demos.gpu.plans import open_cached

        with closing(open_source("clip:carotid")) as source:
            frames = list(islice(source, 2 * AT))
        lost = lost_frames(lambda: open_cached(model), lambda: load_engine(model), frames, read_nowhere)
    except RtsegError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write("no frame was lost, and OpenVINO took over\n" if not lost else f"lost or not taken over: {lost}\n")
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
