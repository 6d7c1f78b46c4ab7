"""Draw the page's images: the frame alone, several drawings side by side, or a second model's overlay."""

from collections.abc import Sequence

import cv2
import numpy as np

from rtseg.engines.base import Engine
from rtseg.frame import Image
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.sinks.view.screen import Painter


class RawPainter:
    """Draws the frame without an overlay."""

    def draw(self, result: Result, out: Image | None = None) -> Image:
        """Return the frame as (H, W, 3) uint8 RGB."""
        image = result.frame.image
        coloured = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        if out is None:
            return np.array(coloured, np.uint8)
        np.copyto(out, coloured)
        return out


class SideBySidePainter:
    """Draws by several painters, side by side from left to right."""

    def __init__(self, painters: Sequence[Painter]) -> None:
        self._painters = painters

    def draw(self, result: Result, out: Image | None = None) -> Image:  # noqa: ARG002  the frame's size does not fit
        """Return the n drawings as one image (H, n W, 3) uint8 RGB."""
        height, width = result.frame.image.shape[:2]
        whole = np.empty((height, width * len(self._painters), 3), np.uint8)
        for i, painter in enumerate(self._painters):
            whole[:, i * width : (i + 1) * width] = painter.draw(result)
        return whole


class SecondModelPainter:
    """Segments the same frames by another model, with a memory of its own, and draws its overlay."""

    def __init__(self, engine: Engine, session: Session, overlay: Overlay) -> None:
        self._engine, self.session, self._overlay = engine, session, overlay
        self._last: Result | None = None

    def draw(self, result: Result, out: Image | None = None) -> Image:
        """Return the frame with the other model's overlay; a frame that is drawn again is not segmented again."""
        if self._last is None or self._last.frame is not result.frame:
            segmentation = self.session.step(result.frame)
            self._last = Result(result.frame, segmentation, result.trace, result.dropped)
        return self._overlay.draw(self._last, out)

    def restyle(self, overlay: Overlay) -> None:
        """Use another overlay from the next drawing on."""
        self._overlay = overlay

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()
