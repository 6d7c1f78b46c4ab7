"""Masks steadied in time: smoothing, hysteresis, the past carried along the motion, and frames that the engine may skip.

For networks without a memory, and on top of those that have one. STEADY is what a session does unless it is told otherwise:
what that brings, and what it costs in lag, is in docs/temporal.md.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array
from rtseg.engines.capabilities import Keeping, OnHost
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Life
from rtseg.kernels.network.fit import Fit
from rtseg.session.fingerprint import thumbnail
from rtseg.session.optical_flow import Flow, carried

_ABOUT = (21, 21)  # pixels of the network's answer: wider than speckle, narrower than a shadow
_NOISE_LEVELS, _GREY, _CONTRAST = 2.0, 128, 40  # grey levels: what is no tissue, and how it is shown to the flow
_MOVING_LEVELS = 2.0  # mean change of the picture, in grey levels, at which a third of the past's say is left


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
    """What came of the newest frame that the engine saw: (1, K, h, w), where the engine keeps it. size: (h, w)."""

    size: tuple[int, int]
    probabilities: Array  # smoothed
    logits: Array  # as they were answered


@dataclass(frozen=True, slots=True)
class _Look:
    """What a frame says before the engine has run on it: its picture at the size of the answer, and what the past is worth."""

    picture: Image
    weights: Array  # of kernels.smoothed and kernels.steadied
    motion: Array | None  # of kernels.carried


class Temporal:
    """Steadies the answers of one stream where they are, on the host or on a GPU, and answers for frames the engine skips.

    keeper: keeps what the next frame needs, where the engine has it.
    """

    def __init__(self, options: TemporalOptions, keeper: Keeping | None = None) -> None:
        self._options, self._keeper = options, keeper or OnHost()
        self._flow, self._careful = Flow(), Flow(careful=True)  # where the engine does not run, there is time
        self._past: _Past | None = None
        self.forget()

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._before: Image | None = None  # the picture of the newest frame that the engine saw
        self._look: _Look | None = None
        self._skipped = 0

    def is_due(self, life: Life) -> bool:
        """Whether the engine must run on a frame that is neither held nor lost."""
        if life is Life.SPOILT and self._before is not None:
            return False
        due = life is not Life.LIVE or self._before is None or self._skipped + 1 >= self._options.every
        self._skipped = 0 if due else self._skipped + 1
        return due

    def look(self, frame: Frame, fit: Fit) -> None:
        """Find out what `steady` needs of the frame itself: before the engine runs on it, who then has all that it works on."""
        self._look = self._seen(frame, fit, self._past.size) if self._past else None

    def steady(self, logits: Array, frame: Frame, fit: Fit) -> Array:
        """The engine's logits (1, K, h, w), steadied by those before."""
        if self._past is None:
            picture = _picture(frame, fit, logits.shape[2:])
            return self._kept(picture, kernels.probability(logits), logits)
        look, self._look = self._look or self._seen(frame, fit, self._past.size), None
        smooth, had = self._past.probabilities, self._past.logits
        if look.motion is not None:
            smooth, had = (kernels.carried(planes, look.motion) for planes in (smooth, had))
        probabilities = kernels.smoothed(logits, smooth, look.weights)
        return self._kept(look.picture, probabilities, kernels.steadied(logits, probabilities, had, look.weights))

    def carry(self, frame: Frame, fit: Fit) -> Array:
        """The last answer (1, K, h, w), carried to a frame that the engine skips."""
        if self._past is None or self._before is None:
            raise ConfigError("there is no answer to carry yet: ask is_due first")
        before, now = (_levelled(picture) for picture in (self._before, _picture(frame, fit, self._past.size)))
        field = self._careful.between(before, now)
        return kernels.carried(self._past.logits, self._keeper.bring("motion", field))

    def _seen(self, frame: Frame, fit: Fit, size: tuple[int, int]) -> _Look:
        """A frame's look. One without a past looks the same, but for its weights: on a GPU the same step serves both."""
        picture, still = _picture(frame, fit, size), 0.0
        field, before = np.zeros((*size, 2), np.float32), self._before
        if before is not None:
            if self._options.flow:
                field = self._flow.between(before, picture)
                before = np.rint(carried(before.astype(np.float32), field)).astype(np.uint8)
            still = math.exp(-float(cv2.absdiff(picture, before).mean()) / _MOVING_LEVELS)
        weights = np.array((1 - self._options.smoothing * still, self._options.hysteresis * still), np.float32)
        motion = self._keeper.bring("motion", field) if self._options.flow else None
        return _Look(picture, self._keeper.bring("weights", weights), motion)

    def _kept(self, picture: Image, probabilities: Array, logits: Array) -> Array:
        """The logits, once all that the next frame is steadied by is kept."""
        self._before = picture
        keep = self._keeper.keep
        self._past = _Past(picture.shape[:2], keep("probabilities", probabilities), keep("logits", logits))
        return logits


def _levelled(picture: Image) -> Image:
    """A picture (h, w) in which each pixel stands against those about it: neither a turn of the gain nor a shadow is motion."""
    levels = picture.astype(np.float32)
    apart = levels - cv2.blur(levels, _ABOUT)
    spread = np.sqrt(cv2.blur(apart * apart, _ABOUT).clip(0)) + _NOISE_LEVELS
    return np.asarray(np.clip(_GREY + _CONTRAST * apart / spread, 0, 255), np.uint8)


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
