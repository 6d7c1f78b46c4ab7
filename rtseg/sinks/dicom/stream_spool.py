"""Holds the coded frames and masks of one stream on disk, and what all of its frames share."""

from array import array
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Labels, Segmentation
from rtseg.probability_planes import ProbabilityPlanes
from rtseg.result import Redaction, Result
from rtseg.sinks.dicom.frame_references import FrameReferences
from rtseg.sinks.dicom.frame_spool import FrameSpool
from rtseg.sinks.dicom.measure_log import MeasureLog
from rtseg.sinks.dicom.segment_frames import SegmentationType, SegmentFrames


class StreamSpool:
    """Collects a stream, frame by frame.

    times_ms: from each frame to the next, the first 0. burned_in: whether text may identify the patient, "YES" or "NO"; ""
    where nobody has looked. left_out: frames of another size than the first one.
    """

    def __init__(
        self, first: Result, folder: Path, *, has_pictures: bool, masks: SegmentationType | None, log: MeasureLog | None = None
    ) -> None:
        self.shape: tuple[int, ...] = first.frame.image.shape
        self.classes = list(first.segmentation.classes)
        self.spacing_mm, self.times_ms = first.segmentation.spacing_mm, array("d")
        self.burned_in, self.left_out = "NO", 0
        self.references, self.pictures = FrameReferences(), FrameSpool(folder)
        self.masks = SegmentFrames(masks, folder) if masks else None
        self.log, self._has_pictures, self._newest_ns, self._first_ns = log, has_pictures, 0, 0

    def add(self, result: Result) -> bool:
        """Add a result; return whether it was kept. Raises OSError where the disk is full; the result is then left out."""
        if result.frame.image.shape[:2] != self.shape[:2]:
            self.left_out += 1
            return False
        checkpoints = [spool.checkpoint() for spool in (self.pictures, self.masks) if spool]
        try:
            self._add_pixels(result)
        except OSError:
            for revert in checkpoints:
                revert()
            raise
        self.references.add(result.frame.origin)
        now_ns = result.frame.captured_ns if result.frame.presentation_ns is None else result.frame.presentation_ns
        self.times_ms.append(max(0.0, (now_ns - self._newest_ns) / 1e6) if self.times_ms else 0.0)
        self._newest_ns, self._first_ns = now_ns, self._first_ns if len(self.times_ms) > 1 else now_ns
        if self.log:
            self.log.add(len(self.times_ms), max(0, now_ns - self._first_ns) / 1e9, result.segmentation)
        self._note_redaction(result.redaction)
        if result.segmentation.spacing_mm != self.spacing_mm:
            self.spacing_mm = None
        return True

    def _add_pixels(self, result: Result) -> None:
        found = result.segmentation
        self.pictures.add(self._as_first(result.frame.image), is_kept=self._has_pictures)
        if self.masks:
            labels = self._renumbered(found.labels, found.classes)
            segments = [self.classes.index(name) + 1 for name in found.classes]
            self.masks.add(len(self.times_ms) + 1, labels, segments, _fitting_planes(found))

    def _note_redaction(self, redaction: Redaction | None) -> None:
        """Note whether a frame may show text that identifies the patient; within a stated sector nobody has looked for it."""
        if redaction is None or redaction.mode == "off" or redaction.exposed:
            self.burned_in = "YES"
        elif redaction.sector == "stated" and self.burned_in == "NO":
            self.burned_in = ""

    def _renumbered(self, labels: Labels, classes: Sequence[str]) -> Labels:
        """Return the labels by the names of the whole stream, since objects that users point at come and go."""
        if list(classes) == self.classes[: len(classes)]:
            return labels
        self.classes += [name for name in classes if name not in self.classes]
        return np.array([0, *(self.classes.index(name) + 1 for name in classes)], np.uint8)[labels]

    def _as_first(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        if image.ndim == len(self.shape):
            return image
        code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_RGB2GRAY
        return np.asarray(cv2.cvtColor(image, code), np.uint8)

    def close(self) -> None:
        """Delete what was collected."""
        self.pictures.close()
        if self.masks:
            self.masks.spool.close()


def _fitting_planes(found: Segmentation) -> ProbabilityPlanes | None:
    """Return the probabilities of the classes; None where they are unknown, as of objects that users point at."""
    is_known = found.planes is not None and found.objects is None and len(found.planes.values) == len(found.classes)
    return found.planes if is_known else None
