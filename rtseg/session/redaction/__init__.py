"""Redact what identifies a person in every frame that leaves the program."""

from rtseg.session.redaction.mode import RedactionMode, SectorKnowledge, parse_redaction
from rtseg.session.redaction.redactor import Redactor

__all__ = ["RedactionMode", "Redactor", "SectorKnowledge", "parse_redaction"]
