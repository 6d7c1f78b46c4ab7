"""Quantizes a tracker to INT8, calibrated on clips of its training subjects with prompts in them."""

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from rtseg.engines.convert.quantize import PromptedImage, QuantizationReport, quantize_model
from rtseg.engines.onnx import OnnxEngine
from rtseg.engines.tracker_states import TrackerStates
from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import open_dataset, split
from rtseg.train.config import TrainConfig
from rtseg.train.tracking.object_clips import ObjectClip, ObjectSampler
from rtseg.train.tracking.tracking_config import read_tracking_config

CLIPS, _LENGTH = 20, 8  # of calibration
_SUBJECTS = 12  # of each dataset
_IN_FLOAT = ("*/key/*", "*/value/*", "*/recalled/*", "*/presence/*", "*/hints*")  # of the memory, which rounding spoils


def quantize_tracker(config_path: Path | str, model: Path | str, out: Path | str, *, clips: int = CLIPS) -> QuantizationReport:
    """Write a tracker's file in INT8, calibrated on a number of clips.

    config_path: that of its training. Raises ConfigError, DatasetError, ModelError.
    """
    config = read_tracking_config(config_path)
    engine = OnnxEngine(Path(model))
    states = TrackerStates.of(engine.spec)
    engine.close()
    if states is None:
        raise ConfigError(f"{model} follows no objects: give a file that `export` wrote")
    samplers = [_sampler(one, config.size) for one in config.datasets()]
    drawn = (
        sampler.draw_object(np.random.default_rng((config.schedule.seed, place)), _LENGTH)
        for place, sampler in enumerate(islice(cycle(samplers), clips))
    )
    return quantize_model(model, out, (_prompted(clip, states) for clip in drawn), in_float=_IN_FLOAT, trusted=True)


def _sampler(one: TrainConfig, size: tuple[int, int]) -> ObjectSampler:
    """Open some training subjects of one dataset. Raises DatasetError."""
    training, _ = split(open_dataset(one.data.folder), one.data.held_out)
    chosen = training[:: max(1, len(training) // _SUBJECTS)]
    return ObjectSampler(chosen, one.classes, size, one.data, 0.0)


def _prompted(clip: ObjectClip, states: TrackerStates) -> Iterator[PromptedImage]:
    """Yield the frames of a clip with its prompts, which all objects of the network get."""
    for image, maps in zip(clip.frames, clip.prompts, strict=True):
        pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        yield PromptedImage(pixels, {states.prompt: np.broadcast_to(maps, states.shape).astype(np.float32)})
