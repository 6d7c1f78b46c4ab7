"""Moves a prompt from the pixels of the screen to the scan lines of a fan."""

from dataclasses import replace

import numpy as np

from rtseg import kernels
from rtseg.session.beam_grid import BeamGrid
from rtseg.session.prompts import Point, Prompt

_SIDE_POINTS = 9  # of each side of a box, whose image in the lines is not a box


def prompt_in_lines(prompt: Prompt, grid: BeamGrid) -> Prompt:
    """Return a prompt whose pixels (x, y) are scan lines and samples. A box becomes the one around its image."""
    mask = prompt.mask
    if mask is not None:
        mask = kernels.to_beams(np.where(mask, np.uint8(255), np.uint8(0)), grid.fan, grid.shape) > 127
    return replace(
        prompt,
        points=tuple(_in_lines(point, grid) for point in prompt.points),
        other_points=tuple(_in_lines(point, grid) for point in prompt.other_points),
        strokes=tuple(tuple(_in_lines(point, grid) for point in stroke) for stroke in prompt.strokes),
        box=prompt.box and _box_in_lines(prompt.box, grid),
        mask=mask,
    )


def _in_lines(point: Point, grid: BeamGrid) -> Point:
    """Return the (line, sample) of a pixel (x, y); beyond the fan they go on."""
    fan, (samples, lines) = grid.fan, grid.shape
    along, down = point[0] - fan.apex[1], point[1] - fan.apex[0]
    sample = (np.hypot(down, along) - fan.near) / (fan.far - fan.near) * (samples - 1)
    return float((np.arctan2(along, down) - fan.left) / (fan.right - fan.left) * (lines - 1)), float(sample)


def _box_in_lines(box: tuple[float, float, float, float], grid: BeamGrid) -> tuple[float, float, float, float]:
    left, top, width, height = box
    shares = np.linspace(0, 1, _SIDE_POINTS)
    edge = [
        (left + width * a, top + height * b) for share in shares for a, b in ((share, 0), (share, 1), (0, share), (1, share))
    ]
    moved = np.array([_in_lines(point, grid) for point in edge])
    (first_line, first_sample), (last_line, last_sample) = moved.min(0), moved.max(0)
    return float(first_line), float(first_sample), float(last_line - first_line), float(last_sample - first_sample)
