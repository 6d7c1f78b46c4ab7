"""Decide which colors the three components of a DICOM frame are, and convert them to RGB.

Headers name the colors before or after the coder's own transform, and are often wrong: the frame's markers and its pixels
are looked at.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.sources.files.coded_size import RGB, YBR
from rtseg.sources.files.coded_values import roughness
from rtseg.sources.pixels.intensity import Pixels

PARTIAL = "YBR_PARTIAL"  # luma from 16 to 235
RETIRED_MODELS = ("ARGB", "CMYK", "HSV")  # DICOM PS3.3 C.7.6.3.1.2
_NEUTRAL = 6  # levels of 255 by which a gray pixel may differ
_LEAST_NEUTRAL = 0.2  # share of gray pixels from which they decide
_PROVEN = 0.6  # share of gray pixels under one model that leaves no doubt, where the other has the rest at most
_CLEARLY = 2.0  # ratio of the shares
_MOST_OUTSIDE = 0.05  # share of pixels outside RGB beyond which components are no luma and chroma
_MANY, _STRIDE = 256, 4  # pixels of a side from which each fourth row and column is looked at
_SAME = 0.9  # correlation of two planes of one frame, at least
_FEW_FRAMES = 3  # that are compared
_LEAST_SIDE = 16  # pixels of a frame whose smoothness says something
_FAR_BELOW, _FAR_ABOVE = 8, 245  # luma that coded pixels of partial range reach by ringing alone
_MOST_RINGING = 0.001  # share of such pixels
_FAR_SMOOTHER = 0.5  # ratio of roughness


def color_model(sample: Sequence[Pixels], declared: str, marked: str = "") -> tuple[str, str]:
    """Return RGB, YBR or PARTIAL, and words where the header is contradicted.

    sample: components (H, W, 3) of some frames. declared: the photometric interpretation. marked: the model by the frame's
    own markers, "" where they do not say. Pixels decide where these two are not of one mind, and where they leave no doubt.
    """
    is_partial = declared.startswith(PARTIAL)
    stated = RGB if not declared.startswith("YBR_") or declared in ("YBR_RCT", "YBR_ICT") else YBR
    model = _by_pixels(sample, stated, needs_proof=marked == stated) or marked or stated
    if model == stated and not (is_partial and _is_full_range(sample)):
        return PARTIAL if is_partial else stated, ""
    coded = "red, green and blue" if model == RGB else "luma and chroma in full range" if is_partial else "luma and chroma"
    return model, f"declares its colors as {declared[:16]}, and they are coded as {coded}: read as coded"


def to_rgb(pixels: Pixels, model: str) -> Pixels:
    """Return RGB (H, W, 3) of components in full range of 8 or 16 bits."""
    if model == RGB:
        return pixels
    top = np.iinfo(pixels.dtype).max
    if model == PARTIAL:
        scale = top / 255
        exact = (pixels.astype(np.float32) / scale - (16, 128, 128)) * (255 / 219, 255 / 224, 255 / 224) + (0, 128, 128)
        pixels = np.rint(np.clip(exact, 0, 255) * scale).astype(pixels.dtype)
    converted = cv2.cvtColor(np.ascontiguousarray(pixels[..., (0, 2, 1)]), cv2.COLOR_YCrCb2RGB)
    return np.asarray(converted).astype(pixels.dtype, copy=False)


def is_planar(sample: Sequence[Pixels], *, declared: bool) -> tuple[bool, str]:
    """Return whether components lie in planes, and words where the header is contradicted.

    sample: frames (H, W, 3) as read by the declared order.
    """
    sample = [one for one in sample if min(one.shape[:2]) >= _LEAST_SIDE]
    as_declared = sum(_plane_roughness(one) for one in sample)
    as_other = sum(_plane_roughness(_reordered(one, was_planar=declared)) for one in sample)
    if not sample or as_other >= _FAR_SMOOTHER * as_declared:
        return declared, ""
    order = "pixel by pixel" if declared else "plane by plane"
    return not declared, f"declares another order of its colors than the data have, which come {order}: read so"


def are_by_color(plane: Callable[[int], Pixels], frames: int) -> bool:
    """Return whether all red planes of a file stand in front of all green and all blue ones.

    Gray pixels of one frame are equal in its three planes, and differ in those of other frames where the picture moves; where
    it does not, nothing is proved. plane: returns the plane of a number, from 0 to 3 * frames - 1.
    """
    by_color = by_frame = still = 0
    for place in range(0, frames - 1, max(1, (frames - 1) // _FEW_FRAMES)):
        first = plane(place)
        by_color += _count_equal(first, plane(place + frames), plane(place + 2 * frames))
        by_frame += _count_equal(plane(3 * place), plane(3 * place + 1), plane(3 * place + 2))
        still += _count_equal(first, plane(place + 3)) if frames != 3 else by_color * _is_alike(plane(0), plane(1))
    return by_color > _CLEARLY * max(by_frame, still)


def _is_alike(one: Pixels, other: Pixels) -> bool:
    """Return whether two planes show the same, in another tint."""
    return bool(np.corrcoef(one.astype(np.float64), other.astype(np.float64))[0, 1] > _SAME)


def _count_equal(first: Pixels, *others: Pixels) -> int:
    """Return the number of pixels that are equal in some planes, and not black."""
    equal = first != 0
    for other in others:
        equal = equal & (first == other)
    return int(np.count_nonzero(equal))


def _reordered(pixels: Pixels, *, was_planar: bool) -> Pixels:
    """Return a frame that was read in one order, read in the other."""
    height, width, count = pixels.shape
    if was_planar:
        return pixels.transpose(2, 0, 1).reshape(height, width, count)
    return pixels.reshape(count, height, width).transpose(1, 2, 0)


def _plane_roughness(pixels: Pixels) -> float:
    return sum(roughness(pixels[..., channel]) for channel in range(pixels.shape[2]))


def _by_pixels(sample: Sequence[Pixels], stated: str, *, needs_proof: bool) -> str:
    """Return the model under which ultrasound looks as it does, mostly gray; "" where pixels do not decide.

    needs_proof: whether only pixels decide that leave no doubt.
    """
    if not sample:
        return ""
    levels = [_to_8_bits(one[::_STRIDE, ::_STRIDE] if min(one.shape[:2]) > _MANY else one) for one in sample]
    as_rgb = float(np.mean([np.mean(one.max(axis=2) - one.min(axis=2) <= _NEUTRAL) for one in levels]))
    chroma = [np.abs(one[..., 1:].astype(np.int16) - 128).max(axis=2) for one in levels]
    as_ybr = float(np.mean([np.mean(one <= _NEUTRAL) for one in chroma]))
    if needs_proof:
        is_proven = max(as_rgb, as_ybr) >= _PROVEN and min(as_rgb, as_ybr) <= 1 - _PROVEN
        return (RGB if as_rgb > as_ybr else YBR) if is_proven else ""
    if max(as_rgb, as_ybr) >= _LEAST_NEUTRAL and max(as_rgb, as_ybr) > _CLEARLY * min(as_rgb, as_ybr):
        return RGB if as_rgb > as_ybr else YBR
    return RGB if stated == YBR and float(np.mean([_outside(one) for one in levels])) > _MOST_OUTSIDE else ""


def _is_full_range(sample: Sequence[Pixels]) -> bool:
    """Return whether luma goes far beyond the range from 16 to 235, as only that in full range does."""
    luma = [_to_8_bits(one[..., 0]) for one in sample]
    return any(float(np.mean((one < _FAR_BELOW) | (one > _FAR_ABOVE))) > _MOST_RINGING for one in luma)


def _outside(levels: Image) -> float:
    """Return the share of pixels that luma and chroma cannot have, because their RGB is far out of range."""
    luma, blue, red = (levels[..., channel].astype(np.float32) for channel in range(3))
    blue, red = blue - 128, red - 128
    channels = (luma + 1.402 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.772 * blue)
    return float(np.mean(np.any([(one < -16) | (one > 271) for one in channels], axis=0)))


def _to_8_bits(pixels: Pixels) -> Image:
    bits = 8 * pixels.dtype.itemsize
    return (pixels >> (bits - 8)).astype(np.uint8) if bits > 8 else pixels.astype(np.uint8, copy=False)
