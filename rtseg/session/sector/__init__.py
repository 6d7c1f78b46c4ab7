"""Find the ultrasound sector on a scanner's screen, crop to it, and redact what lies around it."""

from rtseg.session.sector.locator import FixedSector, Locator, SectorFinder, WholeFrame, parse_locator
from rtseg.session.sector.redact import Guard, Redactor
from rtseg.session.sector.shape import Sector, SectorKind

__all__ = ["FixedSector", "Guard", "Locator", "Redactor", "Sector", "SectorFinder", "SectorKind", "WholeFrame", "parse_locator"]
