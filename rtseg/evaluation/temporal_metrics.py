"""Computes the temporal metrics of masks, each with its formula here and in docs/temporal.md.

m_t is the mask of frame t, (H, W) bool, I_t its picture, g_t the ground truth; A_t = |m_t| is an area, c_t a centroid in
pixels. W(x) warps x from one frame to another by the optical flow between the pictures. An undefined metric is NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError, ImageError
from rtseg.frame import Image, Mask
from rtseg.session.optical_flow import FlowField, OpticalFlow, Plane, warp

_MAX_RESIDUAL = 12.0  # gray levels: a pixel that differs by less after motion compensation counts as unchanged
_COVER_MARGIN = 0.25  # of a pixel: tolerance of a warped mask's coverage
_MAX_LAG = 6  # frames
_MIN_MOTION_PX = 0.25  # pixels of standard deviation: a ground truth that moves less cannot reveal a lag

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TemporalMetrics:
    """Holds the temporal metrics of one clip."""

    flicker: float  # pixels that flip back and forth, for each pixel of the mask
    temporal_iou: float  # mean overlap with the warped mask of the frame before
    area_jitter: float  # mean second difference of the area over the mean area
    centroid_jerk_px: float  # mean third difference of the centroid, in pixels
    dtssd: float  # error of the changes between frames; NaN without a ground truth
    lag_frames: float  # delay against the ground truth, in frames; NaN without one


class ClipMotion:
    """Computes and caches the optical flow between the pictures (H, W) uint8 of a clip, shared by all masks of it."""

    def __init__(self, images: Sequence[Image]) -> None:
        self.images, self._flow = images, OpticalFlow(precise=True)
        self._fields: dict[tuple[int, int], tuple[FlowField, Mask]] = {}

    def warp(self, mask: Mask, there: int, here: int) -> tuple[Plane, Mask]:
        """Warp a mask from frame `there` to frame `here`.

        Returns its coverage of each pixel, (H, W) float32, and where the two pictures agree after the warp, (H, W) bool.
        """
        if (there, here) not in self._fields:
            self._fields[there, here] = self._find(self.images[there], self.images[here])
        field, same = self._fields[there, here]
        return warp(mask.astype(np.float32), field), same

    def _find(self, there: Image, here: Image) -> tuple[FlowField, Mask]:
        field = self._flow.between(there, here)
        return field, np.abs(warp(there.astype(np.float32), field) - here) < _MAX_RESIDUAL


def compute_temporal_metrics(
    motion: ClipMotion, masks: Sequence[Mask], truths: Sequence[Mask] | None = None
) -> TemporalMetrics:
    """Compute every temporal metric of a clip's masks, (H, W) bool each. Raises ImageError, ConfigError."""
    return TemporalMetrics(
        flicker=flicker(motion, masks),
        temporal_iou=temporal_iou(motion, masks),
        area_jitter=area_jitter(masks),
        centroid_jerk_px=centroid_jerk(masks),
        dtssd=dtssd(masks, truths) if truths is not None else math.nan,
        lag_frames=lag(masks, truths) if truths is not None else math.nan,
    )


def flicker(motion: ClipMotion, masks: Sequence[Mask]) -> float:
    """Return the number of pixels whose label flips and flips back while the picture does not, for each pixel of the mask.

    sum_t |{p: (m_t and W(m_{t-1}), W(m_{t+1}) <= 1/4) or (not m_t and W(m_{t-1}), W(m_{t+1}) >= 3/4),
    |W(I_{t-1}) - I_t| < 12, |W(I_{t+1}) - I_t| < 12}| / sum_t A_t, over the frames that have both neighbors. W(m) is the share
    of the pixel that the warped mask covers, so that a border between two pixels is no flicker. 0 is perfectly stable.
    """
    _check(masks, motion.images)
    flips = area = 0
    for t in range(1, len(masks) - 1):
        (past, still), (future, standing) = (motion.warp(masks[s], s, t) for s in (t - 1, t + 1))
        most, least = np.maximum(past, future), np.minimum(past, future)
        flipped = np.where(masks[t], most <= _COVER_MARGIN, least >= 1 - _COVER_MARGIN)
        flips += int(np.count_nonzero(flipped & still & standing))
        area += int(np.count_nonzero(masks[t]))
    return flips / area if area else (0.0 if not flips else math.inf) if len(masks) > 2 else math.nan


def temporal_iou(motion: ClipMotion, masks: Sequence[Mask]) -> float:
    """Return mean_t |m_t and W(m_{t-1})| / |m_t or W(m_{t-1})|, which is 1 if the mask moves with the picture or is empty."""
    _check(masks, motion.images)
    return _mean([_iou(masks[t], motion.warp(masks[t - 1], t - 1, t)[0] >= 0.5) for t in range(1, len(masks))])


def area_jitter(masks: Sequence[Mask]) -> float:
    """Return mean_t |A_{t+1} - 2 A_t + A_{t-1}| / mean_t A_t: low for a beating heart, high for an unstable mask."""
    _check(masks)
    areas = np.array([np.count_nonzero(mask) for mask in masks], float)
    return _mean(np.abs(np.diff(areas, 2)) / areas.mean()) if areas.any() else math.nan


def centroid_jerk(masks: Sequence[Mask]) -> float:
    """Return mean_t ||c_{t+2} - 3 c_{t+1} + 3 c_t - c_{t-1}|| in pixels, over four successive frames with a mask."""
    _check(masks)
    centroids = np.array([_centroid(mask) for mask in masks])
    jerks = np.linalg.norm(np.diff(centroids, 3, axis=0), axis=1) if len(masks) > 3 else np.zeros(0)
    return _mean(jerks[np.isfinite(jerks)])


def dtssd(masks: Sequence[Mask], truths: Sequence[Mask]) -> float:
    """Return the dtSSD: mean_t sqrt(mean_p ((m_t - m_{t-1}) - (g_t - g_{t-1}))^2), the error of the temporal changes.

    M. Erofeev et al., "Perceptually motivated benchmark for video matting", BMVC 2015.
    """
    _check(masks, truths)
    changes = [_change(masks, t) - _change(truths, t) for t in range(1, len(masks))]
    return _mean([math.sqrt(float(np.mean(change.astype(float) ** 2))) for change in changes])


def lag(masks: Sequence[Mask], truths: Sequence[Mask]) -> float:
    """Return the delay of the masks in frames: the d >= 0 that maximizes mean_s corr_t(s(m_t), s(g_{t-d})).

    s: row and column of the centroid and root of the area, as far as they vary in the ground truth. A mask that is always too
    large therefore has no lag. Every d from -1 on is evaluated on the same frames, and a parabola refines the maximum.
    NaN if the ground truth does not move or the clip is too short.
    """
    _check(masks, truths)
    ours, theirs = (np.array([_position_and_size(mask) for mask in sequence]) for sequence in (masks, truths))
    longest = min(_MAX_LAG, len(masks) - 4)
    moving = [k for k in range(3) if len(masks) and np.std(theirs[:, k]) > _MIN_MOTION_PX and np.std(ours[:, k]) > 0]
    if longest < 1 or not moving or not np.isfinite(ours).all():
        return math.nan
    frames = np.arange(longest, len(masks) - 1)
    alike = [_mean([np.corrcoef(ours[frames, k], theirs[frames - d, k])[0, 1] for k in moving]) for d in range(-1, longest + 1)]
    best = int(np.argmax(alike))
    return max(0.0, best - 1 + _vertex(alike[best - 1 : best + 2])) if 0 < best <= longest else max(0.0, best - 1)


def recovery(overlaps: Sequence[float], event: int, *, good: float = 0.9, steady: int = 3) -> float:
    """Return the number of frames from `event` until the overlap is good for `steady` successive frames.

    good: required share of the median overlap before the event. Infinite if the overlap never recovers, NaN if there was none
    before. Raises ConfigError.
    """
    if not 0 < event < len(overlaps):
        raise ConfigError(f"an event at frame {event} of {len(overlaps)} has no before or no after: give one between")
    wanted = good * float(np.median(overlaps[:event]))
    if not wanted:
        return math.nan
    enough = [value >= wanted for value in overlaps[event:]]
    return next((float(k) for k in range(len(enough) - steady + 1) if all(enough[k : k + steady])), math.inf)


def false_resets(resets: int, expected: int, frames: int) -> float:
    """Return the number of resets beyond the expected ones for each 10,000 frames. Raises ConfigError."""
    if frames < 1:
        raise ConfigError("no frame was counted: measure on a stream that has some")
    return max(0, resets - expected) * 10_000 / frames


def _iou(one: Mask, other: Mask) -> float:
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / union if union else 1.0


def _centroid(mask: Mask) -> tuple[float, float]:
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    area = moments["m00"]
    return (moments["m10"] / area, moments["m01"] / area) if area else (math.nan, math.nan)


def _position_and_size(mask: Mask) -> tuple[float, float, float]:
    return (*_centroid(mask), math.sqrt(np.count_nonzero(mask)))


def _change(masks: Sequence[Mask], t: int) -> npt.NDArray[np.int8]:
    return masks[t].astype(np.int8) - masks[t - 1].astype(np.int8)


def _vertex(three: Sequence[float]) -> float:
    """Return the vertex of the parabola through three equidistant values, as an offset from the middle one."""
    before, middle, after = three
    bend = before - 2 * middle + after
    return 0.5 * (before - after) / bend if bend else 0.0


def _mean(values: Sequence[float] | Values) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _check(masks: Sequence[Mask], others: Sequence[Mask | Image] | None = None) -> None:
    if any(mask.dtype != np.bool_ or mask.ndim != 2 for mask in masks):
        raise ImageError("a mask is a (H, W) bool array: compare labels to a class")
    shapes = [one.shape for sequence in (masks, others or ()) for one in sequence]
    if others is not None and len(others) != len(masks):
        raise ConfigError(f"{len(masks)} masks and {len(others)} other frames: give one for each")
    if len(set(shapes)) > 1:
        raise ImageError(f"masks and pictures are of different sizes, {shapes[0]} and others: bring them to one")
