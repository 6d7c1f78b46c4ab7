"""Limits the threads of OpenCV and of small kernels in a process that runs a pipeline."""

import cv2

from rtseg.kernels.runtime.cpu import raise_parallel_threshold


def limit_threads() -> None:
    """Give OpenCV one thread and run small kernels on one core.

    The engine and the decoder occupy the other cores, and one delayed worker thread would stall the whole call.
    """
    cv2.setNumThreads(1)
    raise_parallel_threshold()
