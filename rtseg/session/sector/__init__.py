"""Find the ultrasound sector on a scanner's screen, and crop to it."""

from typing import TYPE_CHECKING, Any

from rtseg.session.sector.locator import FixedSector, Locator, SectorFinder, WholeFrame, parse_locator
from rtseg.session.sector.shape import Sector, SectorKind

if TYPE_CHECKING:
    from rtseg.session.sector.redact import Guard, Redactor

__all__ = ["FixedSector", "Guard", "Locator", "Redactor", "Sector", "SectorFinder", "SectorKind", "WholeFrame", "parse_locator"]


def __getattr__(name: str) -> Any:
    if name in ("Guard", "Redactor"):  # redaction builds on the sector; imported on first use
        from rtseg.session.sector import redact

        return getattr(redact, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
