"""How many threads OpenCV has in a process of ours."""

import cv2


def calm_opencv() -> None:
    """One: beside an engine's and a decoder's, a pool of its own waits for a core that others have.

    Measured on 2 cores: p99 of the stage in which OpenCV finds the motion 6.8 ms with the pool and 1.6 without, p50 alike.
    """
    cv2.setNumThreads(1)
