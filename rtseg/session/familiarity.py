"""Judges how much a picture resembles those that the network was made from."""

import math

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Array, ModelSpec, State
from rtseg.engines.capabilities import HostState
from rtseg.engines.familiarity_calibration import FamiliarityCalibration
from rtseg.kernels.runtime.cpu import compiled
from rtseg.session.picture_features import picture_features
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

Floats = npt.NDArray[np.float32]

CLIP = 12.0  # standard deviations to which a feature is limited
_MAX_EXPONENT = 30.0


class FamiliarityScale:
    """Maps the features of a picture to its familiarity, as a calibration says."""

    def __init__(self, calibration: FamiliarityCalibration) -> None:
        self.calibration = calibration
        self._arrays = calibration.arrays()

    @property
    def count(self) -> int:
        """Return the number of features."""
        return len(self._arrays[0])

    def scores(self, features: Floats) -> tuple[float, float]:
        """Return the discriminant between own and other pictures, and the distance to the own ones."""
        return _scores(np.array(features, np.float32), *self._arrays, self.calibration.distance_from)

    def familiarity(self, features: Floats) -> float:
        """Return the familiarity in 0..1: 0.5 where the worse of the two scores is at its bound."""
        return self.of_scores(*self.scores(features))

    def of_scores(self, discriminant: float, distance: float) -> float:
        """Return the familiarity for the two scores."""
        calibration = self.calibration
        margins = (
            (discriminant - calibration.bounds[0]) / calibration.widths[0],
            (calibration.bounds[1] - distance) / calibration.widths[1],
        )
        return 1 / (1 + math.exp(-min(_MAX_EXPONENT, max(-_MAX_EXPONENT, min(margins)))))


@compiled
def _scores(
    z: Floats, mean: Floats, scale: Floats, weights: Floats, basis: Floats, spread: Floats, start: int
) -> tuple[float, float]:
    """Return the discriminant and the distance; z: the features, (D,), which are standardized in place."""
    discriminant = square = 0.0
    for i in range(len(z)):
        value = min(max((z[i] - mean[i]) / scale[i], -CLIP), CLIP)
        z[i] = value
        discriminant += weights[i] * value
        if i >= start:
            square += value * value
    inside = distance = 0.0
    for k in range(len(basis)):
        along = 0.0
        for i in range(start, len(z)):
            along += basis[k, i] * z[i]
        inside += along * along
        distance += (along / spread[k]) ** 2
    rest = max(0.0, square - inside) / ((len(z) - start) * spread[-1] ** 2)
    return discriminant, math.sqrt(distance / max(1, len(basis)) + rest)


class FamiliarityJudge:
    """Judges the frames of one network by the calibration in its spec."""

    def __init__(self, spec: ModelSpec) -> None:
        calibration = spec.familiarity
        is_usable = calibration is not None and calibration.size == spec.size
        self._scale = FamiliarityScale(calibration) if calibration and is_usable else None
        if calibration and not is_usable:
            here, there = ("{}x{}".format(*size) for size in (spec.size, calibration.size))
            _log.warning(
                "the familiarity of pictures is unknown at an input of %s: the model was calibrated at %s", here, there
            )

    @property
    def is_calibrated(self) -> bool:
        """Return whether the network has a calibration that fits it."""
        return self._scale is not None

    def judge(self, x: Array, logits: Array, state: State) -> float | None:
        """Return the familiarity of a frame, None where it is unknown: without a calibration, and for arrays on a GPU.

        x: the network's input. logits, state: what it answered, the state as it is written for the next frame.
        """
        if self._scale is None:
            return None
        features = features_on_host(x, logits, state)
        if features is None:
            return None
        if len(features) != self._scale.count:
            _log.warning("the familiarity of pictures is unknown: the model's calibration is of other features")
            self._scale = None
            return None
        return self._scale.familiarity(features)


def features_on_host(x: Array, logits: Array, state: State) -> Floats | None:
    """Return the features of a frame, (D,) float32; None where its arrays are not all in host memory."""
    states = state.host_arrays() if isinstance(state, HostState) else None
    if states is None or not isinstance(x, np.ndarray) or not isinstance(logits, np.ndarray):
        return None
    return picture_features(x, logits, states)
