"""Name the ways of redaction, and what is known about the sector when a frame is redacted."""

from enum import Enum

from rtseg.errors import ConfigError
from rtseg.session.sector.shape import Sector, SectorKind

CERTAIN = 0.95  # share of the outline that is sharp, from which no letter is supposed to be inside an outline by mistake


class RedactionMode(str, Enum):
    """Names what may leave the program."""

    AUTO = "auto"  # the inside of the sector; while it is unknown, what a search for text has passed
    STRICT = "strict"  # nothing until the sector is known; then its inside, without the letters over the ultrasound
    OFF = "off"  # everything, names and dates too


class SectorKnowledge(str, Enum):
    """Names what is known about the sector of a frame."""

    STATED = "stated"  # by the user or by the source
    KNOWN = "known"  # found with confidence
    UNKNOWN = "unknown"  # not found, or the whole frame for want of better


def parse_redaction(text: str) -> RedactionMode:
    """Parse the value of `--redact`. Raises ConfigError."""
    try:
        return RedactionMode(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no way to redact: give auto, strict or off") from None


def knowledge_of(sector: Sector, *, is_stated: bool) -> SectorKnowledge:
    """Return what is known about a sector."""
    if is_stated:
        return SectorKnowledge.STATED
    is_fallback = sector.kind is SectorKind.UNKNOWN or (sector.kind is SectorKind.WHOLE and not sector.confidence)
    return SectorKnowledge.UNKNOWN if is_fallback else SectorKnowledge.KNOWN
