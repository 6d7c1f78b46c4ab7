"""Turns a frame's input into what an adopted network takes, and its answer into logits (1, K, h, w)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.instance_masks import class_logits
from rtseg.engines.model_spec import ModelSpec

MAX_PROBABILITY = np.float32(1 - 1e-6)  # so that the logit of a probability of 0 or 1 is finite, about 14
CERTAIN = np.float32(14.0)  # the logit of a class index

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


def converted_input(spec: ModelSpec, frames: Floats) -> Array:
    """Return the network's own input. frames: (1, frames * C, H, W) float32, the newest frame last."""
    x = frames
    if spec.channel_order == "bgr" and spec.channels == 3:
        x = x.reshape(spec.frames, 3, *spec.size)[:, ::-1].reshape(x.shape)
    match spec.layout:
        case "NHWC":
            x = x.transpose(0, 2, 3, 1)
        case "HWC":
            x = x[0].transpose(1, 2, 0)
        case "CHW":
            x = x[0]
        case "NCWH":
            x = x.transpose(0, 1, 3, 2)
        case "NHW":
            x = x[:, 0]
        case "HW":
            x = x[0, 0]
    if spec.dtype == "uint8":
        x = np.rint(x).clip(0, 255)
    return np.ascontiguousarray(x, spec.dtype)


def converted_answer(spec: ModelSpec, outputs: Mapping[str, Array]) -> Floats:
    """Return the logits (1, K, h, w) float32 of a network's outputs, with K as `ModelSpec.logits_output` says."""
    raw = outputs[spec.logits_output]
    if spec.activation == "yolo":
        return class_logits(raw, outputs[spec.prototypes], len(spec.classes), spec.size)
    values = _planes(spec, raw)
    if spec.activation == "argmax":
        labels = background_first(np.rint(values).astype(np.int64), spec.background)
        planes = np.arange(len(spec.classes) + 1).reshape(1, -1, 1, 1)
        return np.where(labels == planes, CERTAIN, -CERTAIN).astype(np.float32)
    logits = _logits(spec.activation, np.asarray(values, np.float32))
    if spec.background:
        logits = np.concatenate([logits[:, spec.background :][:, :1], np.delete(logits, spec.background, axis=1)], axis=1)
    if spec.is_multi_label:
        logits = last_of_overlapping(logits) if spec.overlap == "last" else logits
        logits = np.concatenate([np.zeros_like(logits[:, :1]), logits], axis=1)
    return np.ascontiguousarray(logits)


def last_of_overlapping(logits: Floats) -> Floats:
    """Return logits (1, K, h, w) of which the last positive one stays positive: later classes lie on earlier ones."""
    found = logits.copy()
    for place in range(logits.shape[1] - 1):
        found[:, place] = np.minimum(found[:, place], -logits[:, place + 1 :].max(axis=1))
    return found


def background_first(labels: Array, background: int) -> Array:
    """Return class indices with 0 for the background, and all others in their order after it."""
    return np.where(labels == background, 0, labels + (labels < background))


def _planes(spec: ModelSpec, raw: Array) -> Array:
    """Return an answer as (1, K, h, w)."""
    match spec.output_layout:
        case "NHWC":
            return raw.transpose(0, 3, 1, 2)
        case "HWC":
            return raw.transpose(2, 0, 1)[None]
        case "CHW":
            return raw[None]
        case "NHW":
            return raw[:, None]
        case "HW":
            return raw[None, None]
        case "NCWH":
            return raw.transpose(0, 1, 3, 2)
        case "CWH":
            return raw.transpose(0, 2, 1)[None]
        case "NWH":
            return raw.transpose(0, 2, 1)[:, None]
        case "WH":
            return raw.T[None, None]
    return raw


def _logits(activation: str, values: Floats) -> Floats:
    """Return the logits of values after an activation; those of a softmax are logarithms, up to a constant."""
    if activation == "none":
        return values
    if activation == "softmax":
        return np.log(np.maximum(values, 1 - MAX_PROBABILITY))
    shares = (1 + values) / 2 if activation == "tanh" else values
    bounded: Floats = np.clip(shares, 1 - MAX_PROBABILITY, MAX_PROBABILITY)
    logits: Floats = np.log(bounded / (1 - bounded))
    return logits
