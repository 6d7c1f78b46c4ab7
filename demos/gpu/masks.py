"""Compare the masks of TensorRT with OpenVINO's, stabilized as by default, on this machine's GPU.

    python -m rtseg.demos.gpu.masks [MODEL [PRECISION]]

It requires a plan: run `rtseg build MODEL` first.
"""

import sys
from collections.abc import Iterable
from contextlib import closing

import numpy as np

from rtseg import load_engine, open_source
from rtseg.engines.base import Engine
from rtseg.errors import RtsegError
from rtseg.evaluation.metrics import dice
from rtseg.frame import Frame
from rtseg.session.session import Session

CLIP = "clip:carotid"
MIN_DICE = 0.99  # over the clip: recurrent states in FP16 drift from those in FP32


def mean_dice(here: Engine, there: Engine, frames: Iterable[Frame]) -> float:
    """Return the mean Dice of two engines' masks, over the classes that either engine finds; 0 if they find nothing."""
    sessions, dices = (Session(here), Session(there)), list[float]()
    for frame in frames:
        own, other = (session.step(frame).labels for session in sessions)
        dices += [dice(own == label, other == label) for label in {*np.unique(own), *np.unique(other)} - {0}]
    return float(np.mean(dices)) if dices else 0.0


def main(model: str = "carotid", precision: str = "") -> int:
    """Print the result and return the exit status: 0 when the masks agree."""
    try:
        from rtseg.demos.gpu.plans import open_cached

        with closing(open_cached(model, precision)) as here, closing(load_engine(model)) as there:
            found = mean_dice(here, there, open_source(CLIP))
    except RtsegError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{model}: the mean Dice of TensorRT against OpenVINO is {found:.4f}, and {MIN_DICE} is asked\n")
    return not found >= MIN_DICE


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
