"""How many threads OpenCV and our kernels have in a process that runs a line."""

import cv2

from rtseg.kernels.runtime.cpu import in_company


def leave_cores() -> None:
    """OpenCV one and small kernels one, since the engine and the decoder have threads enough, and a late one is waited for.

    Measured on 2 cores: p99 of the stage in which OpenCV finds the motion 6.8 ms before and 1.6 after, p50 alike; p99 of
    preprocessing 3.7 and 0.6 ms.
    """
    cv2.setNumThreads(1)
    in_company()
