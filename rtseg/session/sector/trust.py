"""Decide whether an outline may be called known: how probably it is the sector, by a regression fitted on made-up screens."""

from collections.abc import Mapping
from math import exp

MIN_TRUST = 0.9  # probability from which a sector is known; chosen, as the weights, on screens of the layouts 0 to 29
_MIN_JOINED = 0.6  # share of the lit cells that hang together: two pictures in one outline have half each

# Fitted on looks at 270 screens of the layouts 0 to 29 (seeds 61001 and 61002), after 1, 2, 4 and 10 frames: whether the
# outline's intersection over union with the truth is 0.85 or more.
_WEIGHTS = {
    "sharp": 1.646,
    "score": 0.187,
    "hull": 7.586,
    "outline": 2.570,
    "consensus": 2.930,
    "void": -3.823,
    "spill": -3.716,
}
_BIAS = -10.432


def trust_in(features: Mapping[str, float]) -> float:
    """Return the probability, 0 to 1, that an outline is the sector, from `trust_features`; 0 where it holds two pictures."""
    if features["joined"] < _MIN_JOINED:
        return 0.0
    return 1 / (1 + exp(-_BIAS - sum(weight * features[name] for name, weight in _WEIGHTS.items())))
