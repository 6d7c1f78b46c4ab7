"""Defines the value of one measure on one frame, with its range and the reason where it is withheld."""

from dataclasses import dataclass


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
    """The value on the pixels of a probability of 95 % or more; None where there are none."""
    high: float | None = None
    """The value on the pixels of a probability of 5 % or more."""
    spacing_from: str = ""
    """What the pixel size is known from: "user", "source" or "scale"; empty where no pixel size is needed."""
    withheld: str = ""
    """Why there is no value, in words; empty where there is one."""

    def to_json(self) -> dict[str, float | str | None]:
        """Return everything but name and title as plain values; None for what is empty or unknown."""
        return {
            "value": self.value,
            "unit": self.unit or None,
            "low": self.low,
            "high": self.high,
            "spacing_from": self.spacing_from or None,
            "withheld": self.withheld or None,
        }
