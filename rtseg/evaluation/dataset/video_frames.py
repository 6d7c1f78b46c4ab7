"""Reads single frames of a dataset's videos, in order of time without decoding a frame twice."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import DatasetError, RtsegError
from rtseg.frame import Frame, Image
from rtseg.sources import open_source


class VideoFrames:
    """Decodes a video frame by frame; an earlier frame than the last one starts it again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: Iterator[Frame] = iter(())
        self._next, self._last = 0, np.zeros((0, 0), np.uint8)

    def read(self, frame: int) -> Image:
        """Return a frame, (H, W) gray or (H, W, 3) RGB, by its index from 0. Raises DatasetError."""
        try:
            if frame < self._next - 1 or not self._next:
                self._frames, self._next = iter(open_source(str(self._path))), 0
            while self._next <= frame:
                self._last, self._next = next(self._frames).image, self._next + 1
        except StopIteration:
            raise DatasetError(f"{self._path} has {self._next} frames, and a mask is of frame {frame}: remove it") from None
        except RtsegError as error:
            raise DatasetError(str(error)) from None
        return self._last


def read_frame(path: Path, frame: int) -> Image:
    """Read a frame of a video, (H, W) gray or (H, W, 3) BGR. Raises DatasetError."""
    image = _video(path).read(frame)
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)


@lru_cache(maxsize=1)
def frame_count(path: Path) -> int:
    """Return the number of frames of a video, by decoding it. Raises DatasetError."""
    try:
        return sum(1 for _ in open_source(str(path)))
    except RtsegError as error:
        raise DatasetError(str(error)) from None


@lru_cache(maxsize=2)  # the videos of a dataset are read one after another
def _video(path: Path) -> VideoFrames:
    return VideoFrames(path)
