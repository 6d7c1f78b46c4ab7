"""Runs the training loop and saves checkpoints of averaged weights, from which it can resume."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import Case, find_near_duplicates, open_dataset, split
from rtseg.output.atomic_file import write_or_refuse
from rtseg.output.private_file import locked_folder
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text
from rtseg.train.clips import ClipSampler
from rtseg.train.config import ScheduleConfig, TrainConfig, read_config
from rtseg.train.curves import plot_curves
from rtseg.train.interruption import defer_interrupts
from rtseg.train.loader import ClipLoader
from rtseg.train.teacher import open_teacher
from rtseg.train.trainer import Trainer

CHECKPOINT = "last.pt"
_MAX_STEPS = 10**9  # steps: limit of a training whose duration is given in minutes
_SAVE_SECONDS = 60.0

_log = get_logger(__name__)


def train(config_path: Path | str, out_dir: Path | str, *, resume: bool = False, threads: int = 2) -> Path:
    """Train the network of a TOML file and return the path of its checkpoint, last.pt.

    out_dir receives last.pt, split.json, losses.json and curves.png. resume: continue from out_dir's last.pt exactly as without
    a break; else a folder with a last.pt is refused. Ctrl-C stops the training after the current step and saves last.pt.
    Raises ConfigError, DatasetError, SinkError.
    """
    return train_config(read_config(config_path), Path(out_dir), resume=resume, threads=threads)


def train_config(
    config: TrainConfig, out: Path, *, resume: bool = False, threads: int = 2, compare_halves: bool = True
) -> Path:
    """Train the network of a configuration as `train` does. Raises ConfigError, DatasetError, SinkError.

    compare_halves: search for held-out pictures that are trained on too, which takes longer than a short training.
    """
    _check_folder(out / CHECKPOINT, resume)
    with _own_threads(threads):
        _train(config, out, resume, compare_halves)
    return out / CHECKPOINT


@contextmanager
def _own_threads(threads: int) -> Iterator[None]:
    """Give torch `threads` threads and OpenCV one inside the context: the clips are drawn in a separate thread."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _train(config: TrainConfig, out: Path, resume: bool, compare_halves: bool) -> None:
    halves = split(open_dataset(config.data.folder), config.data.held_out)
    with open_teacher(config) as teacher:
        trainer = Trainer(config, _step_count(config.schedule, len(halves[0])), teacher)
        if resume:
            trainer.load(out / CHECKPOINT)
        with locked_folder(out):
            _write_split(out / "split.json", *halves, compare_halves)
            _train_to_end(trainer, _sampler(halves[0], config), out)
            plot_curves(trainer.losses, out / "curves.png")
            write_or_refuse(out / "losses.json", json_text(trainer.losses).encode())


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


def _train_to_end(trainer: Trainer, sampler: ClipSampler, out: Path) -> None:
    """Train to the end or to an interruption, and save a checkpoint in both cases."""
    try:
        _run_phases(trainer, sampler, out)
    except KeyboardInterrupt:
        _save_checkpoint(trainer, out)
        raise
    _save_checkpoint(trainer, out)


def _save_checkpoint(trainer: Trainer, out: Path) -> None:
    with defer_interrupts():
        trainer.save(out / CHECKPOINT)


def _run_phases(trainer: Trainer, sampler: ClipSampler, out: Path) -> None:
    schedule = trainer.config.schedule
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as bar:
        bar.add_task("training", total=1000)
        if trainer.progress < schedule.stills:
            _train_until(trainer, sampler, (schedule.batch * schedule.clip, 1), schedule.stills, out, bar)
        if trainer.progress < 1:
            _train_until(trainer, sampler, (schedule.batch, schedule.clip), 1.0, out, bar)


def _train_until(
    trainer: Trainer, sampler: ClipSampler, shape: tuple[int, int], until: float, out: Path, bar: Progress
) -> None:
    """Train until the progress reaches `until`. shape: clips and frames of a batch."""
    schedule = trainer.config.schedule
    last = _MAX_STEPS if schedule.minutes else trainer.steps
    saved = time.monotonic()
    with ClipLoader(sampler, shape, schedule.seed, trainer.step, last) as batches:
        for batch in batches:
            with defer_interrupts():  # a partial step could not be resumed
                loss = trainer.train_step(batch)
            bar.update(
                bar.task_ids[0], completed=int(1000 * trainer.progress), description=f"step {trainer.step} loss {loss:.3f}"
            )
            if time.monotonic() - saved > _SAVE_SECONDS:
                _save_checkpoint(trainer, out)
                saved = time.monotonic()
            if trainer.progress >= until:
                return


def _write_split(path: Path, training: Sequence[Case], held_out: Sequence[Case], compare_halves: bool) -> None:
    """Write the names of training and held-out cases and their near-duplicates, and log a warning for each of these."""
    halves = {"training": [case.name for case in training], "held_out": [case.name for case in held_out]}
    found = find_near_duplicates(held_out, training) if compare_halves else ()
    twins = [(case.name, other.name) for case, other in found]
    write_or_refuse(path, json_text({**halves, "twins": twins}, indent=1).encode())
    for name, other in twins:
        _log.warning("held-out %s shows the same view as %s: hold out both or neither, or its score is a lie", name, other)
