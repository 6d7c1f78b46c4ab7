"""Describes a quantity that is measured on the mask of one frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtseg.measure.measured_region import MeasuredRegion

Compute = Callable[..., float | None]


@dataclass(frozen=True, slots=True)
class Quantity:
    """Describes one quantity of the mask of a frame."""

    name: str
    """What stands in files and options, such as "hc"."""
    title: str
    """The name in words."""
    unit: str
    """"mm", "mm2", "ml", "deg", "weeks", or "" for a ratio."""
    needs: tuple[tuple[str, ...], ...]
    """For each region that it takes, the names of the classes that fit; none: any class fits."""
    definition: str
    """How it is measured, in one sentence, with the convention."""
    compute: Compute
    """Takes a `MeasuredRegion` for each need, none of them empty; None where they allow no value."""
    may_be_cut: bool = False
    """Whether the value holds for a structure that goes on beyond the picture."""
    lengths: int = 0
    """How many lengths in mm the user states, since the plane does not show them; `compute` takes them after the regions."""

    @property
    def is_general(self) -> bool:
        """Return whether any class may be measured so."""
        return self.needs == ((),)

    def value(self, *regions: MeasuredRegion, lengths_mm: tuple[float, ...] = ()) -> float | None:
        """Return the value on the regions of `needs`, in the quantity's unit; None where they allow none."""
        return self.compute(*regions, *lengths_mm) if all(region.mask.any() for region in regions) else None

    def classes_in(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """Return the class of each need among the names; None where one is missing. Of a general quantity: the first."""
        chosen = tuple(next((name for name in names if not fitting or name in fitting), "") for fitting in self.needs)
        return chosen if all(chosen) else None
