"""Write made-up screens: `python -m rtseg.sources.synthetic.screens --seed N --count N --out DIR`."""

import argparse
import sys
from pathlib import Path

from rtseg.errors import RtsegError
from rtseg.sources.synthetic.screens.clip_writer import ScreenSet, write_screens
from rtseg.sources.synthetic.screens.layout import HELD_OUT_LAYOUTS, TUNING_LAYOUTS

_SETS = {"all": TUNING_LAYOUTS + HELD_OUT_LAYOUTS, "tuning": TUNING_LAYOUTS, "held-out": HELD_OUT_LAYOUTS}


def main() -> int:
    """Write the clips that the command line describes, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rtseg.sources.synthetic.screens", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="The set follows from it.")
    parser.add_argument("--count", type=int, required=True, help="The number of clips.")
    parser.add_argument("--out", type=Path, required=True, help="The folder of NNN.mp4, NNN.png and NNN.json.")
    parser.add_argument("--layouts", choices=list(_SETS), default="all", help="The layouts that take turns.")
    parser.add_argument("--frames", type=int, default=40, help="The number of frames in each clip.")
    parser.add_argument("--real", type=Path, help="A folder of real pictures to draw tissue from.")
    given = parser.parse_args()
    if min(given.count, given.frames) < 1 or given.seed < 0:
        parser.error("give a count and a number of frames of 1 or more, and a seed of 0 or more")
    try:
        write_screens(ScreenSet(given.seed, given.count, _SETS[given.layouts], given.frames, given.real), given.out)
    except RtsegError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
