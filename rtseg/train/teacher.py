"""Computes the soft targets of a training: the mean probabilities of an ensemble of exported networks."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.load import load_engine, model_path
from rtseg.errors import ConfigError
from rtseg.train.config import TrainConfig
from rtseg.train.consistency import class_probability


class TeacherEnsemble:
    """Averages the probabilities of networks on gray training clips; each carries its own memory along a clip."""

    def __init__(self, engines: list[Engine]) -> None:
        self._engines = engines

    def soft_targets(self, frames: npt.NDArray[np.float32]) -> Tensor:
        """Return the mean probabilities (T, N, K, h, w) on clips (T, N, H, W) of gray levels. Raises EngineError."""
        answers = [self._probabilities(engine, frames) for engine in self._engines]
        size = answers[0].shape[-2:]
        alike = [
            functional.adaptive_avg_pool2d(one.flatten(0, 1), (size[0], size[1])).view(answers[0].shape) for one in answers
        ]
        return torch.stack(alike).mean(0)

    def _probabilities(self, engine: Engine, frames: npt.NDArray[np.float32]) -> Tensor:
        x = np.asarray((frames - engine.spec.mean[0]) / engine.spec.std[0], np.float32)
        clips = []
        for place in range(x.shape[1]):
            state, logits = engine.initial_state(), list[Tensor]()
            for frame in x[:, place]:
                answer, state = engine.infer(np.ascontiguousarray(frame[None, None]), state)
                logits.append(torch.from_numpy(np.array(engine.download(answer))))
            clips.append(class_probability(torch.cat(logits)))
        return torch.stack(clips, 1)


@contextmanager
def open_teacher(config: TrainConfig) -> Iterator[TeacherEnsemble | None]:
    """Open the teacher's networks; None where the config names none. Raises ConfigError, ModelError, MissingExtra."""
    with ExitStack() as stack:
        engines = []
        for model in config.teacher.models:
            engine = stack.enter_context(closing(load_engine(model_path(model), threads=torch.get_num_threads())))
            _check_spec(engine.spec, model, config)
            engines.append(engine)
        yield TeacherEnsemble(engines) if engines else None


def _check_spec(spec: ModelSpec, model: str, config: TrainConfig) -> None:
    """Refuse a network of other classes or another input than the training's. Raises ConfigError."""
    if spec.classes != config.classes:
        raise ConfigError(f"[teacher] {model} finds {', '.join(spec.classes)}: name a network of {', '.join(config.classes)}")
    if spec.size != config.size:
        raise ConfigError(f"[teacher] {model} takes {spec.size} and the training {config.size}: give both the same size")
    if spec.channels != 1 or spec.normalization != "constants":
        raise ConfigError(f"[teacher] {model} does not take gray levels alone: name a network of one gray plane")
