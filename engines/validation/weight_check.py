"""Refuses an ONNX file whose constants are NaN or infinite, or lie outside its folder, and reads its metadata.

OpenVINO returns finite but wrong values for NaN weights, so the output does not show them. NaN is refused everywhere. Infinity
is refused unless it reaches only operations that mask or bound values, as the Add of an attention mask or a Pad before pooling.
"""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import METADATA_KEY
from rtseg.engines.validation.onnx_file import Node, OnnxFile, Tensor
from rtseg.errors import ModelError

MAX_DESCRIPTION = 65_536  # characters of a network's description; shipped models have under 2,000
RETRAIN = "train and export it again"

_RAW, _FLOAT, _INT32, _DOUBLE = 0, 4, 5, 10  # storage of a tensor's values: raw_data, or a field number of TensorProto
_FLOAT16, _BFLOAT16 = 10, 16
_LAYOUT: dict[int, tuple[str, int]] = {  # by TensorProto.DataType: the NumPy dtype of raw_data, and the field of typed values
    1: ("<f4", _FLOAT),
    _FLOAT16: ("<f2", _INT32),
    11: ("<f8", _DOUBLE),
    14: ("<f4", _FLOAT),  # complex64, as pairs
    15: ("<f8", _DOUBLE),  # complex128
    _BFLOAT16: ("<u2", _INT32),
    **dict.fromkeys((17, 18, 19, 20, 24), ("u1", _INT32)),  # the variants of float8
}
_FLOAT8_NAN: dict[int, tuple[int, ...]] = {  # by TensorProto.DataType: the codes of NaN
    17: (0x7F, 0xFF),
    18: (0x80,),
    19: (0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF),
    20: (0x80,),
    24: (0xFF,),
}
_FLOAT8_INFINITE = {19: (0x7C, 0xFC)}

_MASKING_OPS = {"Add", "Clip", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Pad", "Sub", "Where"}
_PASS_THROUGH_OPS = {
    *("Cast", "Concat", "Constant", "ConstantOfShape", "Expand", "Flatten", "Gather", "Identity", "Reshape", "ScatterElements"),
    *("ScatterND", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze"),
}  # operations that pass a constant on unchanged

Values = npt.NDArray[Any]


def check_weights(path: Path) -> OnnxFile:
    """Parse an ONNX file, and check its constants and metadata. Raises ModelError."""
    file = OnnxFile.read(path)
    metadata_of(file)
    consumers = _consumers(file.nodes)
    for tensor in file.tensors:
        _check(file, tensor, tensor.name, consumers)
    for node in file.nodes:
        for tensor in node.tensors:
            _check(file, tensor, node.outputs[0] if node.outputs else tensor.name, consumers, node.op)
        for values in node.floats:
            nan, infinite = _has_nan_and_infinity(1, np.frombuffer(values[: len(values) // 4 * 4], "<f4"))
            if nan or (infinite and not _may_be_infinite(file, node, consumers)):
                raise ModelError(f"{path} has {_word(nan)} in an attribute of a {_quoted(node.op)}: {RETRAIN}")
    return file


def metadata_of(file: OnnxFile) -> Mapping[str, str]:
    """Decode a file's metadata. Raises ModelError where they are not UTF-8, or the description is repeated or too long."""
    try:
        pairs = [(key.decode(), value.decode()) for key, value in file.metadata]
    except UnicodeDecodeError:
        raise ModelError(f"{file.path} has metadata that are not UTF-8: export it again with `rtseg export`") from None
    found = [value for key, value in pairs if key == METADATA_KEY]
    if len(found) > 1 or any(len(value) > MAX_DESCRIPTION for value in found):
        what = f"{len(found)} descriptions" if len(found) > 1 else f"a description of {len(found[0])} characters"
        raise ModelError(f"{file.path} has {what} in its metadata: export it again with `rtseg export`")
    return dict(pairs)


def external_files(file: OnnxFile) -> list[Path]:
    """Return the external weight files of an ONNX file. Raises ModelError for one outside its folder."""
    tensors = [*file.tensors, *(tensor for node in file.nodes for tensor in node.tensors)]
    locations = {tensor.external.get("location", "") for tensor in tensors if tensor.external is not None}
    return [_external_path(file.path, location) for location in sorted(locations)]


def _check(file: OnnxFile, tensor: Tensor, name: bytes, consumers: "_Consumers", op: str = "") -> None:
    """Raise ModelError where a tensor has NaN, or infinity that is no mask. name: the name by which nodes read its values."""
    for values in _values(file, tensor):
        nan, infinite = _has_nan_and_infinity(tensor.dtype, values)
        refused = nan or (infinite and ((op and op not in _PASS_THROUGH_OPS) or not _only_masks(file, name, consumers)))
        if refused:
            raise ModelError(f"{file.path} has {_word(nan)} in its weights {_quoted(name)}: {RETRAIN}")


def _values(file: OnnxFile, tensor: Tensor) -> Iterator[Values]:
    """Yield a tensor's floating-point values from every storage form; other types yield nothing."""
    external = _external_path(file.path, tensor.external.get("location", "")) if tensor.external is not None else None
    if tensor.dtype not in _LAYOUT:
        return
    dtype, field = _LAYOUT[tensor.dtype]
    pieces = [np.frombuffer(piece, np.uint8) for piece in tensor.raw]
    if external:
        pieces.append(_external_bytes(external, tensor.external or {}))
    for piece in pieces:
        if len(piece) % np.dtype(dtype).itemsize:
            raise ModelError(f"{file.path} has weights {_quoted(tensor.name)} that are cut off: {RETRAIN}")
        yield piece.view(dtype)
    typed = b"".join(map(bytes, tensor.typed[field]))
    if not typed:
        return
    if field == _INT32:
        yield _low_bits(np.frombuffer(typed, np.uint8)).astype("<u2").view(dtype if dtype != "u1" else "<u2")
    else:
        itemsize = np.dtype(dtype).itemsize
        yield np.frombuffer(typed[: len(typed) // itemsize * itemsize], dtype)


def _low_bits(coded: Values) -> Values:
    """Decode the lowest 16 bits of each varint."""
    ends = np.flatnonzero(coded < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    lengths, values = ends - starts + 1, np.zeros(len(ends), np.uint32)
    for place in range(3):
        has = lengths > place
        values[has] |= (coded[starts[has] + place] & np.uint32(0x7F)).astype(np.uint32) << np.uint32(7 * place)
    return values & np.uint32(0xFFFF)


def _external_bytes(path: Path, where: Mapping[str, str]) -> Values:
    """Map the bytes of a tensor in an external file. Raises ModelError."""
    try:
        offset, size = int(where.get("offset", "0")), path.stat().st_size
        length = int(where.get("length", str(size - offset)))
        if not (0 <= offset <= size and 0 <= length <= size - offset):
            raise ValueError
        if not length:
            return np.empty(0, np.uint8)
        return np.memmap(path, np.uint8, "r", offset, (length,))
    except (OSError, ValueError):
        raise ModelError(f"{path} does not hold all the weights that the network keeps there: {RETRAIN}") from None


def _external_path(model: Path, location: str) -> Path:
    """Return the regular file at an external location. Raises ModelError where it is missing or outside the model's folder."""
    found = model.parent / location
    folders = {model.parent.resolve(), model.resolve().parent}  # a hub's cache links both files to one shared folder
    inside = True
    try:
        inside = not Path(location).is_absolute() and ".." not in Path(location).parts
        inside = inside and any(found.resolve().is_relative_to(folder) for folder in folders)
        regular = inside and stat.S_ISREG(found.stat().st_mode)
    except (OSError, RuntimeError, ValueError):  # no such file, circular links, a null byte
        regular = False
    if not inside:
        raise ModelError(f"{model} keeps weights in {_quoted(location)}, outside its folder: put both files into one folder")
    if not regular:
        raise ModelError(f"{model} keeps weights in {_quoted(location)}, which is not there: put that file beside it")
    return found


def _has_nan_and_infinity(dtype: int, values: Values) -> tuple[bool, bool]:
    """Return (has NaN, has infinity) for values that are encoded as a TensorProto.DataType."""
    if dtype in _FLOAT8_NAN:
        codes = values & 0xFF
        return bool(np.isin(codes, _FLOAT8_NAN[dtype]).any()), bool(np.isin(codes, _FLOAT8_INFINITE.get(dtype, ())).any())
    if dtype == _BFLOAT16:
        odd = values[(values & 0x7F80) == 0x7F80]
        return bool((odd & 0x7F).any()), bool((odd & 0x7F == 0).any())
    odd = values[~np.isfinite(values)]
    return bool(np.isnan(odd).any()), bool(np.isinf(odd).any())


_Consumers = Mapping[bytes, list[Node]]


def _consumers(nodes: list[Node]) -> _Consumers:
    """Return the nodes that read each name, over all graphs of the file."""
    found: dict[bytes, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            found.setdefault(name, []).append(node)
    return found


def _may_be_infinite(file: OnnxFile, node: Node, consumers: _Consumers) -> bool:
    """Return whether infinity in a float attribute of a node masks or bounds values."""
    moved = node.op in _PASS_THROUGH_OPS and all(_only_masks(file, output, consumers) for output in node.outputs)
    return moved or node.op in _MASKING_OPS


def _only_masks(file: OnnxFile, name: bytes, consumers: _Consumers) -> bool:
    """Return whether a constant reaches masking operations alone, moved about or as it is, and is no result of a graph."""
    seen, left = {name}, [name]
    while left:
        if (value := left.pop()) in file.results:
            return False
        for node in consumers.get(value, ()):
            if node.op in _PASS_THROUGH_OPS:
                left += [output for output in node.outputs if output not in seen]
                seen.update(node.outputs)
            elif node.op not in _MASKING_OPS:
                return False
    return True


def _word(nan: bool) -> str:
    return "NaN" if nan else "infinity"


def _quoted(name: bytes | str) -> str:
    """Return a name for a message: quoted, without control characters, and at most 80 characters long."""
    text = name.decode(errors="replace") if isinstance(name, bytes) else name
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")
