"""Measures a network in training on held-out pictures, in order of time with its memory."""

from collections.abc import Sequence
from statistics import fmean

from torch import nn

from rtseg.engines.base import ModelSpec
from rtseg.engines.torch import TorchEngine
from rtseg.evaluation.dataset import Case, scans
from rtseg.evaluation.metrics import dice
from rtseg.frame import Frame
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

FRAME_NS = 40_000_000  # between two frames


def plain_session(network: nn.Module, spec: ModelSpec) -> Session:
    """Return a session on whole frames without stabilization."""
    return Session(TorchEngine(network, spec), locator=WholeFrame(), temporal=None)


def held_out_dice(session: Session, cases: Sequence[Case]) -> dict[str, float]:
    """Return the mean Dice of each subject, over its pictures and the classes in each. Raises DatasetError, EngineError."""
    scores: dict[str, list[float]] = {}
    for scan in scans(cases).values():
        session.reset("next recording")
        for place, case in enumerate(scan):
            image, truth = case.image_and_labels(session.classes)
            found = session.step(Frame(image, place, place * FRAME_NS)).labels
            labels = range(1, len(session.classes) + 1)
            present = [label for label in labels if (truth == label).any() or (found == label).any()]
            values = [dice(truth == label, found == label) for label in present]
            scores.setdefault(case.subject, []).append(fmean(values) if values else 1.0)
    return {subject: round(fmean(values), 5) for subject, values in scores.items()}
