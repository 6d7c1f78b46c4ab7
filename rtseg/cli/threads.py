"""Limits the threads of OpenCV and of small kernels in a process that runs a pipeline."""

import cv2

from rtseg.kernels.runtime.cpu import in_company


def leave_cores() -> None:
    """Give OpenCV one thread and run small kernels on one core.

    The engine and the decoder occupy the other cores, and one delayed worker thread would stall the whole call.
    """
    cv2.setNumThreads(1)
    in_company()
