"""Defines the value of one measure on one frame, with its range and the reason where it is withheld."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BestFrame:
    """Holds the frame of a stream that was fittest to be measured, so far."""

    index: int
    """Index of the frame."""
    seconds: float
    """Time of the frame since the first one."""
    value: float
    """The measure on that frame."""
    is_fit: bool
    """Whether the frame is fit to be measured; if not, none was so far."""

    def to_json(self) -> dict[str, float | int | bool]:
        """Return the fields as plain values."""
        return {"index": self.index, "seconds": self.seconds, "value": self.value, "is_fit": self.is_fit}


@dataclass(frozen=True, slots=True)
class MeasuredValue:
    """Holds one measure of one frame."""

    name: str
    """Name of the quantity, such as "hc"; with the class, "area:nerve", where a model has several that it fits."""
    title: str
    """The quantity in words, such as "head circumference"."""
    unit: str
    """Unit of the values, such as "mm"; empty for a ratio."""
    classes: tuple[str, ...] = ()
    """The classes that it was measured on."""
    value: float | None = None
    """The value; None where it is withheld."""
    low: float | None = None
    """The value on the pixels of a probability of 95 % or more; None where there are none. See `covers`."""
    high: float | None = None
    """The value on the pixels of a probability of 5 % or more."""
    spacing_from: str = ""
    """What the pixel size is known from: "user", "source" or "scale"; empty where no pixel size is needed."""
    withheld: str = ""
    """Why there is no value, in words; empty where there is one."""
    unfit: str = ""
    """Why the frame is not fit to be measured although there is a value, such as an unsteady one; empty where it is."""
    best: BestFrame | None = None
    """The best frame so far; None before the first value, and where nobody looks for it."""
    covers: float | None = None
    """Share of experts' values that the range holds by a fit on the model's training subjects; None where none was made."""

    def to_json(self) -> dict[str, Any]:
        """Return everything but name, title and classes as plain values; None for what is empty or unknown."""
        return {
            "value": self.value,
            "unit": self.unit or None,
            "low": self.low,
            "high": self.high,
            "covers": self.covers,
            "spacing_from": self.spacing_from or None,
            "withheld": self.withheld or None,
            "unfit": self.unfit or None,
            "best": self.best.to_json() if self.best else None,
        }
