"""Runs networks on pictures and gathers their features, as a session sees them at a stream's beginning and in its course."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Engine
from rtseg.errors import EngineError
from rtseg.evaluation.familiarity.discriminant import FeatureTable
from rtseg.evaluation.familiarity.model_picture import ModelPicture
from rtseg.session.familiarity import features_on_host

Floats = npt.NDArray[np.float32]


def gather_features(engines: Mapping[str, Engine], pictures: Iterable[ModelPicture]) -> dict[str, FeatureTable]:
    """Return the features of the pictures for each engine, whose networks take the same input. Raises EngineError.

    Each picture gives a row for each of its `firsts`, and one for the end of its `stream`.
    """
    rows: dict[str, list[Floats]] = {name: [] for name in engines}
    subjects, groups = [], []
    for picture in pictures:
        for name, engine in engines.items():
            for first in picture.firsts:
                rows[name].append(_last_features(engine, (first,)))
            rows[name].append(_last_features(engine, picture.stream))
        subjects += [picture.subject] * (len(picture.firsts) + 1)
        groups += [picture.group] * (len(picture.firsts) + 1)
    names, kinds = np.array(subjects, np.str_), np.array(groups, np.str_)
    return {name: FeatureTable(np.array(found, np.float64), names, kinds) for name, found in rows.items()}


def _last_features(engine: Engine, stream: Sequence[Floats]) -> Floats:
    """Return the features of the last frame of a stream."""
    state = engine.initial_state()
    for x in stream:
        logits, state = engine.infer(x, state)
    features = features_on_host(x, logits, state)
    if features is None:
        raise EngineError(f"{engine.spec.name!r} keeps its state out of reach: calibrate with --engine openvino or onnx")
    return features
