"""Measures the quantities that a model or a user names on each frame, with a range, or withholds them with a reason."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError, PluginError
from rtseg.frame import Life, Segmentation
from rtseg.measure.fitness import unsharp_reason
from rtseg.measure.frame_regions import FrameRegions
from rtseg.measure.measured_region import MeasuredRegion
from rtseg.measure.quantities import find_quantity
from rtseg.measure.quantity import Quantity
from rtseg.measured_value import MeasuredValue
from rtseg.probability_planes import ProbabilityPlanes

Places = npt.NDArray[np.intp]  # of pixels in a flattened frame

_LENGTH = re.compile(r"\d+(\.\d+)?\s*mm")
RANGE_COVERS = 0.9  # share of experts' values that a fitted range holds
_SPACING_FREE = ("", "deg")  # units that need the shape of a pixel alone


@dataclass(frozen=True, slots=True)
class RequestedMeasure:
    """Holds a quantity and the classes on which it is measured."""

    name: str
    """What stands in the outputs."""
    quantity: Quantity
    classes: tuple[str, ...]
    """One for each region that the quantity needs."""
    lengths_mm: tuple[float, ...] = ()
    """The lengths that the user states, as many as the quantity takes."""
    range_factor: float | None = None
    """Share of the range by probabilities that holds the expert's value in 90 % of pictures; None where it was not fitted."""

    def value(self, *regions: MeasuredRegion) -> float | None:
        """Return the value on the regions of the classes; None where they allow none."""
        return self.quantity.value(*regions, lengths_mm=self.lengths_mm)


def request_measures(names: Sequence[str], classes: Sequence[str]) -> tuple[RequestedMeasure, ...]:
    """Return the measures of a model with these classes that names such as "hc" or "hc=skull" stand for.

    A name without a class takes the class that fits; a general quantity all classes. A length that the plane does not show is
    stated with its unit, as in "organ_volume=bladder,62mm". Raises ConfigError for an unknown name, a class that the model
    lacks, a measure that no class fits, and a length that is missing or needless.
    """
    requested: dict[str, RequestedMeasure] = {}
    for text in names:
        name, _, given = text.partition("=")
        quantity, parts = find_quantity(name), [part.strip() for part in given.split(",") if part.strip()]
        lengths_mm = _stated_lengths(quantity, [part for part in parts if _LENGTH.fullmatch(part) and part not in classes])
        named = tuple(part for part in parts if part in classes or not _LENGTH.fullmatch(part))
        for one in _chosen(quantity, named, classes):
            requested[one.name] = replace(one, lengths_mm=lengths_mm)
    return tuple(requested.values())


def _stated_lengths(quantity: Quantity, texts: Sequence[str]) -> tuple[float, ...]:
    """Return the lengths in mm that a user states for a quantity. Raises ConfigError unless there are as many as it takes."""
    lengths_mm = tuple(float(text.removesuffix("mm")) for text in texts)
    if len(lengths_mm) == quantity.lengths and all(0 < length < math.inf for length in lengths_mm):
        return lengths_mm
    if not quantity.lengths:
        raise ConfigError(f"{quantity.name} takes no length: leave out {', '.join(texts)}")
    raise ConfigError(
        f"{quantity.name} needs {quantity.lengths} length above 0 that this plane does not show: state it in mm, as in "
        f"{quantity.name}={quantity.needs[0][0]},62mm"
    )


def _chosen(quantity: Quantity, given: tuple[str, ...], classes: Sequence[str]) -> list[RequestedMeasure]:
    if unknown := [name for name in given if name not in classes]:
        raise ConfigError(f"{quantity.name}={','.join(given)}: the model has no class {unknown[0]!r}, but {', '.join(classes)}")
    if given and len(given) != len(quantity.needs):
        raise ConfigError(f"{quantity.name} needs {len(quantity.needs)} classes, not {len(given)}: name them with commas")
    if given:
        return [RequestedMeasure(quantity.name if len(classes) == 1 else f"{quantity.name}:{given[0]}", quantity, given)]
    if quantity.is_general:
        return [
            RequestedMeasure(quantity.name if len(classes) == 1 else f"{quantity.name}:{name}", quantity, (name,))
            for name in classes
        ]
    fitting = quantity.classes_in(classes)
    if fitting is None:
        wanted = " and ".join(names[0] for names in quantity.needs)
        raise ConfigError(
            f"{quantity.name} needs the class {wanted}, and the model has {', '.join(classes)}: name the class that it is, "
            f"as in {quantity.name}={classes[0]}"
        )
    return [RequestedMeasure(quantity.name, quantity, fitting)]


class Biometry:
    """Measures the requested quantities of one frame after another."""

    def __init__(self, requested: Sequence[RequestedMeasure]) -> None:
        self.requested = tuple(requested)

    def measure(
        self, found: Segmentation, edge: Places, planes: ProbabilityPlanes | None = None, spacing_from: str = ""
    ) -> tuple[MeasuredValue, ...]:
        """Return all values of a frame, each with its range, or without a value and with the reason.

        edge: the places in the flattened frame where a mask may be cut off. planes: of the network; None: no range.
        spacing_from: what the pixel size is known from.
        """
        if not self.requested:
            return ()
        frame_reason = _frame_reason(found)
        cut = _cut_classes(found, edge) if not frame_reason else frozenset()
        regions = FrameRegions(found, planes)
        values = []
        for one in self.requested:
            reason = frame_reason or _reason(one, found, cut)
            blank = MeasuredValue(one.name, one.quantity.title, one.quantity.unit, one.classes, withheld=reason)
            measured = blank if reason else _measured(one, blank, regions)
            needs_spacing = one.quantity.unit not in _SPACING_FREE
            values.append(replace(measured, spacing_from=spacing_from if needs_spacing and found.spacing_mm else ""))
        return tuple(values)


def _frame_reason(found: Segmentation) -> str:
    """Return why nothing on a frame is measured, or ""."""
    if found.life is Life.LOST:
        return "the probe has no contact"
    if found.life is Life.SPOILT:
        return f"the picture is spoilt: {found.reason}"
    if found.withholds_measures:
        return "the picture is unfamiliar to the model"
    return found.doubt


def _reason(one: RequestedMeasure, found: Segmentation, cut: frozenset[str]) -> str:
    """Return why one measure is withheld, or ""."""
    for name in one.classes:
        if not found.confidence[found.classes.index(name)]:
            return f"no {name} is in the picture"
        if name in cut and not one.quantity.may_be_cut:
            return f"the {name} reaches the edge of the sector"
    if found.spacing_mm is None and one.quantity.unit not in _SPACING_FREE:
        return "the pixel size is unknown: give --spacing MM, or use a source that carries it"
    if found.spacing_mm and not all(0 < side < math.inf for side in found.spacing_mm):
        return "the pixel size is no number above 0: give --spacing MM"
    return ""


def _cut_classes(found: Segmentation, edge: Places) -> frozenset[str]:
    """Return the classes whose masks reach the edge."""
    counts = np.bincount(found.labels.ravel()[edge], minlength=len(found.classes) + 1)
    return frozenset(name for name, count in zip(found.classes, counts[1:], strict=False) if count)


def _measured(one: RequestedMeasure, blank: MeasuredValue, regions: FrameRegions) -> MeasuredValue:
    try:
        value = one.value(*map(regions.region, one.classes))
        if value is None or not math.isfinite(value):
            return replace(blank, withheld=f"the {one.classes[0]} has no {one.quantity.title}")
        low, high = _range(one, value, regions) if regions.has_range else (None, None)
    except PluginError as error:
        return replace(blank, withheld=str(error))
    measured = replace(blank, value=value, low=low, high=high)
    if not regions.has_range:
        return measured
    return _fitted(one, replace(measured, unfit=unsharp_reason(measured, _largest_share(one, regions))))


def _fitted(one: RequestedMeasure, measured: MeasuredValue) -> MeasuredValue:
    """Return the value with the range that was fitted to experts, if it was."""
    factor, value = one.range_factor, measured.value
    if factor is None or value is None or measured.low is None or measured.high is None:
        return measured
    low, high = (value + factor * (end - value) for end in (measured.low, measured.high))
    return replace(measured, low=low, high=high, covers=RANGE_COVERS)


def _largest_share(one: RequestedMeasure, regions: FrameRegions) -> float | None:
    """Return the share of a class that its largest region holds, on the network's cells; None for measures of several."""
    if len(one.classes) > 1 or one.quantity.may_be_cut:
        return None
    mask = regions.cells(one.classes[0])[1]
    return float(np.count_nonzero(mask.largest) / max(1, np.count_nonzero(mask.mask)))


def _range(one: RequestedMeasure, value: float, regions: FrameRegions) -> tuple[float | None, float | None]:
    """Return the value where the smallest and the largest mask take the place of the mask, on the network's cells."""
    triples = [regions.cells(name) for name in one.classes]
    small, middle, large = (one.value(*(triple[at] for triple in triples)) for at in range(3))
    if middle is None or large is None:
        return None, None
    ends = [value + end - middle for end in (small, large) if end is not None]
    return None if small is None else min(*ends, value), max(*ends, value)
