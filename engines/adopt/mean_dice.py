"""Compares labels with the user's masks."""

from collections.abc import Sequence

import numpy as np

from rtseg.frame import Image, Labels

Pictures = Sequence[tuple[Image, Labels | None]]
"""The user's pictures, each with its mask, or None without one."""


def mean_dice(found: Sequence[Labels], pictures: Pictures, classes: int) -> float:
    """Return the mean Dice over the classes that the masks or the labels show; 0 where neither shows any."""
    both, total = np.zeros(classes), np.zeros(classes)
    for labels, (_, mask) in zip(found, pictures, strict=True):
        for place in range(classes):
            ours, theirs = np.asarray(labels == place + 1), np.asarray(mask == place + 1)
            both[place] += (ours & theirs).sum()
            total[place] += ours.sum() + theirs.sum()
    return float((2 * both[total > 0] / total[total > 0]).mean()) if total.any() else 0.0
