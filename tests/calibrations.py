"""Calibrations for the tiny network of `networks.recurrent`, by which a bright picture is familiar and a dark one is not."""

import numpy as np

from rtseg.engines.familiarity_calibration import FamiliarityCalibration, packed

FEATURES = 38  # of the tiny network: two of its state, fourteen of its logits, twenty-two of its input


def brightness(features: int = FEATURES, size: tuple[int, int] = (32, 48), **changes: object) -> FamiliarityCalibration:
    """Return a calibration whose discriminant is the mean of the state: above 0 for a picture brighter than level 100."""
    weights = np.zeros(features)
    weights[0] = 1
    values: dict[str, object] = {
        "size": size,
        "mean": packed(np.zeros(features)),
        "scale": packed(np.ones(features)),
        "weights": packed(weights),
        "basis": packed(np.eye(1, features), np.float16),
        "spread": packed([1.0, 1.0]),
        "bounds": (0.0, 1e6),
        "widths": (0.01, 1.0),
    }
    return FamiliarityCalibration(**{**values, **changes})  # type: ignore[arg-type]
