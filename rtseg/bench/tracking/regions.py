"""Takes the objects of a clip from its annotated labels: each region of each label in the first mask is one object."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.bench.tracking.clip import MaybeMask
from rtseg.frame import Labels, Mask

MIN_REGION_PX = 40  # smaller regions of the first mask are specks, and no objects
_MERGED = 0.25  # share of its last region that a component covers where two objects have run into one
_REACH = 2.0  # a region without overlap is the same object within so many of its radii


@dataclass(frozen=True, slots=True)
class RegionTruth:
    """Holds one object's truth in each frame of a clip."""

    value: int
    """Value of its label in the masks."""
    truths: tuple[MaybeMask, ...]
    """(H, W) bool each; None where the frame is not annotated, or where two objects have run into one."""
    others: tuple[MaybeMask, ...]
    """All other pixels of the label in each frame."""


def find_objects(labels: Sequence[Labels | None]) -> list[RegionTruth]:
    """Return the objects of a clip, whose first frame is annotated; labels: (H, W) uint8 each, None: not annotated."""
    first = labels[0]
    assert first is not None
    found = list[RegionTruth]()
    for value in map(int, np.unique(first[first > 0])):
        planes = [None if one is None else one == value for one in labels]
        regions = _components(first == value, MIN_REGION_PX)
        tracks = [planes] if len(regions) == 1 else _follow(regions, planes)
        found += [RegionTruth(value, tuple(track), _others(track, planes)) for track in tracks]
    return found


def _others(track: Sequence[MaybeMask], planes: Sequence[MaybeMask]) -> tuple[MaybeMask, ...]:
    pairs = zip(track, planes, strict=True)
    return tuple(None if one is None or plane is None else plane & ~one for one, plane in pairs)


def _components(mask: Mask, least_px: int = 1) -> list[Mask]:
    count, places, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [places == place for place in range(1, count) if stats[place, cv2.CC_STAT_AREA] >= least_px]


def _follow(regions: Sequence[Mask], planes: Sequence[MaybeMask]) -> list[list[MaybeMask]]:
    """Return the truth of each region in each frame, followed by overlap and then by distance."""
    tracks: list[list[MaybeMask]] = [[region] for region in regions]
    last = list(regions)
    for plane in planes[1:]:
        now = [None] * len(last) if plane is None else _assign(last, _components(plane))
        for place, mask in enumerate(now):
            tracks[place].append(mask)
            if mask is not None and mask.any():
                last[place] = mask
    return tracks


def _assign(last: Sequence[Mask], components: Sequence[Mask]) -> list[MaybeMask]:
    """Return each object's region among the components of a frame; None where it has run into another one."""
    now: list[MaybeMask] = [np.zeros_like(last[0]) for _ in last]
    free = list[Mask]()
    for component in components:
        common = np.array([np.count_nonzero(component & one) / np.count_nonzero(one) for one in last])
        covered = np.flatnonzero(common > _MERGED)
        if len(covered) > 1:
            for place in covered:
                now[place] = None
        elif common.any():
            _join(now, int(common.argmax()), component)
        else:
            free.append(component)
    _assign_by_distance(last, now, free)
    return now


def _join(now: list[MaybeMask], place: int, component: Mask) -> None:
    before = now[place]
    now[place] = None if before is None else before | component


def _assign_by_distance(last: Sequence[Mask], now: list[MaybeMask], free: Sequence[Mask]) -> None:
    """Give each object without a region the nearest free component within its reach, the nearest pair first."""
    wanting = [place for place, mask in enumerate(now) if mask is not None and not mask.any()]
    pairs = sorted((_distance(last[place], one), place, index) for place in wanting for index, one in enumerate(free))
    taken = set[int]()
    for distance, place, index in pairs:
        mask = now[place]
        if index in taken or mask is None or mask.any():
            continue
        if distance <= _REACH * float(np.sqrt(np.count_nonzero(last[place]) / np.pi)):
            now[place] = free[index]
            taken.add(index)


def _distance(one: Mask, other: Mask) -> float:
    return float(np.hypot(*(_center(one) - _center(other))))


def _center(mask: Mask) -> npt.NDArray[np.float64]:
    center: npt.NDArray[np.float64] = np.argwhere(mask).mean(0)
    return center
