"""The child process of an examination: load a model file in one engine, and run it once.

Run as `python -m rtseg.engines.trial_load FILE ENGINE CPU_S BYTES`, with the user's description of the network, if any, as JSON
on standard input. It prints {"passed": true} or {"error": "..."}.
"""

import ctypes
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.base import Engine, ModelSpec
from rtseg.errors import ModelError, RtsegError

_PR_SET_PDEATHSIG = 1
_RESERVED = 3  # times the resident limit that may be reserved: threads and arenas reserve more than they use


def main(file: str, engine: str, cpu_s: str, resident_bytes: str) -> None:
    """Print the verdict on one file."""
    _limit(int(cpu_s), int(resident_bytes))
    answer: dict[str, Any] = {"passed": True}
    try:
        told = sys.stdin.read()
        _load_and_run(Path(file), engine, ModelSpec.from_json(told) if told else None)
    except RtsegError as error:
        answer = {"error": " ".join(str(error).split())}
    except MemoryError:
        answer = {"error": f"{file} needs more memory than a model of its size may: load it with --trust-model if you trust it"}
    print(json.dumps(answer))  # noqa: T201  what the parent reads


def _limit(cpu_s: int, resident_bytes: int) -> None:
    """Bound this process, and end it with its parent, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        resource.setrlimit(resource.RLIMIT_DATA, (_RESERVED * resident_bytes,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _load_and_run(path: Path, engine: str, spec: ModelSpec | None) -> None:
    _check_weights(path, engine)
    with closing(_opened(path, engine, spec)) as network:
        _check_answers(network)


def _opened(path: Path, engine: str, spec: ModelSpec | None) -> Engine:
    if engine == "onnx":
        from rtseg.engines.onnx import OnnxEngine

        return OnnxEngine(path, spec, threads=1)
    from rtseg.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(path, spec, threads=1)


def _check_weights(path: Path, engine: str) -> None:
    """Refuse NaN in any constant, and infinity in any that is no single number or mask. Raises ModelError."""
    constants = _onnx_constants(path) if engine == "onnx" else _openvino_constants(path)
    for name, values in constants:
        if np.isnan(values).any():
            raise ModelError(f"{path} has NaN among its weights ({name!r}): train or export it again")
        if np.isinf(values).any() and not _is_mask(values):
            raise ModelError(f"{path} has infinite weights ({name!r}): train or export it again")


def _is_mask(values: Any) -> bool:
    """An attention mask is 0 or -inf everywhere; a single infinity is the start of a maximum or a bound."""
    return values.size == 1 or bool(np.isin(values, (0, -np.inf)).all())


def _openvino_constants(path: Path) -> Iterator[tuple[str, Any]]:
    from rtseg.engines.openvino import read_network

    yield from _constants_of(read_network(path))


def _constants_of(model: Any) -> Iterator[tuple[str, Any]]:
    import openvino as ov

    kinds = {ov.Type.f16: np.float32, ov.Type.bf16: np.float32, ov.Type.f32: np.float32, ov.Type.f64: np.float64}
    for op in model.get_ops():
        if op.get_type_name() == "Constant" and op.get_element_type() in kinds:
            yield op.get_friendly_name(), op.get_data(dtype=kinds[op.get_element_type()])
        for body in _bodies(op):
            yield from _constants_of(body)


def _bodies(op: Any) -> Iterator[Any]:
    """Yield the graphs inside a Loop, a TensorIterator or an If."""
    kind = op.get_type_name()
    if kind in ("Loop", "TensorIterator"):
        yield op.get_function()
    elif kind == "If":
        yield from (op.get_function(0), op.get_function(1))


def _onnx_constants(path: Path) -> Iterator[tuple[str, Any]]:
    from rtseg.engines.average import onnx

    try:
        model = onnx.load(path)  # refuses external data outside the model's folder
    except Exception as error:  # noqa: BLE001  its errors and protobuf's share no parent but this
        reason = " ".join(str(error).split())
        raise ModelError(f"{path} is no ONNX model that can be read ({reason}): export it again") from None
    yield from _tensors_of(model.graph)


def _tensors_of(graph: Any) -> Iterator[tuple[str, Any]]:
    from rtseg.engines.average import numpy_helper

    tensors = [*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)]
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t] if attribute.HasField("t") else []
            tensors += attribute.tensors
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _tensors_of(inner)
    for tensor in tensors:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind in "fV":  # V: bfloat16 and the eight-bit floats of ml_dtypes
            yield tensor.name, values.astype(np.float64)


def _check_answers(network: Engine) -> None:
    """Run one frame of noise with a memory of zeros; refuse answers and memories that are not finite. Raises ModelError."""
    spec, rng = network.spec, np.random.default_rng(0)
    x = rng.standard_normal((1, spec.channels, *spec.size)).astype(np.float32)
    logits, state = network.infer(x, network.initial_state())
    memories = [np.asarray(getattr(tensor, "data", tensor)) for tensor in state.now]
    named = zip([port.output for port in spec.states], memories, strict=True)
    for name, values in [(spec.logits_output, np.asarray(logits)), *named]:
        if not np.isfinite(values).all():
            raise ModelError(f"the network of {spec.name!r} answers NaN or infinity in {name!r}: train or export it again")


if __name__ == "__main__":
    main(*sys.argv[1:])
