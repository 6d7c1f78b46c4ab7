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
from rtseg.engines.capabilities import FrameBuffers, HostBuffers
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Life
from rtseg.kernels.network.fit import Fit
from rtseg.session.fingerprint import thumbnail
from rtseg.session.optical_flow import OpticalFlow, warp

_NEIGHBORHOOD = (21, 21)  # cells of the network's output: wider than speckle, narrower than a shadow
_NOISE_LEVELS, _MID_GRAY, _CONTRAST = 2.0, 128, 40  # gray levels: noise floor, mean and gain of the normalized picture
_MOTION_LEVELS = 2.0  # mean change of the picture at which the past's weight falls to 1/e, in gray levels


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


DEFAULT_TEMPORAL = TemporalOptions(
    smoothing=0.8, hysteresis=1.0, flow=True
)  # the best of the settings that docs/temporal.md compares


@dataclass(frozen=True, slots=True)
class _PreviousAnswer:
    """Holds the results of the newest frame on which the engine ran, in the engine's memory."""

    size: tuple[int, int]  # (h, w) of the network's output
    probabilities: Array  # (1, K, h, w), smoothed
    logits: Array  # (1, K, h, w), stabilized


@dataclass(frozen=True, slots=True)
class _StabilizerInputs:
    """Holds what the stabilization of a frame needs besides the engine's output."""

    picture: Image  # (h, w) uint8: the frame at the size of the network's output
    weights: Array  # (2,) float32: of the new frame in the smoothing, and the hysteresis in logits
    motion: Array | None  # (h, w, 2) float32: the optical flow from the previous frame; None: no warp


class Stabilizer:
    """Stabilizes the logits of one stream, on the host or on a GPU, and predicts them for skipped frames.

    keeper: holds the arrays that outlive a frame in the engine's memory; on the host by default.
    """

    def __init__(self, options: TemporalOptions, keeper: FrameBuffers | None = None) -> None:
        self._options, self._keeper = options, keeper or HostBuffers()
        self._flow, self._precise_flow = OpticalFlow(), OpticalFlow(precise=True)  # skipped frames leave time for it
        self._previous: _PreviousAnswer | None = None
        self.forget()

    def forget(self) -> None:
        """Treat the next frame as the first one."""
        self._previous_picture: Image | None = None  # of the newest frame on which the engine ran
        self._prepared: _StabilizerInputs | None = None
        self._skipped = 0

    def is_due(self, life: Life) -> bool:
        """Return whether the engine must run on a frame that is neither held nor lost; call it once for each frame."""
        if life is Life.SPOILT and self._previous_picture is not None:
            return False
        due = life is not Life.LIVE or self._previous_picture is None or self._skipped + 1 >= self._options.every
        self._skipped = 0 if due else self._skipped + 1
        return due

    def prepare(self, frame: Frame, fit: Fit) -> None:
        """Compute what `stabilize` needs from the frame, before the engine runs, so that the inputs of a GPU are complete."""
        self._prepared = self._prepare_inputs(frame, fit, self._previous.size) if self._previous else None

    def stabilize(self, logits: Array, frame: Frame, fit: Fit) -> Array:
        """Return the engine's logits (1, K, h, w), stabilized by those of earlier frames."""
        if self._previous is None:
            picture = _network_view(frame, fit, logits.shape[2:])
            return self._store(picture, kernels.probability(logits), logits)
        inputs, self._prepared = self._prepared or self._prepare_inputs(frame, fit, self._previous.size), None
        previous_probabilities, previous_logits = self._previous.probabilities, self._previous.logits
        if inputs.motion is not None:
            previous_probabilities, previous_logits = (
                kernels.warp(planes, inputs.motion) for planes in (previous_probabilities, previous_logits)
            )
        probabilities = kernels.smooth_probabilities(logits, previous_probabilities, inputs.weights)
        return self._store(
            inputs.picture, probabilities, kernels.stabilize(logits, probabilities, previous_logits, inputs.weights)
        )

    def warp_previous(self, frame: Frame, fit: Fit) -> Array:
        """Return the last logits (1, K, h, w), warped to a frame that the engine skips. Raises ConfigError before the first."""
        if self._previous is None or self._previous_picture is None:
            raise ConfigError("there are no logits to warp yet: run the engine where is_due says so")
        previous_picture, now = (
            _normalize_locally(picture) for picture in (self._previous_picture, _network_view(frame, fit, self._previous.size))
        )
        motion_field = self._precise_flow.between(previous_picture, now)
        return kernels.warp(self._previous.logits, self._keeper.upload_values("motion", motion_field))

    def _prepare_inputs(self, frame: Frame, fit: Fit, size: tuple[int, int]) -> _StabilizerInputs:
        """Compute the inputs of a frame; without a previous picture the flow is 0 and the weight of the past is 0.

        The arrays are the same in both cases, so that one captured CUDA graph serves both.
        """
        picture, stillness = _network_view(frame, fit, size), 0.0
        motion_field, previous_picture = np.zeros((*size, 2), np.float32), self._previous_picture
        if previous_picture is not None:
            if self._options.flow:
                motion_field = self._flow.between(previous_picture, picture)
                previous_picture = np.rint(warp(previous_picture.astype(np.float32), motion_field)).astype(np.uint8)
            stillness = math.exp(-float(cv2.absdiff(picture, previous_picture).mean()) / _MOTION_LEVELS)
        weights = np.array((1 - self._options.smoothing * stillness, self._options.hysteresis * stillness), np.float32)
        motion = self._keeper.upload_values("motion", motion_field) if self._options.flow else None
        return _StabilizerInputs(picture, self._keeper.upload_values("weights", weights), motion)

    def _store(self, picture: Image, probabilities: Array, logits: Array) -> Array:
        """Store what stabilizes the next frame, and return the logits."""
        self._previous_picture = picture
        keep = self._keeper.retain
        self._previous = _PreviousAnswer(picture.shape[:2], keep("probabilities", probabilities), keep("logits", logits))
        return logits


def _normalize_locally(picture: Image) -> Image:
    """Normalize a picture (h, w) by its local mean and deviation, so that neither gain nor a shadow is taken for motion."""
    levels = picture.astype(np.float32)
    deviation = levels - cv2.blur(levels, _NEIGHBORHOOD)
    spread = np.sqrt(cv2.blur(deviation * deviation, _NEIGHBORHOOD).clip(0)) + _NOISE_LEVELS
    return np.asarray(np.clip(_MID_GRAY + _CONTRAST * deviation / spread, 0, 255), np.uint8)


def _network_view(frame: Frame, fit: Fit, size: tuple[int, int]) -> Image:
    """Return the frame as the network sees it, gray, at the size of its output: (h, w) uint8."""
    top, left, height, width = fit.inner
    row_scale, column_scale = size[0] / fit.size[0], size[1] / fit.size[1]
    rows = slice(round(top * row_scale), round((top + height) * row_scale))
    columns = slice(round(left * column_scale), round((left + width) * column_scale))
    picture = np.zeros(size, np.uint8)
    inside = picture[rows, columns]
    inside[:] = thumbnail(frame.image, fit.box, (inside.shape[0], inside.shape[1]))
    return picture
