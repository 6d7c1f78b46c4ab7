"""Chooses, by measurement, how this processor runs a model fastest (`--engine auto`)."""

from rtseg.engines.choice.fastest import open_fastest
from rtseg.engines.choice.variant import Choice, Variant

__all__ = ["Choice", "Variant", "open_fastest"]
