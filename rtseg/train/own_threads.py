"""Sets the threads of torch and OpenCV for a training, and restores them."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch


@contextmanager
def own_threads(threads: int) -> Iterator[None]:
    """Give torch `threads` threads and OpenCV one inside the context: the clips are drawn in a separate thread."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
