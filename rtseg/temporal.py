"""Masks steadied in time: smoothing, hysteresis, the past carried along the motion, and frames that the engine may skip.

For networks without a memory, and on top of those that have one. STEADY is what a session does unless it is told otherwise:
what that brings, and what it costs in lag, is in docs/temporal.md.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.errors import ConfigError
from rtseg.flow import Field, Flow, carried
from rtseg.frame import Frame, Image, Life
from rtseg.glance import thumbnail
from rtseg.kernels.fit import Fit

Planes = npt.NDArray[np.float32]  # (1, K, h, w): logits or probabilities

_MOVING_LEVELS = 2.0  # mean change of the picture, in grey levels, at which a third of the past's say is left
_SURE = 1e-6  # probabilities are kept this far from 0 and 1: their logits are finite


@dataclass(frozen=True, slots=True)
class TemporalOptions:
    """How masks are steadied; the defaults leave them as they are. Raises ConfigError.

    smoothing: the past's share in the probabilities, 0 to 0.95. hysteresis: by how much in logits another class must win over
    the one that a pixel had. Both are for a picture that stands: the more it changed the less they are. flow: the past is
    carried along the motion before it counts, and before the change is told. every: the engine runs on each n-th frame, and
    between, the mask is carried along the motion.
    """

    smoothing: float = 0.0
    hysteresis: float = 0.0
    flow: bool = False
    every: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing <= 0.95:
            raise ConfigError(f"smoothing is {self.smoothing}: give a share of the past from 0 to 0.95")
        if not 0 <= self.hysteresis < math.inf:
            raise ConfigError(f"hysteresis is {self.hysteresis}: give logits from 0 on, such as 0.5")
        if not 1 <= self.every <= 100:
            raise ConfigError(f"the engine cannot run every {self.every} frames: give 1 (each) to 100")


STEADY = TemporalOptions(smoothing=0.8, hysteresis=1.0, flow=True)  # what docs/temporal.md found best


@dataclass(frozen=True, slots=True)
class _Past:
    """The newest frame that the engine saw: its picture at the size of the network's answer, and what came of it."""

    picture: Image
    probabilities: Planes  # smoothed
    logits: Planes  # as they were answered


class Temporal:
    """Steadies the answers of one stream, and answers for the frames that the engine skips."""

    def __init__(self, options: TemporalOptions) -> None:
        self._options, self._flow = options, Flow()
        self.forget()

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._past: _Past | None = None
        self._skipped = 0

    def is_due(self, life: Life) -> bool:
        """Whether the engine must run on a frame that is neither held nor lost."""
        due = life is not Life.LIVE or self._past is None or self._skipped + 1 >= self._options.every
        self._skipped = 0 if due else self._skipped + 1
        return due

    def steady(self, logits: Planes, frame: Frame, fit: Fit) -> Planes:
        """The engine's logits (1, K, h, w) on the host, steadied by those before: an array of its own."""
        picture, probabilities = _picture(frame, fit, logits.shape[2:]), kernels.probability(logits)
        steadied = np.array(logits)
        if self._past:
            past = self._moved(self._past, picture) if self._options.flow else self._past
            still = math.exp(-float(cv2.absdiff(picture, past.picture).mean()) / _MOVING_LEVELS)
            if self._options.smoothing:
                probabilities = kernels.smooth(probabilities, past.probabilities, 1 - self._options.smoothing * still)
                steadied = _logits(probabilities)
            steadied += self._options.hysteresis * still * _had(past.logits)
        self._past = _Past(picture, probabilities, steadied)
        return steadied

    def carry(self, frame: Frame, fit: Fit) -> Planes:
        """The last answer (1, K, h, w), carried to a frame that the engine skips."""
        if self._past is None:
            raise ConfigError("there is no answer to carry yet: ask is_due first")
        return self._moved(self._past, _picture(frame, fit, self._past.logits.shape[2:])).logits

    def _moved(self, past: _Past, picture: Image) -> _Past:
        """The past, as it would lie on the new picture."""
        field = self._flow.between(past.picture, picture)
        there = carried(past.picture.astype(np.float32), field)
        probabilities, logits = (_carried(planes, field) for planes in (past.probabilities, past.logits))
        return _Past(np.rint(there).astype(np.uint8), probabilities, logits)


def _had(logits: Planes) -> Planes:
    """1 for the class that each pixel had; of one logit, 1 in and -1 out."""
    if logits.shape[1] == 1:
        return np.sign(logits)
    classes = np.arange(logits.shape[1])[None, :, None, None]
    return np.asarray(logits.argmax(1, keepdims=True) == classes, np.float32)


def _carried(planes: Planes, field: Field) -> Planes:
    return np.stack([carried(plane, field) for plane in planes[0]])[None]


def _logits(probabilities: Planes) -> Planes:
    """What gives these probabilities: of one class, or of all."""
    sure = probabilities.clip(_SURE, 1 - _SURE)
    of: Planes = np.log(sure / (1 - sure)) if probabilities.shape[1] == 1 else np.log(sure)
    return of


def _picture(frame: Frame, fit: Fit, size: tuple[int, int]) -> Image:
    """The frame as the network sees it, grey, as large as its answer: (h, w) uint8. No mask moves by less than it can show."""
    top, left, height, width = fit.inner
    down, along = size[0] / fit.size[0], size[1] / fit.size[1]
    rows = slice(round(top * down), round((top + height) * down))
    columns = slice(round(left * along), round((left + width) * along))
    picture = np.zeros(size, np.uint8)
    inside = picture[rows, columns]
    inside[:] = thumbnail(frame.image, fit.box, (inside.shape[0], inside.shape[1]))
    return picture
