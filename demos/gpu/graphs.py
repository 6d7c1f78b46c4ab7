"""Compare a model's masks in CUDA graphs with those of the same work without graphs, bit for bit, resets included.

python -m rtseg.demos.gpu.graphs [MODEL [PRECISION]]
"""

import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from itertools import islice

from rtseg import open_source
from rtseg.engines.base import Engine
from rtseg.errors import RtsegError
from rtseg.frame import Frame
from rtseg.session.session import Session

FRAMES, RESET_EVERY = 120, 25  # an odd number, so that each side of the states and each upload slot meets a reset


def differing_frames(with_graphs: Engine, without: Engine, frames: Iterable[Frame]) -> list[int]:
    """Return the indices of the frames whose labels differ."""
    sessions, differing = (Session(with_graphs), Session(without)), []
    for number, frame in enumerate(frames):
        if number and number % RESET_EVERY == 0:
            for session in sessions:
                session.reset("asked")
        own, other = (session.step(frame).labels.copy() for session in sessions)
        if (own != other).any():
            differing.append(frame.index)
    return differing


def main(model: str = "carotid", precision: str = "") -> int:
    """Print the result and return the exit status: 0 when no pixel differs."""
    try:
        from rtseg.demos.gpu.plans import open_cached

        with ExitStack() as stack:
            first = stack.enter_context(closing(open_cached(model, precision)))
            second = stack.enter_context(closing(open_cached(model, precision, graphs=False)))
            source = stack.enter_context(closing(open_source("clip:carotid")))
            differing = differing_frames(first, second, islice(source, FRAMES))
    except RtsegError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{model}: {len(differing)} frames differ with and without graphs {differing[:10]}\n")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
