"""Averages the weights of networks that were fine-tuned from one common network, as an ensemble at the cost of one network.

M. Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference
time", ICML 2022. An average of networks with different initial weights is useless: check it by `rtseg eval` and `rtseg gate`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.adopt.certificate import CERTIFICATE_KEY
from rtseg.engines.convert.model_metadata import DecodeError, drop_familiarity, numpy_helper, onnx
from rtseg.engines.model_file import atomic_onnx_path
from rtseg.engines.validation.weight_check import check_weights
from rtseg.errors import ModelError

__all__ = ["average", "numpy_helper", "onnx"]


def average(models: Sequence[Path | str], out: Path | str) -> int:
    """Write the mean of FP32 ONNX networks of one structure to `out` atomically, with the first network's metadata.

    Returns the number of averaged values. Raises ModelError where there are fewer than two networks, their structures differ,
    or `out` is one of them.
    """
    if len(models) < 2:
        raise ModelError("one network has no mean: name two or more")
    with atomic_onnx_path(Path(out), ".average-", *map(Path, models)) as part:
        first, *others = [_read(Path(path)) for path in models]
        for path, other in zip(models[1:], others, strict=True):
            if _structure(other) != _structure(first):
                raise ModelError(f"{path} is another network than {models[0]}: average those of one training config")
        averaged = _mean_of(first, others)
        if not averaged:
            raise ModelError(f"{models[0]} has no float32 weights to average: export the networks again in float32")
        kept = {entry.key: entry.value for entry in first.metadata_props if entry.key != CERTIFICATE_KEY}  # of other weights
        onnx.helper.set_model_props(first, kept)
        drop_familiarity(first)  # the mean has other features than the first network
        onnx.save(first, part)
    return averaged


def _read(path: Path) -> Any:
    """Load an FP32 network with its external weights, and check the weights. Raises ModelError."""
    try:
        network = onnx.load(path)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise ModelError(f"{path} cannot be read as ONNX ({error}): name a file that `rtseg export` wrote") from None
    if not network.graph.node:
        raise ModelError(f"{path} cannot be read as ONNX (it is empty): name a file that `rtseg export` wrote")
    check_weights(path)
    if any(node.op_type == "QuantizeLinear" for node in network.graph.node):
        raise ModelError(f"{path} is in INT8, whose steps are its own: average in FP32, and `rtseg quantize` the mean")
    return network


def _structure(network: Any) -> tuple[Any, ...]:
    """Return a network's nodes, inputs and weight shapes, without the weight values."""
    weights = sorted((weight.name, weight.data_type, tuple(weight.dims)) for weight in network.graph.initializer)
    return [node.SerializeToString() for node in network.graph.node], weights, list(map(str, network.graph.input))


def _mean_of(first: Any, others: Sequence[Any]) -> int:
    """Replace the first network's weights by the mean over all networks; return the number of averaged values."""
    known = [{weight.name: weight for weight in network.graph.initializer} for network in others]
    return sum(_mean_into(weight, [weights[weight.name] for weights in known]) for weight in first.graph.initializer)


def _mean_into(weight: Any, others: Sequence[Any]) -> int:
    """Replace a weight by the mean; return the number of averaged values. Other dtypes than float32 must be equal."""
    values = np.stack([numpy_helper.to_array(one) for one in (weight, *others)])
    if values.dtype == np.float32:
        weight.CopyFrom(numpy_helper.from_array(values.mean(0, dtype=np.float64).astype(np.float32), weight.name))
        return int(values[0].size)
    if np.any(values != values[:1]):
        raise ModelError(f"{weight.name} is not the same in all of them: average networks of one training config")
    return 0
