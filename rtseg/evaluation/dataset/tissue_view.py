"""Describes a picture by its tissue: a small gray picture, its tissue pixels, and SIFT keypoints on them.

Text, rulers and frames of a scanner are equal in pictures of different patients. Pixels outside the sector, and places that are
equal in many subjects' pictures of one size, are therefore no tissue. SIFT: D. Lowe, IJCV 2004.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np

from rtseg.evaluation.dataset.case import Case
from rtseg.frame import Image, Mask
from rtseg.session.sector.edges_to_sector import find_sector
from rtseg.session.sector.evidence import Evidence
from rtseg.session.sector.shape import Size

SIDE, POINTS = 256, 200  # long side of a small picture in pixels, and its maximum number of keypoints

_MAX_DETECTED = 3 * POINTS
_MIN_SUBJECTS, _MAX_SUBJECTS = 10, 60  # pictures of one size, each of another subject, that tell burned-in places
_MAX_LEVELS = 8  # gray levels from the median picture within which a pixel is equal: the noise of JPEG
_MIN_CONTRAST = 24  # gray levels between neighbors in the median picture: letters and frames, but not dark background
_EQUAL_SHARE = 0.75  # of the pictures: tissue is equal at a place in so many of 10 by no chance
_REACH_PX = 9  # side of the square around a burned-in place or the sector's rim that a keypoint's center must avoid

BurnedIn: TypeAlias = Mapping[Size, Mask]  # by (H, W) of the pictures: burned-in places of the small picture


@dataclass(frozen=True, slots=True)
class TissueView:
    """Holds a small picture with the keypoints of its tissue."""

    image: Image  # (h, w) gray; its long side has `SIDE` pixels
    tissue: Mask  # (h, w): inside the sector, and not burned in
    points: Any  # (N, 2) float64: x, y of the keypoints
    descriptors: Any  # (N, 128) float32, strongest keypoint first

    def mirrored(self) -> "TissueView":
        """Return the mirror image, left to right.

        A SIFT descriptor has 4 x 4 places, across and along the keypoint's direction, of 8 gradient directions. The mirror
        image reverses the places across and the sense of the directions, so that no keypoint is computed again.
        """
        places = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., -np.arange(8) % 8]
        points = self.points * (-1, 1) + (self.image.shape[1] - 1, 0)
        image, tissue = np.ascontiguousarray(self.image[:, ::-1]), np.ascontiguousarray(self.tissue[:, ::-1])
        return TissueView(image, tissue, points, np.ascontiguousarray(places).reshape(-1, 128))


def tissue_view(case: Case, burned_in: BurnedIn) -> TissueView:
    """Return the tissue of a case's picture; it has no keypoint if nothing is seen. Raises DatasetError."""
    image = case.grey()
    small = _small(image)
    size = (small.shape[1], small.shape[0])
    sector = find_sector(Evidence(image))
    inside = np.ones(image.shape, np.uint8) if sector is None else sector.mask().view(np.uint8)
    tissue = np.asarray(cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST) > 0)
    if (fixed := burned_in.get((image.shape[0], image.shape[1]))) is not None:
        tissue &= ~fixed
    allowed = cv2.erode(tissue.view(np.uint8), np.ones((_REACH_PX, _REACH_PX), np.uint8))
    # SIFT counts the points outside the tissue too, so that text would use up the points: ask for more, and keep the strongest.
    most = round(min(POINTS / max(float(tissue.mean()), 0.01), _MAX_DETECTED))
    found, descriptors = cv2.SIFT_create(most).detectAndCompute(small, allowed)  # type: ignore[attr-defined]
    order = np.argsort([-point.response for point in found], kind="stable")[:POINTS]
    points = np.array([found[at].pt for at in order], np.float64).reshape(-1, 2)
    return TissueView(small, tissue, points, descriptors[order] if found else np.zeros((0, 128), np.float32))


def burned_in_places(cases: Iterable[Case]) -> dict[Size, Mask]:
    """Return the places that are equal in most pictures of a size, one picture a subject.

    Sizes with fewer than 10 subjects are left out. Raises DatasetError.
    """
    pictures, seen = defaultdict[Size, list[Image]](list), set[str]()
    for case in cases:
        if case.subject in seen:
            continue
        seen.add(case.subject)
        image = case.grey()
        kept = pictures[image.shape[0], image.shape[1]]
        if len(kept) < _MAX_SUBJECTS:
            kept.append(_small(image))
    return {size: _equal_places(kept) for size, kept in pictures.items() if len(kept) >= _MIN_SUBJECTS}


def _equal_places(pictures: Sequence[Image]) -> Mask:
    stack = np.stack(pictures)
    median = np.median(stack, axis=0).astype(np.uint8)
    equal = np.mean(cv2.absdiff(stack, np.broadcast_to(median, stack.shape).copy()) <= _MAX_LEVELS, axis=0) >= _EQUAL_SHARE
    square = np.ones((3, 3), np.uint8)
    contrast = cv2.subtract(cv2.dilate(median, square), cv2.erode(median, square)) >= _MIN_CONTRAST
    return np.asarray(cv2.dilate((equal & contrast).astype(np.uint8), square) > 0)


def _small(image: Image) -> Image:
    height, width = (max(1, round(side * SIDE / max(image.shape))) for side in image.shape)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
