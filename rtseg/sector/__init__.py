"""The ultrasound sector inside a scanner's screen: finding it, cropping to it, and hiding what lies around it."""

from rtseg.sector.finder import FixedSector, Locator, SectorFinder, WholeFrame, locator
from rtseg.sector.guard import Guard
from rtseg.sector.shape import Kind, Sector

__all__ = ["FixedSector", "Guard", "Kind", "Locator", "Sector", "SectorFinder", "WholeFrame", "locator"]
