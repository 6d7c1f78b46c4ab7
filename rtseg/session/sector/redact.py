"""Keep the earlier home of `Redactor`, which is in `rtseg.session.redaction`."""

from rtseg.session.redaction.redactor import Redactor

Guard = Redactor  # the earlier name

__all__ = ["Guard", "Redactor"]
