"""Lists the compared filters, by the name of their row."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from rtseg import kernels
from rtseg.frame import Image

Filter: TypeAlias = Callable[[Image], Image]  # (H, W) uint8 to the same

UNFILTERED = "none"
FILTERS: Mapping[str, Filter] = {
    UNFILTERED: lambda image: image,
    "median 3": partial(kernels.median, size=3),
    "median 5": partial(kernels.median, size=5),
    "median 7": partial(kernels.median, size=7),
    "lee 7": kernels.lee,
    "lee 7, noise 0.3": partial(kernels.lee, noise=0.3),
    "kuan 7": kernels.kuan,
    "frost 5": kernels.frost,
    "srad, 10 steps": kernels.srad,
    "srad, 40 steps": partial(kernels.srad, iterations=40),
    "perona_malik": kernels.perona_malik,
    "bilateral 5": kernels.bilateral,
    "bilateral 9": partial(kernels.bilateral, size=9),
    "non_local_means": kernels.non_local_means,
    "clahe": kernels.clahe,
}
PERSISTENCE = "persistence 0.25"  # row name, with the weight of the new frame


def apply_persistence(frames: tuple[Image, ...]) -> Image:
    """Return the last of these frames after the recursive averaging of a scanner's persistence."""
    shown = frames[0]
    for frame in frames[1:]:
        shown = kernels.persistence(frame, shown, 0.25)
    return shown
