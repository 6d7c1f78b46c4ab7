"""Decodes a video on the emulated NVDEC: `python -m emulated.nvdec VIDEO OUT`, with our libraries on LD_LIBRARY_PATH.

Prints the log, and the error if there is one; the images are saved to OUT, an .npz file.
"""

import logging
import sys

import numpy as np

from rtseg.errors import RtsegError
from rtseg.sources import open_source


def main(video: str, out: str) -> int:
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    images = []
    try:
        images.extend(frame.image for frame in open_source(video))
    except RtsegError as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
    np.savez(out, *images)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
