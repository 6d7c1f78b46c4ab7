"""Tries the usual normalizations of a network on pictures: by masks where there are some, else by how its answers look."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.engines.adopt.mean_dice import Pictures, mean_dice
from rtseg.engines.adopt.normalization import NAMES, Normalization, named_normalization, normalization_remedy
from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.input_planes import fill_input
from rtseg.errors import ModelError
from rtseg.frame import Labels
from rtseg.kernels.network.fit import letterbox

MIN_DICE = 0.5  # against the user's masks; below this, no candidate has found what they show
LOOK_MARGIN = 3.0  # the factor over the next candidate's score, without masks
SAME_DICE = 0.95  # candidates whose labels agree so far are one
SHARE = (0.002, 0.6)  # of a picture that a plausible mask covers


@dataclass(frozen=True)
class NormalizationScore:
    """Holds how one normalization did on the pictures."""

    normalization: Normalization
    """The normalization that was tried."""
    score: float
    """The mean Dice against the masks; else how certain and compact the answers are, from 0 to 1."""
    labels: tuple[Labels, ...]
    """The labels of each picture."""


def try_normalizations(engine: Engine, pictures: Pictures) -> list[NormalizationScore]:
    """Return all candidates, the best first."""
    by_masks = all(mask is not None for _, mask in pictures)
    scores = []
    for name in NAMES:
        how = "from masks" if by_masks else "guessed"
        one = named_normalization(name, engine.spec.channels, how)
        labels, looks = _run(engine, one, pictures)
        score = mean_dice(labels, pictures, len(engine.spec.classes)) if by_masks else float(np.mean(looks))
        scores.append(NormalizationScore(one, score, labels))
    return sorted(scores, key=lambda found: -found.score)


def choose_normalization(scores: Sequence[NormalizationScore], file: str, *, by_masks: bool) -> Normalization:
    """Return the best candidate. Raises ModelError where that is not far enough ahead.

    By masks, the candidate with the best Dice is taken: a candidate that is close to it errs as little. Without masks it must
    have LOOK_MARGIN times the score of the next one that gives other masks. file: the network's, for the message.
    """
    best = scores[0]
    shown = ", ".join(f"{one.normalization.name} {one.score:.2f}" for one in scores[:4])
    remedy = normalization_remedy(file, "PICTURES")
    if by_masks:
        if best.score < MIN_DICE:
            raise ModelError(f"no usual normalization finds what the masks show (Dice {shown}): {remedy}")
        return replace(best.normalization, why=f"Dice {best.score:.3f} against the masks; {shown}")
    rival = next((one for one in scores[1:] if not _are_same(best, one)), None)
    if best.score <= 0 or (rival and best.score < LOOK_MARGIN * rival.score):
        raise ModelError(f"the pictures alone do not tell the normalization (scores {shown}): {remedy}")
    return replace(best.normalization, why=f"its answers look most like masks: {shown}")


def _run(engine: Engine, one: Normalization, pictures: Pictures) -> tuple[tuple[Labels, ...], list[float]]:
    spec = with_normalization(engine.spec, one)
    labels, looks = [], []
    for image, _ in pictures:
        fit = letterbox((0, 0, *image.shape[:2]), spec.size)
        logits, _ = engine.infer(fill_input(spec, image, fit), engine.initial_state())
        logits = np.array(logits, np.float32)
        labels.append(kernels.argmax_labels(logits, fit, image.shape[:2], threshold=0.5))
        looks.append(_look(logits, labels[-1]))
    return tuple(labels), looks


def with_normalization(spec: ModelSpec, one: Normalization) -> ModelSpec:
    """Return a description with another normalization."""
    return replace(spec, mean=one.mean, std=one.std, normalization=one.kind, percentiles=one.percentiles)


def _look(logits: npt.NDArray[np.float32], labels: Labels) -> float:
    """Return how much an answer looks like a mask: certain, of a plausible size, and in few compact regions; 0 to 1."""
    share = float((labels > 0).mean())
    if not SHARE[0] < share < SHARE[1]:
        return 0.0
    values = np.concatenate([np.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits
    odds = np.exp(values[0] - values[0].max(0))
    certainty = float((2 * (odds.max(0) / odds.sum(0)) - 1).clip(0, 1).mean())
    contours, _ = cv2.findContours((labels > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    outline = sum(len(contour) for contour in contours)
    area = float((labels > 0).sum())
    compactness = min(1.0, 2 * (np.pi * area) ** 0.5 / max(outline, 1))
    return float(certainty * compactness**2)


def _are_same(one: NormalizationScore, other: NormalizationScore) -> bool:
    both = total = 0
    for ours, theirs in zip(one.labels, other.labels, strict=True):
        both += 2 * int(((ours == theirs) & (ours > 0)).sum())
        total += int((ours > 0).sum() + (theirs > 0).sum())
    return total == 0 or both / total >= SAME_DICE
