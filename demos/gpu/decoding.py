"""Decode a clip with NVDEC, and fail unless a GPU decoded it, with the CPU's pictures.

python -m rtseg.demos.gpu.decoding [PATH]
"""

import sys
from contextlib import closing
from itertools import islice

import numpy as np

from rtseg import open_source
from rtseg.errors import RtsegError
from rtseg.sources.files.video import VideoFile
from rtseg.sources.pixels.nvdec import unavailable_reason

CLIP = "rtseg/sources/files/clips/carotid.mp4"
FRAMES = 60


def main(path: str = CLIP) -> int:
    """Print the result and return the exit status: 0 when a GPU decoded the same pictures as the CPU."""
    try:
        if problem := unavailable_reason():
            sys.stdout.write(f"{problem}\n")
            return 1
        with closing(open_source(f"{path}#decode=gpu")) as there, closing(open_source(path)) as here:
            pairs = zip(islice(there, FRAMES), islice(here, FRAMES), strict=True)
            same = all(np.array_equal(one.image, other.image) for one, other in pairs)
            by_gpu = isinstance(there, VideoFile) and there.is_decoded_by_gpu
    except RtsegError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write(f"decoded by {'a GPU' if by_gpu else 'the CPU'}, the pictures are {'equal' if same else 'not equal'}\n")
    return not (by_gpu and same)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
