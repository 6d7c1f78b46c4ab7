"""Keeps the frame of a stream that is fittest to be measured, as a JPEG."""

import cv2

from rtseg.frame import Image
from rtseg.measure.fitness import fitness, is_fitter
from rtseg.measured_value import MeasuredValue

_QUALITY = 90


class FittestFrame:
    """Keeps one drawing and the value of its frame. A value that its network is surest of, on a steady frame, is fittest."""

    def __init__(self) -> None:
        self.jpeg: bytes = b""
        self.value: MeasuredValue | None = None
        self.time_s = 0.0
        self._fitness = -1.0

    def is_better(self, one: MeasuredValue, confidence: float, *, is_steady: bool) -> bool:
        """Return whether a frame is fitter than the one that is kept. confidence: of the classes that are measured."""
        return one.value is not None and is_fitter(fitness(one, confidence, is_fit=is_steady), self._fitness)

    def keep(self, picture: Image, time_s: float, one: MeasuredValue, confidence: float, *, is_steady: bool) -> None:
        """Keep a drawing (H, W, 3) RGB."""
        done, coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if done:
            self.jpeg, self.value, self.time_s = coded.tobytes(), one, time_s
            self._fitness = fitness(one, confidence, is_fit=is_steady)
