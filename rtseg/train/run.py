"""Runs the training loop and saves checkpoints of averaged weights, from which it can resume."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import Case, find_near_duplicates, open_dataset, split
from rtseg.models import Composition
from rtseg.output.atomic_file import write_or_refuse
from rtseg.output.private_file import locked_folder
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text
from rtseg.train.checkpoint import build_network, damage_as_config_error, initial_network, read_checkpoint, write_checkpoint
from rtseg.train.clips import ClipSampler, TrainingClip
from rtseg.train.config import ScheduleConfig, TrainConfig, read_config
from rtseg.train.curves import plot_curves
from rtseg.train.interruption import defer_interrupts
from rtseg.train.loader import ClipLoader
from rtseg.train.loss import segmentation_loss
from rtseg.train.network_input import clip_input

CHECKPOINT = "last.pt"
_PARTS = ("average", "network", "optimiser")
_MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's state of each weight
_MAX_STEPS = 10**9  # steps: limit of a training whose duration is given in minutes
_WARM_UP = 0.03  # share of the training in which the learning rate rises
_SAVE_SECONDS = 60.0

_log = get_logger(__name__)


def train(config_path: Path | str, out_dir: Path | str, *, resume: bool = False, threads: int = 2) -> Path:
    """Train the network of a TOML file and return the path of its checkpoint, last.pt.

    out_dir receives last.pt, split.json, losses.json and curves.png. resume: continue from out_dir's last.pt exactly as without
    a break; else a folder with a last.pt is refused. Ctrl-C stops the training after the current step and saves last.pt.
    Raises ConfigError, DatasetError, SinkError.
    """
    config, out = read_config(config_path), Path(out_dir)
    _check_folder(out / CHECKPOINT, resume)
    with _own_threads(threads):
        _train(config, out, resume)
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


def _train(config: TrainConfig, out: Path, resume: bool) -> None:
    halves = split(open_dataset(config.data.folder), config.data.held_out)
    trainer = Trainer(config, _step_count(config.schedule, len(halves[0])))
    if resume:
        trainer.load(out / CHECKPOINT)
    with locked_folder(out):
        _write_split(out / "split.json", *halves)
        _train_to_end(
            trainer, ClipSampler(halves[0], len(config.classes), config.size, config.data, config.schedule.sparse), out
        )
        plot_curves(trainer.losses, out / "curves.png")
        write_or_refuse(out / "losses.json", json_text(trainer.losses).encode())


def _check_folder(checkpoint: Path, resume: bool) -> None:
    """Refuse to overwrite another training, or to resume without a checkpoint. Raises ConfigError."""
    if resume and not checkpoint.exists():
        raise ConfigError(f"{checkpoint} is not there to go on from: leave --resume out, or name a training's folder")
    if checkpoint.exists() and not resume:
        raise ConfigError(f"{checkpoint} is of an earlier training: name another folder, or go on from it with --resume")


def _step_count(schedule: ScheduleConfig, images: int) -> int:
    """Return the number of steps of the configured epochs."""
    return math.ceil(min(schedule.epochs * images / (schedule.batch * schedule.clip), _MAX_STEPS))


class Trainer:
    """Holds a network in training, its averaged copy, the optimizer and the progress.

    steps: total number of steps, which counts if the config gives no minutes.
    """

    def __init__(self, config: TrainConfig, steps: int) -> None:
        torch.manual_seed(config.schedule.seed)
        self.config, self.steps = config, steps
        self.network = initial_network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast
        self.average = build_network(config)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(_parameter_groups(self.network, config), lr=config.schedule.learning_rate)
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []

    @property
    def progress(self) -> float:
        """Return the completed share of the training, in [0, 1]."""
        minutes = self.config.schedule.minutes
        return min(1.0, self.seconds / 60 / minutes if minutes else self.step / self.steps)

    def train_step(self, clip: TrainingClip) -> float:
        """Train one step on a batch and return its loss. Raises ConfigError if it is not finite."""
        started = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.schedule.learning_rate * group["share"] * _learning_rate_share(self.progress)
        frames, truth = clip_input(clip.frames, self.config), torch.from_numpy(clip.truth)
        with torch.autocast("cpu", torch.bfloat16, enabled=_has_bfloat16()):
            logits, features = self.network.clip_features(frames)
            auxiliary = self.network.auxiliary_loss(features, truth.flatten(0, 1))
        loss: Tensor = segmentation_loss(logits, truth, self.config.loss) + self.config.loss.heads * auxiliary
        if not torch.isfinite(loss):
            raise ConfigError(f"the loss is {loss.item()} at step {self.step}: lower learning_rate and train again")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.schedule.clip_gradient)
        self.optimiser.step()
        self._update_average()
        self.losses.append(round(loss.item(), 5))
        self.seconds += time.perf_counter() - started
        return self.losses[-1]

    @torch.no_grad()
    def _update_average(self) -> None:
        """Update the moving average of weights and statistics, faster at the beginning."""
        self.step += 1
        share = 1 - min(self.config.schedule.average, (1 + self.step) / (10 + self.step))
        new = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            value.lerp_(new[name], share) if value.is_floating_point() else value.copy_(new[name])

    def save(self, path: Path) -> None:
        """Write the whole state atomically. Raises SinkError."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        write_checkpoint(path, self.config, {**parts, "step": self.step, "seconds": self.seconds, "losses": self.losses})

    def load(self, path: Path) -> None:
        """Restore the state from a checkpoint. Raises ConfigError."""
        config, values = read_checkpoint(path)
        if config != self.config:
            raise ConfigError(f"{path} was trained with other settings: go on with those, or train into another folder")
        with damage_as_config_error(path):
            self._restore(values)

    def _restore(self, values: dict[str, Any]) -> None:
        for name in _PARTS:
            getattr(self, name).load_state_dict(values[name])
        if any(past[name].shape != value.shape for value, past in self.optimiser.state.items() for name in _MOMENTS):
            raise ValueError("moments of other weights, which load_state_dict takes unseen")
        self.step, self.seconds, self.losses = int(values["step"]), float(values["seconds"]), list(values["losses"])


def _has_bfloat16() -> bool:
    """Return True if this processor multiplies bfloat16 itself; emulated, a step takes ten times as long as in float32."""
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # of torch 2.6 and later
    return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))


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


def _learning_rate_share(progress: float) -> float:
    """Return the share of the full learning rate: a short rise, then a cosine decay to 0."""
    return min(1.0, (progress + 1e-3) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress))


def _parameter_groups(network: Composition, config: TrainConfig) -> list[dict[str, Any]]:
    """Return AdamW's parameter groups: weight decay for weights only, and a separate learning rate for the encoder."""
    encoder = set(network.encoder.parameters())
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for value in network.parameters():
        groups.setdefault((value in encoder, value.ndim > 1), []).append(value)
    return [
        {
            "params": values,
            "weight_decay": config.schedule.weight_decay if shrinks else 0.0,
            "share": config.network.encoder_rate if inside else 1.0,
        }
        for (inside, shrinks), values in groups.items()
    ]


def _write_split(path: Path, training: Sequence[Case], held_out: Sequence[Case]) -> None:
    """Write the names of training and held-out cases and their near-duplicates, and log a warning for each of these."""
    halves = {"training": [case.name for case in training], "held_out": [case.name for case in held_out]}
    twins = [(case.name, other.name) for case, other in find_near_duplicates(held_out, training)]
    write_or_refuse(path, json_text({**halves, "twins": twins}, indent=1).encode())
    for name, other in twins:
        _log.warning("held-out %s shows the same view as %s: hold out both or neither, or its score is a lie", name, other)
