"""Compare the overlay with supervision's MaskAnnotator, where installed; supervision is no dependency of rtseg."""

from time import thread_time_ns

import cv2
import numpy as np
import pytest

from rtseg import kernels
from rtseg.kernels.runtime import cases, cpu

sv = pytest.importorskip("supervision", reason="pip install supervision, to compare with it")

PALETTE = np.array([(230, 60, 60), (60, 200, 90)], np.uint8)
OPACITY = 0.4


class SupervisionAnnotator:
    """Draws by supervision's MaskAnnotator into a copy of the frame; the labels are split into masks in advance."""

    def __init__(self, labels: np.ndarray) -> None:
        masks = np.stack([labels == label for label in (1, 2)])
        colours = sv.ColorPalette(
            [sv.Color(*map(int, colour[::-1])) for colour in PALETTE]
        )  # supervision draws in BGR, and our frame is RGB
        self._annotator = sv.MaskAnnotator(color=colours, opacity=OPACITY, color_lookup=sv.ColorLookup.CLASS)
        self._detections = sv.Detections(sv.mask_to_xyxy(masks), mask=masks, class_id=np.arange(2))

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        return self._annotator.annotate(frame.copy(), self._detections)


def scene(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame (H, W, 3) uint8, and labels of two adjacent organs that cover an eighth of it."""
    frame = np.asarray(cv2.cvtColor(cases.speckle(shape), cv2.COLOR_GRAY2RGB))
    labels = np.zeros(shape, np.uint8)
    for label, along in [(1, 0.3), (2, 0.7)]:
        centre, axes = (round(along * shape[1]), shape[0] // 2), (shape[1] // 8, shape[0] // 6)
        cv2.ellipse(labels, centre, axes, 0, 0, 360, label, -1)
    return frame, labels


def test_both_paint_the_same_fill():
    frame, labels = scene((120, 161))
    ours, theirs = kernels.blend(frame, labels, PALETTE, OPACITY, 0), SupervisionAnnotator(labels)(frame)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert not np.array_equal(ours, frame)


def cpu_ns(call) -> int:
    """Return the minimum CPU time of a call on one core, which other load on the machine does not lengthen."""
    times = []
    for _ in range(15):
        started_ns = thread_time_ns()
        call()
        times.append(thread_time_ns() - started_ns)
    return min(times)


def test_blend_takes_a_third_of_the_time_or_less(monkeypatch):
    monkeypatch.setattr(cpu, "cores", lambda: 1)
    frame, labels = scene((720, 1280))
    out, annotate = np.empty_like(frame), SupervisionAnnotator(labels)
    ours = cpu_ns(lambda: kernels.blend(frame, labels, PALETTE, OPACITY, out=out))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        theirs = cpu_ns(lambda: annotate(frame))
    finally:
        cv2.setNumThreads(threads)
    assert theirs > 3 * ours
