"""Find the strokes of letters, icons and measuring marks, single ones too, which a detector of lines of text overlooks.

A screen draws its letters on a ground of one color, and they stand still; ultrasound has neither a flat ground nor, while
it lives, a still stroke. Both are measured over the newest few frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Mask
from rtseg.session.sector.evidence import BinaryImage, GrayImage

Sums: TypeAlias = npt.NDArray[np.int32]

MIN_HISTORY = 4  # frames from which motion is meaningful

_BASE_HEIGHT = 480  # pixels of a frame for which the sizes below hold; they grow with the frame
_FLAT_LEVELS, _MAX_FLAT_LEVELS = 4, 8  # gray levels between neighbors on flat ground, without and with a grabber's noise
_FLATTEST = 5  # percent of the pixels that are supposed to be flat ground
_EDGE_LEVELS = 20  # gray levels between neighbors at a stroke
_MIN_FLAT_SHARE = 0.3  # share of the ground around a stroke
_GROUND_SIDE = 25  # pixels: a letter and the ground around it
_STROKE_SIDE = 9  # pixels: wider than a stroke, narrower than a letter
_CALM_LEVELS = 32  # gray levels over the newest frames up to which a pixel stands still, however noisy the grabber
_LIVING_LEVELS, _LIVING_SHARE = 12, 0.3  # gray levels over the newest frames, and share of the pixels, in living tissue
_STILL_CONTRAST = 60  # gray levels by which a still stroke stands out of the mean of living tissue
_COLOR_LEVELS = 70  # levels between the channels of a colored stroke
_WHITE_LEVEL, _WHITE_CONTRAST = 232, 90  # gray levels of a white stroke, and its contrast
_CALMER = 5  # times the mean range around it must exceed that of a still pixel
_MIN_MARK_PIXELS = 4  # pixels of a connected part of a letter
_MAX_LONE, _RING, _LONE_SHARE = 48, 5, 0.8  # pixels of a lone word and of the ring around it, and the ring's flat share
_MARGIN = 5  # pixels around a stroke, both sides together
_MAX_MARK = 64  # pixels: the height of a letter or of a mark
_GROUND_MARGIN = 12  # pixels of flat ground around a line that are black too: the height of a letter
_MIN_PATCH = 7  # pixels: the side of the smallest patch of flat ground
_SLIVER = 16  # pixels: ground that is left beside lines and narrower than this is black, so that no outline reads as a letter


@dataclass(frozen=True, slots=True)
class RecentPictures:
    """Holds the newest picture of a stream with its mean and its range over the newest few."""

    newest: Image  # (H, W) or (H, W, 3)
    mean: Image  # the newest picture itself while there are too few
    spread: GrayImage | None  # (H, W) largest less smallest value of a pixel; None while there are too few


def summarize(pictures: Sequence[Image]) -> RecentPictures:
    """Summarize the newest pictures of a stream, all of one shape, the newest last."""
    newest = pictures[-1]
    if len(pictures) < MIN_HISTORY:
        return RecentPictures(newest, newest, None)
    low = high = newest
    total = np.zeros(newest.shape, np.float32)
    for picture in pictures:
        low, high = np.asarray(cv2.min(low, picture), np.uint8), np.asarray(cv2.max(high, picture), np.uint8)
        cv2.accumulate(picture, total)
    mean = np.asarray(cv2.convertScaleAbs(total, alpha=1 / len(pictures)), np.uint8)
    return RecentPictures(newest, mean, _brightest_channel(np.asarray(cv2.subtract(high, low), np.uint8)))


def find_strokes(recent: RecentPictures, *, thorough: bool = False) -> BinaryImage:
    """Return the strokes of letters and marks over ultrasound with a margin, (H, W), 0 or 255.

    thorough: find white strokes in a single frame too, at the price of some bright echoes.
    """
    scale = _scale_of(recent)
    found = _colored_strokes(recent.newest, scale)
    if recent.spread is not None:
        found |= _still_strokes(_gray(recent.mean), recent.spread, scale)
    if thorough:
        found |= _white_strokes(_gray(recent.newest), scale)
    return _with_margin(found, scale)


def find_strokes_on_ground(recent: RecentPictures) -> BinaryImage:
    """Return the strokes around which much of the picture is flat, unless they move, with a margin, (H, W), 0 or 255."""
    scale, (edges, flat) = _scale_of(recent), _edges_and_ground(recent)
    share = cv2.blur(flat.astype(np.float32), (_odd(_GROUND_SIDE * scale),) * 2)
    return _with_margin(edges & (share >= _MIN_FLAT_SHARE), scale)


def find_lone_marks(recent: RecentPictures) -> BinaryImage:
    """Return the single letters and short words that stand alone on flat ground, with a margin, (H, W), 0 or 255.

    The wall of a vessel stands on flat ground on one side, and is longer.
    """
    scale, (edges, flat) = _scale_of(recent), _edges_and_ground(recent)
    joined = cv2.dilate(edges.astype(np.uint8), _square(3))
    _, parts, measured, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    stats, ring = np.asarray(measured, np.int32), max(3, round(_RING * scale))
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    sums = np.asarray(cv2.integral(flat.astype(np.uint8)), np.int32)
    outer, outer_area = _box_sums(sums, left - ring, top - ring, right + ring, bottom + ring)
    inner, inner_area = _box_sums(sums, left, top, right, bottom)
    fits = (bottom - top <= _MAX_LONE * scale) & (right - left <= _MAX_LONE * scale)
    fits &= outer - inner >= _LONE_SHARE * np.maximum(1, outer_area - inner_area)
    fits[0] = False
    return _with_margin(np.asarray(fits[parts], np.bool_), scale)


def widen_over_ground(letters: BinaryImage, recent: RecentPictures) -> BinaryImage:
    """Return letters (H, W), 255 there, with the flat ground around and between them.

    Boxes that end close to the letters leave steps and gaps on a bright ground, into which a reader reads letters. Only flat
    ground is added, so that no tissue is lost.
    """
    scale, (_, flat) = _scale_of(recent), _edges_and_ground(recent)
    patches = cv2.morphologyEx(flat.astype(np.uint8) * np.uint8(255), cv2.MORPH_OPEN, _square(_MIN_PATCH * scale))
    ground = np.asarray(cv2.dilate(patches, _square(3)), np.uint8)  # speckle in the dark has flat spots, but smaller ones
    wide = np.asarray(cv2.bitwise_or(letters, cv2.bitwise_and(_dilated(letters, 2 * _GROUND_MARGIN * scale), ground)), np.uint8)
    rest = np.asarray(cv2.subtract(ground, wide), np.uint8)
    slivers = cv2.subtract(rest, cv2.morphologyEx(rest, cv2.MORPH_OPEN, _square(_SLIVER * scale)))
    near = _dilated(wide, 2 * _SLIVER * scale)
    return np.asarray(cv2.bitwise_or(wide, cv2.bitwise_and(slivers, near)), np.uint8)


def _dilated(mask: BinaryImage, side: float) -> BinaryImage:
    return np.asarray(cv2.dilate(mask, _square(side)), np.uint8)


def _edges_and_ground(recent: RecentPictures) -> tuple[Mask, Mask]:
    """Return the edges that stand still, and the flat ground."""
    local = _brightest_channel(np.asarray(cv2.morphologyEx(recent.mean, cv2.MORPH_GRADIENT, _square(3)), np.uint8))
    levels = min(max(_FLAT_LEVELS, float(np.percentile(local[::4, ::4], _FLATTEST))), _MAX_FLAT_LEVELS)
    still = np.ones(local.shape, np.bool_) if recent.spread is None else recent.spread <= _CALM_LEVELS
    return (local >= _EDGE_LEVELS) & still, (local <= levels) & still


def _box_sums(sums: Sums, left: Sums, top: Sums, right: Sums, bottom: Sums) -> tuple[Sums, Sums]:
    """Return the sums of boxes, clipped to the picture, and their areas. sums: the integral image."""
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    left, right, top, bottom = left.clip(0, width), right.clip(0, width), top.clip(0, height), bottom.clip(0, height)
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return inside, (right - left) * (bottom - top)


def _scale_of(recent: RecentPictures) -> float:
    return max(1.0, float(recent.newest.shape[0]) / _BASE_HEIGHT)


def _with_margin(strokes: Mask, scale: float) -> BinaryImage:
    return np.asarray(cv2.dilate(strokes.astype(np.uint8) * np.uint8(255), _square(_MARGIN * scale)), np.uint8)


def _still_strokes(gray: GrayImage, spread: GrayImage, scale: float) -> Mask:
    """Return what stands out of the mean of living tissue and does not move itself."""
    side = (_odd(_GROUND_SIDE * scale),) * 2
    living = cv2.blur((spread >= _LIVING_LEVELS).astype(np.float32), side) >= _LIVING_SHARE
    calm = (spread <= _CALM_LEVELS) & (spread * np.float32(_CALMER) <= cv2.blur(spread, side))
    return _marks(living & calm & (_contrast(gray, scale) >= _STILL_CONTRAST), scale)


def _colored_strokes(picture: Image, scale: float) -> Mask:
    """Return thin strokes in a color, which no echo has; a Doppler map is wider."""
    if picture.ndim == 2:
        return np.zeros(picture.shape, np.bool_)
    red, green, blue = cv2.split(picture)
    color = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    thin: Mask = cv2.morphologyEx(color, cv2.MORPH_TOPHAT, _square(_STROKE_SIDE * scale)) >= _COLOR_LEVELS
    return thin


def _white_strokes(gray: GrayImage, scale: float) -> Mask:
    """Return white strokes of the size of a letter or a mark."""
    return _marks((gray >= _WHITE_LEVEL) & (_contrast(gray, scale) >= _WHITE_CONTRAST), scale)


def _marks(strokes: Mask, scale: float) -> Mask:
    """Return the connected strokes that are large enough for a part of a letter, and no larger than a mark."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    longest = np.maximum(stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_WIDTH])  # the wall of a vessel is longer
    fits = (stats[:, cv2.CC_STAT_AREA] >= _MIN_MARK_PIXELS * scale) & (longest <= _MAX_MARK * scale)
    fits[0] = False
    return np.asarray(fits[parts], np.bool_)


def _contrast(gray: GrayImage, scale: float) -> GrayImage:
    """Return by how much thin strokes are brighter or darker than what is around them."""
    square = _square(_STROKE_SIDE * scale)
    brighter, darker = (cv2.morphologyEx(gray, way, square) for way in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    return np.asarray(cv2.max(brighter, darker), np.uint8)


def _brightest_channel(picture: Image) -> GrayImage:
    if picture.ndim == 2:
        return picture
    red, green, blue = cv2.split(picture)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _gray(picture: Image) -> GrayImage:
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _square(side: float) -> BinaryImage:
    return np.ones((_odd(side), _odd(side)), np.uint8)


def _odd(side: float) -> int:
    return 2 * round(side / 2) + 1 if side > 3 else 3
