"""Judges how much a picture resembles those that the network was made from."""

import math

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Array, ModelSpec, State
from rtseg.engines.capabilities import HostState
from rtseg.engines.familiarity_calibration import FamiliarityCalibration
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
        self._mean, self._scale, self._weights, self._basis, self._spread = calibration.arrays()

    @property
    def count(self) -> int:
        """Return the number of features."""
        return len(self._mean)

    def scores(self, features: Floats) -> tuple[float, float]:
        """Return the discriminant between own and other pictures, and the distance to the own ones."""
        z = np.clip((features - self._mean) / self._scale, -CLIP, CLIP)
        along = self._basis @ z
        rest = max(0.0, float(z @ z) - float(along @ along))
        distances = (along / self._spread[:-1]) ** 2
        distance = float(distances.sum()) / max(1, len(along)) + rest / (len(z) * float(self._spread[-1]) ** 2)
        return float(self._weights @ z), math.sqrt(distance)

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


class FamiliarityJudge:
    """Judges the frames of one network by the calibration in its spec."""

    def __init__(self, spec: ModelSpec) -> None:
        calibration = spec.familiarity
        is_usable = calibration is not None and calibration.size == spec.size
        self._scale = FamiliarityScale(calibration) if calibration and is_usable else None

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
