"""Measures every filter on every picture."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rtseg.bench.speckle.filters import FILTERS, PERSISTENCE, Filter, apply_persistence
from rtseg.bench.speckle.pictures import SpeckleImage
from rtseg.bench.speckle.quality import cnr, enl, epi, psnr, ssi, ssim
from rtseg.frame import Image

MEASURES = ("enl", "cnr", "ssi", "epi", "psnr", "ssim")


@dataclass(frozen=True, slots=True)
class QualityRow:
    """Holds the mean quality metrics of one filter on the pictures of one kind, as in rtseg.bench.speckle.quality."""

    kind: str  # kind of the pictures
    filter: str  # name of the filter
    enl: float  # equivalent number of looks
    cnr: float  # contrast-to-noise ratio
    ssi: float  # speckle suppression index
    epi: float  # edge preservation against the ground truth; without one, against the frame itself, where no filter scores 1
    psnr: float  # peak signal-to-noise ratio in dB; NaN without a ground truth
    ssim: float  # structural similarity; NaN without a ground truth

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values; NaN and infinity become None, because JSON has neither."""
        return {name: _plain(value) if isinstance(value, float) else value for name, value in asdict(self).items()}


def measure_quality(pictures: Sequence[SpeckleImage], filters: Mapping[str, Filter] = FILTERS) -> list[QualityRow]:
    """Return a row for each kind of picture and each filter; persistence too, if there are earlier frames.

    Raises ImageError.
    """
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for picture in pictures:
        for name, filtered in _filtered(picture, filters):
            found.setdefault((picture.kind, name), []).append(_quality(picture, filtered))
    return [QualityRow(*place, *map(fmean, zip(*rows, strict=True))) for place, rows in found.items()]


def _filtered(picture: SpeckleImage, filters: Mapping[str, Filter]) -> Iterator[tuple[str, Image]]:
    for name, apply in filters.items():
        yield name, apply(picture.image)
    if picture.before:
        yield PERSISTENCE, apply_persistence((*picture.before, picture.image))


def _quality(picture: SpeckleImage, filtered: Image) -> tuple[float, ...]:
    truth, border = picture.truth, picture.inside | picture.outside
    edges = epi(picture.image, filtered, border) if truth is None else epi(truth, filtered)
    return (
        enl(filtered, picture.uniform),
        cnr(filtered, picture.inside, picture.outside),
        ssi(picture.image, filtered, picture.uniform),
        edges,
        math.nan if truth is None else psnr(truth, filtered),
        math.nan if truth is None else ssim(truth, filtered),
    )


def _plain(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
