"""Compare pictures tile by tile: where one changed, and where it holds edges, white or colored pixels that it did not hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.session.sector.evidence import BinaryImage, GrayImage

TileMask: TypeAlias = npt.NDArray[np.bool_]  # (h, w): one value a tile
TileCounts: TypeAlias = npt.NDArray[np.int16]  # (kinds, h, w): share of a tile's pixels in 255ths

_MIN_SIDE, _TILES_HIGH = 16, 30  # pixels of a tile's side; tiles from the top to the bottom of a larger frame
_CHANGED_LEVELS = 12  # gray levels by which a pixel differs from before: more than a codec's noise
_CHANGED_SHARE = 3  # 255ths of a tile's pixels that must differ more; in a tile of 16 pixels, four of them
_NEW_EDGE_LEVELS = 24  # gray levels by which an edge must exceed those near it before: letters stand out by more
_EDGE_REACH = 7  # pixels within which an edge may have moved, for a frame of 480 lines
_EDGE_LEVELS = 48  # gray levels between neighbors at a strong edge
_WHITE_LEVEL, _COLOR_LEVELS = 225, 60  # gray levels from which a pixel is white; levels between its channels in a color
_HEADROOM, _MIN_HEADROOM = 0.3, 6  # share, and 255ths of the pixels, by which these may grow
_DECAY = 0.9  # of what was seen before, at each search


@dataclass(frozen=True, slots=True)
class SeenContent:
    """Holds what a search has seen: content that a later picture may show without being searched."""

    picture: Image
    """The newest picture that was searched."""
    edges: GrayImage
    """(H, W) strength of the strongest edge near each pixel, in gray levels."""
    counts: TileCounts
    """Limits of the shares of strong edges, of white and of colored pixels in each tile."""


class TileGrid:
    """Divides frames of one size (H, W) into square tiles."""

    def __init__(self, height: int, width: int) -> None:
        self.size = height, width
        self.side = max(_MIN_SIDE, 8 * round(height / _TILES_HIGH / 8))
        self.shape = -(-height // self.side), -(-width // self.side)

    def changed(self, picture: Image, before: Image, uncounted: BinaryImage | None = None) -> TileMask:
        """Return the tiles in which two pictures of the grid's size differ. uncounted: 255 on pixels that do not count."""
        _, far = cv2.threshold(cv2.absdiff(picture, before), _CHANGED_LEVELS, 255, cv2.THRESH_BINARY)
        shares = self._shares(np.asarray(far, np.uint8), uncounted)
        return np.asarray(shares > _CHANGED_SHARE, np.bool_)

    def see(self, pictures: Sequence[Image], letters: BinaryImage, before: SeenContent | None) -> SeenContent:
        """Return the content of the newest pictures, the newest last, that were searched, without the letters that were found.

        before: what was seen until then, which fades.
        """
        edges, counts = _edges(pictures[0]), self._counts(pictures[0], letters)
        for picture in pictures[1:]:
            edges = np.asarray(cv2.max(edges, _edges(picture)), np.uint8)
            counts = np.maximum(counts, self._counts(picture, letters))
        reach = 2 * round(_EDGE_REACH * max(1.0, self.size[0] / 480) / 2) + 1
        edges = np.asarray(cv2.dilate(edges, np.ones((reach, reach), np.uint8)), np.uint8)
        limits = (_at_least_as_around(counts) * (1 + _HEADROOM) + _MIN_HEADROOM).astype(np.int16)
        if before is not None:
            edges = np.asarray(cv2.max(edges, cv2.convertScaleAbs(before.edges, alpha=_DECAY)), np.uint8)
            limits = np.maximum(limits, (before.counts * _DECAY).astype(np.int16))
        return SeenContent(pictures[-1], edges, limits)

    def unseen(self, picture: Image, seen: SeenContent, letters: BinaryImage) -> TileMask:
        """Return the tiles of a picture that changed, and hold more than was seen; letters are not looked at."""
        changed = self.changed(picture, seen.picture, letters)
        if not changed.any():
            return changed
        new = self._shares(_above(np.asarray(cv2.subtract(_edges(picture), seen.edges), np.uint8), _NEW_EDGE_LEVELS), letters)
        more = (self._counts(picture, letters) > seen.counts).any(axis=0)
        unseen = changed & ((new > _CHANGED_SHARE) | more)
        around = cv2.dilate(unseen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        return np.asarray(unseen | (around & (new > 0)), np.bool_)

    def _counts(self, picture: Image, letters: BinaryImage) -> TileCounts:
        """Return the share of strong edges, of white and of colored pixels in each tile, which letters add to."""
        gray, color = _brightness(picture), np.zeros(self.size, np.uint8)
        if picture.ndim == 3:
            red, green, blue = cv2.split(picture)
            color = np.asarray(cv2.subtract(gray, cv2.min(cv2.min(red, green), blue)), np.uint8)
        pairs = (_edges(picture), _EDGE_LEVELS), (gray, _WHITE_LEVEL), (color, _COLOR_LEVELS)
        return np.stack([self._shares(_above(plane, levels), letters) for plane, levels in pairs]).astype(np.int16)

    def as_mask(self, tiles: TileMask) -> BinaryImage:
        """Return the pixels of some tiles, (H, W), 255 inside and 0 outside."""
        height, width = self.shape[0] * self.side, self.shape[1] * self.side
        mask = cv2.resize(tiles.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_NEAREST)
        return np.ascontiguousarray(mask[: self.size[0], : self.size[1]], np.uint8)

    def _shares(self, flags: BinaryImage, uncounted: BinaryImage | None) -> GrayImage:
        """Return the share of pixels that are set in a mask (H, W) or, in any channel, (H, W, 3), in 255ths: (h, w)."""
        if flags.ndim == 3:
            red, green, blue = cv2.split(flags)
            flags = np.asarray(cv2.bitwise_or(cv2.bitwise_or(red, green), blue), np.uint8)
        if uncounted is not None:
            flags = np.asarray(cv2.subtract(flags, uncounted), np.uint8)
        return np.asarray(cv2.resize(self._pad(flags), self.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)

    def _pad(self, plane: BinaryImage) -> BinaryImage:
        below, right = self.shape[0] * self.side - plane.shape[0], self.shape[1] * self.side - plane.shape[1]
        if not below and not right:
            return plane
        return np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_CONSTANT, value=0), np.uint8)


def _at_least_as_around(counts: TileCounts) -> TileCounts:
    """Return counts (kinds, h, w) that are no lower than the mean of the tiles around: speckle moves to the next tile."""
    means = np.stack([cv2.blur(one.astype(np.float32), (3, 3)) for one in counts])
    return np.maximum(counts, means.round().astype(np.int16))


def _above(plane: GrayImage, levels: int) -> BinaryImage:
    return np.asarray(cv2.threshold(plane, levels, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _edges(picture: Image) -> GrayImage:
    """Return the largest difference between the neighbors of each pixel, in any channel, (H, W)."""
    return _brightness(np.asarray(cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), np.uint8))


def _brightness(picture: Image) -> GrayImage:
    if picture.ndim == 2:
        return picture
    red, green, blue = cv2.split(picture)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)
