"""Trace the border of a mask along the edges of its pixels, as closed polygons."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Contour: TypeAlias = npt.NDArray[np.float32]  # (N, 2) corners: row, column in pixels; the middle of the first pixel is (0, 0)
_Indices: TypeAlias = npt.NDArray[np.intp]

_TURNS = (3, 0, 1)  # left, straight on, right: a left turn where pixels touch at a corner keeps them in one region


def trace_contours(mask: npt.NDArray[np.bool_]) -> tuple[Contour, ...]:
    """Return the closed polygons around the regions of a mask (H, W) bool, and around their holes.

    The corners lie between the pixels, at halves. A region goes clockwise on the screen and a hole the other way round, so that
    the areas of all polygons by the shoelace formula add up to the number of pixels. Pixels that touch at a corner are one
    region. Cracks between pixels are followed as by V. Kovalevsky, "Finite topology as applied to image analysis" (1989).
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return ()
    part = np.pad(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    is_edge = _edges(part)
    width = is_edge.shape[2]
    following, edges = _following_edges(is_edge.reshape(4, -1), (1, width, -1, -width))
    offset = np.array((rows[0] - 1.5, columns[0] - 1.5))
    places = is_edge.shape[1] * width
    rings = (_corners(ring, following, places) for ring in _rings(edges, following))
    return tuple((np.stack(np.divmod(ring, width), 1) + offset).astype(np.float32) for ring in rings)


def _edges(part: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which pixel edges lie on the border, (4, H + 1, W + 1) by direction (right, down, left, up) and first corner.

    The region is to the right of each edge. part: a mask without pixels at its own border.
    """
    height, width = part.shape
    found = np.zeros((4, height + 1, width + 1), bool)
    found[0, 1:-1, :-1] = part[1:] & ~part[:-1]  # along the upper side of a pixel
    found[1, :-1, 1:-1] = part[:, :-1] & ~part[:, 1:]  # down its right side
    found[2, 1:-1, 1:] = part[:-1] & ~part[1:]  # back along its lower side
    found[3, 1:, 1:-1] = part[:, 1:] & ~part[:, :-1]  # up its left side
    return found


def _following_edges(is_edge: npt.NDArray[np.bool_], steps: tuple[int, ...]) -> tuple[_Indices, _Indices]:
    """Return the edge that follows each edge, by index into the flattened edges (0 elsewhere), and the edges themselves."""
    places = is_edge.shape[1]
    directions, corners = np.nonzero(is_edge)
    ends = corners + np.array(steps)[directions]
    following = np.zeros(is_edge.size, np.intp)
    edges = directions * places + corners
    for turn in reversed(_TURNS):  # the first turn that there is wins
        turned = (directions + turn) % 4
        there = is_edge[turned, ends]
        following[edges[there]] = (turned * places + ends)[there]
    return following, edges


def _rings(edges: _Indices, following: _Indices) -> list[_Indices]:
    """Return the edges of each closed line, in order."""
    left, found = dict(zip(edges.tolist(), following[edges].tolist(), strict=True)), list[_Indices]()
    while left:
        ring, at = list[int](), next(iter(left))
        while at in left:
            ring.append(at)
            at = left.pop(at)
        found.append(np.array(ring, np.intp))
    return found


def _corners(ring: _Indices, following: _Indices, places: int) -> _Indices:
    """Return the corners of a closed line where it changes direction."""
    nexts = following[ring]
    corners: _Indices = nexts[nexts // places != ring // places] % places
    return corners
