"""Recognizes networks that give instances: boxes with mask prototypes, or queries with masks."""

from collections.abc import Mapping
from typing import Any

from rtseg.engines.adopt.network_graph import NetworkGraph, Shape, shape_of
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.errors import ModelError

_STRIDES = (8, 16, 32)  # of the three grids of YOLO
_ANCHORS = 3  # for each place of a grid, in YOLOv5 and YOLOv7


def find_instances(
    graph: NetworkGraph, answers: Mapping[str, Any], size: tuple[int, int], stated: StatedFacts
) -> tuple[str, str, int] | None:
    """Return the outputs with boxes and with mask prototypes (1, P, h, w), and the number of classes; None without these.

    The boxes are (1, 4 + classes + P, N) as of YOLOv8 and 11, or (1, N, 5 + classes + P) as of YOLOv5 and 7. Raises ModelError
    for other instances, whose masks must not be taken for classes.
    """
    shapes = {name: shape_of(tensor) or () for name, tensor in answers.items()}
    rows = [name for name, shape in shapes.items() if len(shape) == 3]
    planes = [name for name, shape in shapes.items() if len(shape) == 4 and shape[1] > 1]
    if stated.output and stated.output not in rows:
        return None
    if len(rows) == len(planes) == 1:
        classes = _classes(shapes[rows[0]], shapes[planes[0]][1], size)
        if classes > 0:
            return rows[0], planes[0], classes
    for name in rows:
        for plane in planes:
            if _are_instances(shapes[name], shapes[plane], size):
                raise ModelError(
                    f"{graph.path} gives instances ({name} {shapes[name]}, {plane} {shapes[plane]}) in a form that rtseg does "
                    f"not read: export it as Ultralytics does for YOLOv8 and 11, without NMS, or as one mask for each class"
                )
    return None


def _classes(boxes: Shape, prototypes: int, size: tuple[int, int]) -> int:
    """Return the number of classes of boxes of YOLO, 0 for other rows."""
    places = sum((size[0] // stride) * (size[1] // stride) for stride in _STRIDES)
    if boxes[2] == places:
        return boxes[1] - 4 - prototypes
    return boxes[2] - 5 - prototypes if boxes[1] == _ANCHORS * places else 0


def _are_instances(rows: Shape, planes: Shape, size: tuple[int, int]) -> bool:
    """Return whether rows go with masks: a coefficient for each prototype beside box, score and class, or a query for each."""
    _, first, second = rows
    count = planes[1]
    is_picture = abs(first * size[1] - second * size[0]) <= max(size)  # a mask of (1, H, W) beside channels
    return not is_picture and (count in (first, second) or min(first, second) in range(count + 5, count + 90))
