"""Replaces the description in an ONNX file, and leaves the network as it is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.engines.model_file import atomic_onnx_path
from rtseg.errors import MissingExtra, ModelError

try:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper
except ImportError:
    raise MissingExtra("a change of a model's metadata", "onnx") from None

__all__ = ["DecodeError", "drop_familiarity", "numpy_helper", "onnx", "write_spec"]


def drop_familiarity(network: Any) -> None:
    """Remove what was fitted to the former weights of a loaded ONNX network from its description: familiarity and ranges.

    Raises ModelError.
    """
    described = {entry.key: entry.value for entry in network.metadata_props}
    if METADATA_KEY in described:
        _replace_spec(network, replace(ModelSpec.from_json(described[METADATA_KEY]), familiarity=None, range_factors=()), {})


def write_spec(model: Path, out: Path, spec: ModelSpec, further: Mapping[str, str] | None = None) -> None:
    """Write `model` to `out`, which may be the same file, with this description; other metadata stay. The write is atomic.

    further: other metadata to set, by key. Raises ModelError, also where the weights lie in other files and `out` in another
    folder.
    """
    with as_model_error(f"{model} cannot be read as ONNX", "export it again with `rtseg export`"):
        network = onnx.load(model, load_external_data=False)
    has_files = any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in network.graph.initializer)
    if has_files and model.resolve().parent != out.resolve().parent:
        raise ModelError(f"the weights of {model} lie in files beside it: name an output in the same folder")
    _replace_spec(network, spec, further or {})
    with atomic_onnx_path(out, ".calibrate-") as part:
        onnx.save(network, part)


def _replace_spec(network: Any, spec: ModelSpec, further: Mapping[str, str]) -> None:
    kept = {entry.key: entry.value for entry in network.metadata_props}
    del network.metadata_props[:]
    onnx.helper.set_model_props(network, {**kept, METADATA_KEY: spec.to_json(), **further})
