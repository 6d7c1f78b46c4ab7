"""Draw each result and keep the newest drawing, for a preview or to measure the cost of drawing."""

from rtseg.frame import Image, StreamInfo
from rtseg.overlay import Overlay
from rtseg.result import Result


class DrawSink:
    """Draws each result by `overlay`; `last` is the newest drawing, (H, W, 3) uint8 RGB, unchanged until two writes later."""

    def __init__(self, overlay: Overlay | None = None) -> None:
        self._overlay = overlay or Overlay()
        self._spare: Image | None = None
        self.last: Image | None = None

    def open(self, info: StreamInfo) -> None:  # noqa: ARG002 - any stream will do
        """Discard the drawings of the previous stream."""
        self._spare = self.last = None

    def write(self, result: Result) -> None:
        """Draw one result, timed as the stage "overlay"."""
        with result.trace.stage("overlay"):
            out = self._spare if self._spare is not None and self._spare.shape[:2] == result.frame.image.shape[:2] else None
            self._spare, self.last = self.last, self._overlay.draw(result, out)

    def close(self) -> None:
        """Do nothing; `last` stays available."""
