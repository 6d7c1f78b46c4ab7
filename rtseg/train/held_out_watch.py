"""Measures the held-out Dice during a training, keeps the best network, and ends a training that no longer gains."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import Case
from rtseg.train.checkpoint import make_spec
from rtseg.train.held_out_dice import held_out_dice, plain_session
from rtseg.train.trainer import Trainer

BEST = "best.pt"


class HeldOutWatch:
    """Measures the averaged network `[schedule] evaluate` times, evenly over the training.

    Raises ConfigError where nobody is held out.
    """

    def __init__(self, trainer: Trainer, cases: Sequence[Case], out: Path) -> None:
        self._trainer, self._cases, self._best = trainer, cases, out / BEST
        self._times, self._patience = trainer.config.schedule.evaluate, trainer.config.schedule.patience
        if self._times and not cases:
            raise ConfigError("[schedule] evaluate measures held-out subjects, and none is held out: hold some out")

    @property
    def is_due(self) -> bool:
        """Return whether a measurement is due."""
        done = len(self._trainer.dice)
        return done < self._times and self._trainer.progress >= (done + 1) / self._times

    @property
    def is_over(self) -> bool:
        """Return whether the last `patience` measurements brought no better Dice."""
        values = [value for _, value in self._trainer.dice]
        since = len(values) - 1 - values.index(max(values)) if values else 0
        return 0 < self._patience <= since

    def measure(self) -> float:
        """Measure the mean Dice over the held-out subjects, and write best.pt if it is the best. Raises SinkError."""
        trainer = self._trainer
        session = plain_session(trainer.average, make_spec(trainer.average, trainer.config))
        value = round(fmean(held_out_dice(session, self._cases).values()), 5)
        best = max((dice for _, dice in trainer.dice), default=-1.0)
        trainer.dice.append((trainer.step, value))
        if value > best:
            trainer.save(self._best)
        return value
