"""Score regions of a screen: how surely each is the ultrasound, by a small network that was fitted on made-up screens."""

from collections.abc import Mapping

import numpy as np

# Fitted on the candidates of 150 screens of the layouts 0 to 29, with 1, 2 and 8 frames, for the expected overlap of the best.
_NAMES = (
    "sharp",
    "fill",
    "texture",
    "strokes",
    "motion",
    "gathered",
    "still",
    "size",
    "side",
    "black",
    "upper",
    "fan",
    "fit",
    "rim",
    "spill",
)
_HIDDEN = np.array(
    [
        [-1.042, -1.514, 0.003, 1.564, 0.056, -1.314, -0.961, -0.18, -2.017, 0.669, 1.02, -0.203, -3.507, -0.825, -0.104],
        [-1.867, 0.231, 4.129, -0.477, -0.517, -0.526, -0, -2.674, 0.983, -0.986, -0.886, 0.257, 1.638, -1.909, 0.846],
        [-0.085, -1.596, -0.016, 2.688, -3.129, -0.744, -0.716, 3.696, 0.033, 0.433, -0.238, -1.443, -0.68, 1.57, -1.822],
        [1.43, 4.449, 2.013, -3.02, 0.365, -0.952, -0.654, -1.524, 3.6, -0.545, -0.243, 0.134, -1.776, -0.689, -2.997],
        [-1.258, -1.586, -2.22, 4.646, -0.681, -0.149, 0.006, 0.592, -1.565, 0.472, 0.076, -1.225, 1.34, 1.491, -0.11],
        [-0.189, 2.86, -2.719, 8.264, -0.425, -0.913, -0.802, 0.826, -3.147, 0.024, 0.289, -0.71, 0.054, 0.359, 0.758],
        [-2.479, -1.78, 3.342, 3.43, 0.77, -0.814, 0.739, 1.748, -0.641, 3.917, 0.23, 0.561, 0.542, 1.611, 1.768],
        [-0.885, -1.103, -0.535, 3.216, -0.349, 0.832, 0.598, 4.425, 1.934, 0.992, -0.206, 0.213, -2.714, 0.077, 9.139],
    ]
)
_HIDDEN_BIAS = np.array([7.154, -1.289, 0.957, -3.928, 2.095, 0.461, -3.304, -1.643])
_OUTPUT = np.array([-2.589, -2.436, -1.611, 1.383, -0.922, -1.385, 1.826, -1.616])
_OUTPUT_BIAS = -1.551


def region_score(features: Mapping[str, float]) -> float:
    """Return the score of a region from what was measured of it: above 0 it is rather the sector than not."""
    is_still = features["motion"] == 0.5 and features["gathered"] == 0.5
    derived = {
        **features,
        "motion": 0.0 if is_still else features["motion"],
        "gathered": 0.0 if is_still else features["gathered"],
        "still": float(is_still),
        "size": features["area"] ** 0.5,
    }
    values = np.array([derived[name] for name in _NAMES])
    return float(np.tanh(_HIDDEN @ values + _HIDDEN_BIAS) @ _OUTPUT + _OUTPUT_BIAS)
