"""Run a second model on a stream: its session takes the lifecycle and the sector from the first model's session."""

from typing import Any

from rtseg.engines.base import Engine
from rtseg.frame import Frame
from rtseg.session.judgement import Judgement
from rtseg.session.session import Session
from rtseg.trace import LatencyTrace


class CompanionSession(Session):
    """Segments each frame after another session, without a search of its own for repeated, damaged or new pictures.

    Both share the classification of the frame and the sector; each has its own memory, stabilization and measures, so that the
    masks are those of a session alone. lead: steps each frame first. The other arguments are those of `Session`; the locator
    and the limits are the lead's.
    """

    def __init__(self, engine: Engine, lead: Session, **options: Any) -> None:
        super().__init__(engine, **options)
        self._lead = lead

    @property
    def is_sector_stated(self) -> bool:
        """Return whether the user or the source stated where the ultrasound is."""
        return self._lead.is_sector_stated

    def _classify(self, frame: Frame, trace: LatencyTrace, locator_change: str) -> Judgement:  # noqa: ARG002  the lead's
        """Take over what the lead found, and start the memory afresh where the lead did."""
        self.sector, self.memory_reset = self._lead.sector, None
        self.counts.add(self._lead.judgement.life)
        if self._lead.memory_reset:
            self._reset_memory(frame, self._lead.memory_reset)
        return self._lead.judgement
