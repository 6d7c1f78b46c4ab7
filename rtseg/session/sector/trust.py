"""Decide whether an outline may be called known: how probably it is the sector, by a regression fitted on made-up screens."""

from collections.abc import Mapping
from math import exp

MIN_TRUST = 0.9  # probability from which a sector is known; chosen, as the weights, on screens of the layouts 0 to 29
# Limits below which no weight is asked, from 144 looks at 34 screens of the layouts 0 to 29 (seeds 770021 and 31007) that were
# called known: of the 8 wrong ones each is below one of them, of the right ones none; the lowest of those stand behind.
_MIN_FAR = 0.3  # lit share of the far side's columns: tissue that fades away does not show where the sector ends (0.6)
_MIN_SCORE = 1.5  # of the region: of two pictures one frame shows not which is live (1.98)
_MIN_CONSENSUS = 0.65  # overlap with the other readings: a dark band may divide the sector (0.70)
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
    """Return the probability, 0 to 1, that an outline is the sector, from `trust_features`; 0 where a limit is not met."""
    limits = {"joined": _MIN_JOINED, "far": _MIN_FAR, "score": _MIN_SCORE, "consensus": _MIN_CONSENSUS}
    if any(features[name] < least for name, least in limits.items()):
        return 0.0
    return 1 / (1 + exp(-_BIAS - sum(weight * features[name] for name, weight in _WEIGHTS.items())))
