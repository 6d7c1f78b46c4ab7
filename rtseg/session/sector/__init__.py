"""Find the ultrasound sector on a scanner's screen, crop to it, and redact what lies around it."""

from rtseg.session.sector.locator import FixedSector, Locator, SectorFinder, WholeFrame, locator
from rtseg.session.sector.redact import Guard
from rtseg.session.sector.shape import Kind, Sector

__all__ = ["FixedSector", "Guard", "Kind", "Locator", "Sector", "SectorFinder", "WholeFrame", "locator"]
