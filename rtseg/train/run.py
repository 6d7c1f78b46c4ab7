"""Runs the training loop and saves checkpoints of averaged weights, from which it can resume."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import Case, open_dataset, report_names
from rtseg.output.atomic_file import write_or_refuse
from rtseg.output.private_file import locked_folder
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text
from rtseg.train.clips import ClipSampler
from rtseg.train.config import ScheduleConfig, TrainConfig, read_config
from rtseg.train.curves import curves_table, plot_curves
from rtseg.train.data_split import DataSplit, check_split, make_split, read_split, write_split
from rtseg.train.held_out_watch import HeldOutWatch
from rtseg.train.interruption import defer_interrupts
from rtseg.train.loader import ClipLoader
from rtseg.train.own_threads import own_threads
from rtseg.train.teacher import open_teacher
from rtseg.train.trainer import Trainer
from rtseg.train.training_progress import TrainingProgress

CHECKPOINT, SPLIT = "last.pt", "split.json"
_MAX_STEPS = 10**9  # steps: limit of a training whose duration is given in minutes
_SAVE_SECONDS = 60.0

_log = get_logger(__name__)


def train(config_path: Path | str, out_dir: Path | str, *, resume: bool = False, threads: int = 2) -> Path:
    """Train the network of a TOML file and return the path of its checkpoint, last.pt.

    out_dir receives last.pt, split.json, losses.json, curves.csv and curves.png, and best.pt where the held-out Dice is
    measured. resume: continue from out_dir's last.pt exactly as without a break; else a folder with a last.pt is refused.
    Ctrl-C stops the training after the current step and saves last.pt. Raises ConfigError, DatasetError, SinkError.
    """
    return train_config(read_config(config_path), Path(out_dir), resume=resume, threads=threads)


def train_config(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    threads: int = 2,
    compare_halves: bool = True,
    halves: DataSplit | None = None,
) -> Path:
    """Train the network of a configuration as `train` does. Raises ConfigError, DatasetError, SinkError.

    compare_halves: search for held-out pictures that are trained on too, which takes longer than a short training. halves: the
    split, instead of that of the configuration.
    """
    _check_folder(out / CHECKPOINT, resume)
    with own_threads(threads):
        _train(config, out, halves or _halves(config, out, resume), resume, compare_halves)
    return out / CHECKPOINT


def _train(config: TrainConfig, out: Path, halves: DataSplit, resume: bool, compare_halves: bool) -> None:
    check_split(halves, config)
    sampler = _sampler(halves.training, config)
    with open_teacher(config) as teacher:
        trainer = Trainer(config, _step_count(config.schedule, len(halves.training)), teacher)
        if resume:
            trainer.load(out / CHECKPOINT)
        watch = HeldOutWatch(trainer, halves.held_out, out)
        with locked_folder(out):
            write_split(out / SPLIT, halves, compare_halves=compare_halves)
            _train_to_end(trainer, sampler, watch, out)
            _write_curves(trainer, out)


def _halves(config: TrainConfig, out: Path, resume: bool) -> DataSplit:
    """Return the split of a configuration, or the one that this training made when it began. Raises DatasetError."""
    cases = open_dataset(config.data.folder)
    report_names(cases, config.classes)
    if resume and config.data.held_out_share and (out / SPLIT).exists():
        return read_split(out / SPLIT, cases)
    return make_split(cases, config)


def _write_curves(trainer: Trainer, out: Path) -> None:
    """Write the loss of each step and the held-out Dice, as JSON, CSV and a picture. Raises SinkError."""
    plot_curves(trainer.losses, trainer.dice, out / "curves.png")
    write_or_refuse(out / "losses.json", json_text(trainer.losses).encode())
    write_or_refuse(out / "curves.csv", curves_table(trainer.losses, trainer.dice).encode())


def _check_folder(checkpoint: Path, resume: bool) -> None:
    """Refuse to overwrite another training, or to resume without a checkpoint. Raises ConfigError."""
    if resume and not checkpoint.exists():
        raise ConfigError(f"{checkpoint} is not there to go on from: leave --resume out, or name a training's folder")
    if checkpoint.exists() and not resume:
        raise ConfigError(f"{checkpoint} is of an earlier training: name another folder, or go on from it with --resume")


def _sampler(cases: Sequence[Case], config: TrainConfig) -> ClipSampler:
    schedule = config.schedule
    with_motion = schedule.coherence > 0
    return ClipSampler(cases, config.classes, config.size, config.data, schedule.sparse, with_motion=with_motion)


def _step_count(schedule: ScheduleConfig, images: int) -> int:
    """Return the number of steps of the configured epochs."""
    return math.ceil(min(schedule.epochs * images / (schedule.batch * schedule.clip), _MAX_STEPS))


def _train_to_end(trainer: Trainer, sampler: ClipSampler, watch: HeldOutWatch, out: Path) -> None:
    """Train to the end or to an interruption, and save a checkpoint in both cases."""
    try:
        with TrainingProgress(trainer.progress) as shown:
            _run_phases(trainer, sampler, watch, out, shown)
    except KeyboardInterrupt:
        _save_checkpoint(trainer, out)
        raise
    _save_checkpoint(trainer, out)


def _save_checkpoint(trainer: Trainer, out: Path) -> None:
    with defer_interrupts():
        trainer.save(out / CHECKPOINT)


def _run_phases(trainer: Trainer, sampler: ClipSampler, watch: HeldOutWatch, out: Path, shown: TrainingProgress) -> None:
    schedule = trainer.config.schedule
    phases = [((schedule.batch * schedule.clip, 1), schedule.stills), ((schedule.batch, schedule.clip), 1.0)]
    for shape, until in phases:
        if trainer.progress < until and not watch.is_over:
            _train_until(trainer, _loader(trainer, sampler, shape), watch, until, out, shown)


def _loader(trainer: Trainer, sampler: ClipSampler, shape: tuple[int, int]) -> ClipLoader:
    """Return a loader of the remaining batches. shape: clips and frames of a batch."""
    schedule = trainer.config.schedule
    last = _MAX_STEPS if schedule.minutes else trainer.steps
    return ClipLoader(sampler, shape, schedule.seed, trainer.step, last)


def _train_until(
    trainer: Trainer, loader: ClipLoader, watch: HeldOutWatch, until: float, out: Path, shown: TrainingProgress
) -> None:
    """Train until the progress reaches `until`, or the held-out Dice no longer rises."""
    saved = time.monotonic()
    with loader as batches:
        for batch in batches:
            with defer_interrupts():  # a partial step could not be resumed
                loss = trainer.train_step(batch)
                if watch.is_due:
                    shown.show_dice(watch.measure())
            shown.update(trainer.progress, trainer.step, loss)
            if time.monotonic() - saved > _SAVE_SECONDS:
                _save_checkpoint(trainer, out)
                saved = time.monotonic()
            if watch.is_over:
                _log.warning(
                    "the held-out Dice has not risen for %s measurements: the training ends", trainer.config.schedule.patience
                )
            if watch.is_over or trainer.progress >= until:
                return
