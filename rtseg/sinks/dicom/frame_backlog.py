"""Holds the results that wait to be coded: a few in memory, and further ones of a live stream on disk."""

from collections import deque
from dataclasses import replace
from pathlib import Path
from threading import Condition

import numpy as np

from rtseg.result import Result
from rtseg.sinks.dicom.unnamed_file import UnnamedFile

_ROOM = 8  # results in memory
_BLANK = np.zeros((1, 1), np.uint8)  # in place of a picture that lies on disk


class FrameBacklog:
    """Passes results from the thread of a stream to the one that codes them, in order, and loses none.

    A live stream never blocks: what does not fit into memory is written to a file without a name, unaltered. A file blocks
    until there is room. folder: on whose disk that file lies.
    """

    def __init__(self, folder: Path, *, is_live: bool) -> None:
        self._is_live, self._changed, self._is_finished = is_live, Condition(), False
        self._inside, self._outside = deque[Result](), deque[tuple[Result, int, tuple[int, ...]]]()
        self._file = UnnamedFile(folder)
        self.spilled = 0  # results that went to the disk

    def put(self, result: Result) -> None:
        """Add a result. Raises OSError where the disk is full."""
        with self._changed:
            if self._is_live and (self._outside or len(self._inside) >= _ROOM):
                self._spill(result)
            else:
                self._changed.wait_for(lambda: len(self._inside) < _ROOM)
                self._inside.append(result)
            self._changed.notify_all()

    def _spill(self, result: Result) -> None:
        image, labels = result.frame.image, result.segmentation.labels
        at = self._file.size
        self._file.append(np.ascontiguousarray(image).data, np.ascontiguousarray(labels).data)
        blank = replace(
            result, frame=replace(result.frame, image=_BLANK), segmentation=replace(result.segmentation, labels=_BLANK)
        )
        self._outside.append((blank, at, image.shape))
        self.spilled += 1

    def get(self) -> Result | None:
        """Return the next result; None after the last one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._inside or self._outside or self._is_finished))
            result = self._inside.popleft() if self._inside else self._unspilled() if self._outside else None
            self._changed.notify_all()
            return result

    def _unspilled(self) -> Result:
        blank, at, shape = self._outside.popleft()
        size, pixels = int(np.prod(shape)), shape[0] * shape[1]
        image = np.frombuffer(self._file.read(at, size), np.uint8).reshape(shape)
        labels = np.frombuffer(self._file.read(at + size, pixels), np.uint8).reshape(shape[:2])
        if not self._outside:
            self._file.cut(0)
        return replace(blank, frame=replace(blank.frame, image=image), segmentation=replace(blank.segmentation, labels=labels))

    def finish(self) -> None:
        """Let `get` return None once all results are taken."""
        with self._changed:
            self._is_finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
