"""What a page shows of a result: the overlay, the bare picture beside it, or what a second model says."""

from collections.abc import Sequence

import cv2
import numpy as np

from rtseg.engines.base import Engine
from rtseg.frame import Image
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.sinks.view.screen import Painter


class Bare:
    """Draws the frame as it came."""

    def draw(self, result: Result, out: Image | None = None) -> Image:
        """The frame (H, W, 3), nothing on it."""
        image = result.frame.image
        coloured = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        if out is None:
            return np.array(coloured, np.uint8)
        np.copyto(out, coloured)
        return out


class SideBySide:
    """Draws by several painters, each in the place of a frame, from left to right."""

    def __init__(self, painters: Sequence[Painter]) -> None:
        self._painters = painters

    def draw(self, result: Result, out: Image | None = None) -> Image:  # noqa: ARG002  the frame's size does not fit
        """The pictures (H, n W, 3)."""
        height, width = result.frame.image.shape[:2]
        whole = np.empty((height, width * len(self._painters), 3), np.uint8)
        for i, painter in enumerate(self._painters):
            whole[:, i * width : (i + 1) * width] = painter.draw(result)
        return whole


class SecondOpinion:
    """Draws what another model says of the same frames, by a memory of its own."""

    def __init__(self, engine: Engine, session: Session, overlay: Overlay) -> None:
        self._engine, self.session, self._overlay = engine, session, overlay
        self._last: Result | None = None

    def draw(self, result: Result, out: Image | None = None) -> Image:
        """The frame with the other model's overlay; a result that is drawn again is not segmented again."""
        if self._last is None or self._last.frame is not result.frame:
            segmentation = self.session.step(result.frame)
            self._last = Result(result.frame, segmentation, result.trace, result.dropped)
        return self._overlay.draw(self._last, out)

    def restyle(self, overlay: Overlay) -> None:
        """Draw by another overlay from now on."""
        self._overlay = overlay

    def close(self) -> None:
        """Give the engine back."""
        self._engine.close()
