"""Every filter on every picture."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rtseg.bench.speckle.filters import FILTERS, PERSISTENCE, Filter, persisted
from rtseg.bench.speckle.pictures import Picture
from rtseg.bench.speckle.quality import cnr, enl, epi, psnr, ssi, ssim
from rtseg.frame import Image

MEASURES = ("enl", "cnr", "ssi", "epi", "psnr", "ssim")


@dataclass(frozen=True, slots=True)
class QualityRow:
    """One filter on the pictures of one kind: the means of the measures in rtseg.bench.speckle.quality.

    epi is told against the truth, else against the frame itself, where doing nothing scores 1; psnr (dB) and ssim are NaN
    without a truth.
    """

    kind: str
    filter: str
    enl: float
    cnr: float
    ssi: float
    epi: float
    psnr: float
    ssim: float

    def to_json(self) -> dict[str, Any]:
        """The row as plain values; JSON has neither NaN nor infinity, so that such a figure is None."""
        return {name: _plain(value) if isinstance(value, float) else value for name, value in asdict(self).items()}


def qualities(pictures: Sequence[Picture], filters: Mapping[str, Filter] = FILTERS) -> list[QualityRow]:
    """A row for each kind of picture and each filter; persistence where there are frames before. Raises ImageError."""
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for picture in pictures:
        for name, filtered in _filtered(picture, filters):
            found.setdefault((picture.kind, name), []).append(_measured(picture, filtered))
    return [QualityRow(*place, *map(fmean, zip(*rows, strict=True))) for place, rows in found.items()]


def _filtered(picture: Picture, filters: Mapping[str, Filter]) -> Iterator[tuple[str, Image]]:
    for name, apply in filters.items():
        yield name, apply(picture.image)
    if picture.before:
        yield PERSISTENCE, persisted((*picture.before, picture.image))


def _measured(picture: Picture, filtered: Image) -> tuple[float, ...]:
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
