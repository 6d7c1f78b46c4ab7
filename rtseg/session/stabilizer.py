"""Stabilize masks in time: smoothing, hysteresis, warping by optical flow, and frames that the engine skips.

This serves networks without a memory, and adds to those that have one. `DEFAULT_TEMPORAL` is the default of a session;
docs/temporal.md states its effect and its lag.
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

_ABOUT = (21, 21)  # cells of the network's output: wider than speckle, narrower than a shadow
_NOISE_LEVELS, _GREY, _CONTRAST = 2.0, 128, 40  # gray levels: noise floor, mean and gain of the normalized picture
_MOVING_LEVELS = 2.0  # mean change of the picture at which the past's weight falls to 1/e, in gray levels


@dataclass(frozen=True, slots=True)
class TemporalOptions:
    """Holds the options of temporal stabilization; the defaults leave masks unchanged. Raises ConfigError."""

    smoothing: float = 0.0
    """Weight of the past in the probabilities of a still picture, 0 to 0.95; less where the picture changes."""
    hysteresis: float = 0.0
    """Margin in logits by which another class must win over a pixel's class in a still picture; less where it changes."""
    flow: bool = False
    """Warp the past by optical flow before it is used, and before the change of the picture is measured."""
    every: int = 1
    """Run the engine on each n-th frame; the frames between get the last mask, warped by optical flow."""

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing <= 0.95:
            raise ConfigError(f"smoothing is {self.smoothing}: give a share of the past from 0 to 0.95")
        if not 0 <= self.hysteresis < math.inf:
            raise ConfigError(f"hysteresis is {self.hysteresis}: give logits from 0 on, such as 0.5")
        if not 1 <= self.every <= 100:
            raise ConfigError(f"the engine cannot run every {self.every} frames: give 1 (each) to 100")


STEADY = TemporalOptions(smoothing=0.8, hysteresis=1.0, flow=True)  # the best of the settings that docs/temporal.md compares


@dataclass(frozen=True, slots=True)
class _Past:
    """Holds the results of the newest frame on which the engine ran, in the engine's memory."""

    size: tuple[int, int]  # (h, w) of the network's output
    probabilities: Array  # (1, K, h, w), smoothed
    logits: Array  # (1, K, h, w), stabilized


@dataclass(frozen=True, slots=True)
class _Look:
    """Holds what the stabilization of a frame needs besides the engine's output."""

    picture: Image  # (h, w) uint8: the frame at the size of the network's output
    weights: Array  # (2,) float32: of the new frame in the smoothing, and the hysteresis in logits
    motion: Array | None  # (h, w, 2) float32: the optical flow from the previous frame; None: no warp


class Temporal:
    """Stabilizes the logits of one stream, on the host or on a GPU, and predicts them for skipped frames.

    keeper: holds the arrays that outlive a frame in the engine's memory; on the host by default.
    """

    def __init__(self, options: TemporalOptions, keeper: Keeping | None = None) -> None:
        self._options, self._keeper = options, keeper or OnHost()
        self._flow, self._careful = Flow(), Flow(careful=True)  # skipped frames leave time for it
        self._past: _Past | None = None
        self.forget()

    def forget(self) -> None:
        """Treat the next frame as the first one."""
        self._before: Image | None = None  # of the newest frame on which the engine ran
        self._look: _Look | None = None
        self._skipped = 0

    def is_due(self, life: Life) -> bool:
        """Return whether the engine must run on a frame that is neither held nor lost; call it once for each frame."""
        if life is Life.SPOILT and self._before is not None:
            return False
        due = life is not Life.LIVE or self._before is None or self._skipped + 1 >= self._options.every
        self._skipped = 0 if due else self._skipped + 1
        return due

    def look(self, frame: Frame, fit: Fit) -> None:
        """Compute what `stabilize` needs from the frame, before the engine runs, so that the inputs of a GPU are complete."""
        self._look = self._seen(frame, fit, self._past.size) if self._past else None

    def steady(self, logits: Array, frame: Frame, fit: Fit) -> Array:
        """Return the engine's logits (1, K, h, w), stabilized by those of earlier frames."""
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
        """Return the last logits (1, K, h, w), warped to a frame that the engine skips. Raises ConfigError before the first."""
        if self._past is None or self._before is None:
            raise ConfigError("there are no logits to warp yet: run the engine where is_due says so")
        before, now = (_levelled(picture) for picture in (self._before, _picture(frame, fit, self._past.size)))
        field = self._careful.between(before, now)
        return kernels.carried(self._past.logits, self._keeper.bring("motion", field))

    def _seen(self, frame: Frame, fit: Fit, size: tuple[int, int]) -> _Look:
        """Compute the inputs of a frame; without a previous picture the flow is 0 and the weight of the past is 0.

        The arrays are the same in both cases, so that one captured CUDA graph serves both.
        """
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
        """Store what stabilizes the next frame, and return the logits."""
        self._before = picture
        keep = self._keeper.keep
        self._past = _Past(picture.shape[:2], keep("probabilities", probabilities), keep("logits", logits))
        return logits


def _levelled(picture: Image) -> Image:
    """Normalize a picture (h, w) by its local mean and deviation, so that neither gain nor a shadow is taken for motion."""
    levels = picture.astype(np.float32)
    apart = levels - cv2.blur(levels, _ABOUT)
    spread = np.sqrt(cv2.blur(apart * apart, _ABOUT).clip(0)) + _NOISE_LEVELS
    return np.asarray(np.clip(_GREY + _CONTRAST * apart / spread, 0, 255), np.uint8)


def _picture(frame: Frame, fit: Fit, size: tuple[int, int]) -> Image:
    """Return the frame as the network sees it, gray, at the size of its output: (h, w) uint8."""
    top, left, height, width = fit.inner
    down, along = size[0] / fit.size[0], size[1] / fit.size[1]
    rows = slice(round(top * down), round((top + height) * down))
    columns = slice(round(left * along), round((left + width) * along))
    picture = np.zeros(size, np.uint8)
    inside = picture[rows, columns]
    inside[:] = thumbnail(frame.image, fit.box, (inside.shape[0], inside.shape[1]))
    return picture
