"""Turns the boxes and mask prototypes of an Ultralytics -seg network into one mask of logits for each class.

Bolya et al., YOLACT, ICCV 2019: a mask is a linear combination of prototypes, cropped to its box. A class's mask is the union
of its instances, so that doubles need no suppression.
"""

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.25  # the least score of an instance, the default of Ultralytics
MOST_INSTANCES = 100
OUTSIDE = np.float32(-14.0)  # the logit outside every box

Floats = npt.NDArray[np.float32]


def class_logits(boxes: Floats, prototypes: Floats, classes: int, size: tuple[int, int]) -> Floats:
    """Return logits (1, classes + 1, h, w), with 0 for the background.

    boxes: (1, 4 + classes + P, N): center x, center y, width, height in input pixels, a score for each class, and the
    coefficients of the prototypes; or (1, N, 5 + classes + P), with the score of any object before those of the classes, as of
    YOLOv5. prototypes: (1, P, h, w). size: (H, W) of the input.
    """
    planes = np.asarray(prototypes[0], np.float32)
    rows, scores = _rows(np.asarray(boxes[0], np.float32), classes, len(planes))
    result = np.full((1, classes + 1, *planes.shape[1:]), OUTSIDE, np.float32)
    result[0, 0] = 0
    found = np.flatnonzero(scores.max(1) > CONFIDENCE)
    found = found[np.argsort(-scores[found].max(1), kind="stable")][:MOST_INSTANCES]
    for row in found[::-1]:
        kind = int(scores[row].argmax())
        mask = np.tensordot(rows[row, -len(planes) :], planes, 1)
        part = _box(rows[row, :4], planes.shape[1:], size)
        plane = result[0, kind + 1][part]
        np.maximum(plane, mask[part], out=plane)
    return result


def _rows(boxes: Floats, classes: int, prototypes: int) -> tuple[Floats, Floats]:
    """Return a row for each box, and its scores of the classes (N, classes)."""
    if boxes.shape[0] == 4 + classes + prototypes:
        return boxes.T, boxes.T[:, 4 : 4 + classes]
    return boxes, boxes[:, 5 : 5 + classes] * boxes[:, 4:5]


def _box(box: Floats, shape: tuple[int, ...], size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of a mask inside a box."""
    x, y, width, height = (float(value) for value in box)
    down, along = shape[0] / size[0], shape[1] / size[1]
    ends = [(y - height / 2) * down, (y + height / 2) * down, (x - width / 2) * along, (x + width / 2) * along]
    top, bottom, left, right = (max(0, round(end)) for end in ends)
    return slice(top, max(bottom, top)), slice(left, max(right, left))
