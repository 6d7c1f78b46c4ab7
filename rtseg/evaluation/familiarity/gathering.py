"""Runs networks on pictures and gathers their features, as a session sees them at a stream's beginning and in its course."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Engine
from rtseg.errors import EngineError
from rtseg.evaluation.familiarity.discriminant import FeatureTable
from rtseg.evaluation.familiarity.model_picture import SHORT, ModelPicture
from rtseg.session.familiarity import features_on_host

Floats = npt.NDArray[np.float32]


def gather_features(engines: Mapping[str, Engine], pictures: Iterable[ModelPicture]) -> dict[str, FeatureTable]:
    """Return the features of the pictures for each engine, whose networks take the same input. Raises EngineError.

    Each picture gives a row for each of its `firsts`, one for the end of its `stream`, and two more in a long stream.
    """
    rows: dict[str, list[Floats]] = {name: [] for name in engines}
    subjects, groups = [], []
    for picture in pictures:
        for name, engine in engines.items():
            for first in picture.firsts:
                rows[name] += _stream_features(engine, (first,))
            rows[name] += _stream_features(engine, picture.stream)
        count = len(picture.firsts) + len(_looked_at(picture.stream))
        subjects += [picture.subject] * count
        groups += [picture.group] * count
    names, kinds = np.array(subjects, np.str_), np.array(groups, np.str_)
    return {
        name: FeatureTable(np.array(found, np.float64), names, kinds, _state_feature_count(engines[name]))
        for name, found in rows.items()
    }


def _state_feature_count(engine: Engine) -> int:
    """Return the number of features of the recurrent states, which stand first."""
    return sum(2 * state.shape[0] * state.shape[1] for state in engine.spec.states)


def _looked_at(stream: Sequence[Floats]) -> set[int]:
    """Return the frames of a stream that give a row: the last one, and a third and two thirds of the way in a long stream."""
    last = len(stream) - 1
    return {last, last // 3, 2 * last // 3} if len(stream) > SHORT else {last}


def _stream_features(engine: Engine, stream: Sequence[Floats]) -> list[Floats]:
    """Return the features of the frames of a stream that are looked at."""
    state, wanted, found = engine.initial_state(), _looked_at(stream), []
    for index, x in enumerate(stream):
        logits, state = engine.infer(x, state)
        if index not in wanted:
            continue
        features = features_on_host(x, logits, state)
        if features is None:
            raise EngineError(f"{engine.spec.name!r} keeps its state out of reach: calibrate with --engine openvino or onnx")
        found.append(features)
    return found
