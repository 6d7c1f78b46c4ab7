"""Draws prompts from the truth as a user would give them: a click near the middle, a scribble, a box, or a whole mask."""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.session.prompts import Maps, Point, Prompt, prompt_maps
from rtseg.train.augment import Rng

_KINDS = ("point", "points", "scribble", "box", "mask")
_SHARES = (0.5, 0.1, 0.1, 0.15, 0.15)
_HALVED = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]])  # from pixels of the input to those of the maps


def draw_prompt(truth: npt.NDArray[np.float32], rng: Rng) -> Maps:
    """Return the maps (2, H / 2, W / 2) of a random prompt for an object (H, W), of which some part is at least half."""
    inside = truth >= 0.5
    kind = rng.choice(_KINDS, p=_SHARES)
    if kind == "mask":
        prompt = Prompt(mask=inside)
    elif kind == "box":
        prompt = Prompt(box=_loose_box(inside, rng))
    elif kind == "scribble":
        start, end = _inner_point(inside, rng), _inner_point(inside, rng)
        prompt = Prompt(strokes=((start, end),))
    else:
        points = tuple(_inner_point(inside, rng) for _ in range(1 if kind == "point" else int(rng.integers(2, 4))))
        prompt = Prompt(points, other_points=_outer_points(inside, rng))
    return prompt_maps(prompt, _HALVED, (truth.shape[0] // 2, truth.shape[1] // 2))


def _inner_point(inside: npt.NDArray[np.bool_], rng: Rng) -> Point:
    """Draw a pixel of the object, more often one that is far from its border, as people click."""
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.nonzero(inside)
    weights = depth[rows, columns].astype(np.float64) ** 2
    chosen = int(rng.choice(len(rows), p=weights / weights.sum()))
    return float(columns[chosen]), float(rows[chosen])


def _outer_points(inside: npt.NDArray[np.bool_], rng: Rng) -> tuple[Point, ...]:
    """Draw at times a pixel near the object that does not belong to it."""
    if rng.random() > 0.2:
        return ()
    near = cv2.dilate(inside.astype(np.uint8), np.ones((31, 31), np.uint8)).astype(bool)
    near &= ~cv2.dilate(inside.astype(np.uint8), np.ones((11, 11), np.uint8)).astype(bool)
    rows, columns = np.nonzero(near)
    if not len(rows):
        return ()
    chosen = int(rng.integers(len(rows)))
    return ((float(columns[chosen]), float(rows[chosen])),)


def _loose_box(inside: npt.NDArray[np.bool_], rng: Rng) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(inside)
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    slack = rng.normal(0.03, 0.04, 4) * (right - left, bottom - top, right - left, bottom - top)
    width, height = right - left + slack[0] + slack[2], bottom - top + slack[1] + slack[3]
    return float(left - slack[0]), float(top - slack[1]), max(2.0, float(width)), max(2.0, float(height))
