"""Loads a model file in one engine and runs it once, in the child process of an examination.

Arguments: FILE ENGINE CPU_S BYTES PARENT. Standard input: the user's description of the network as JSON, or nothing. Output:
{"passed": true} or {"error": "..."}.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.adopt.adapted_engine import AdaptedState
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import Engine, ModelSpec, SwapState
from rtseg.errors import EngineError, ModelError, RtsegError

_PR_SET_PDEATHSIG = 1
_PER_CORE = 16 << 20  # bytes that libraries reserve per core for thread stacks
_UNUSED = 256 << 20  # bytes that an engine reserves but does not use, before it loads a network
_LONGEST = 2000  # characters of an error message
_OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate", "allocate memory", "DefaultCPUAllocator")  # in errors


def main(file: str, engine: str, cpu_s: str, resident_bytes: str, parent: str) -> None:
    """Print the verdict on one file."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # native libraries print to standard output
    _limit(int(cpu_s), int(resident_bytes), int(parent))
    answer: dict[str, Any] = {"passed": True}
    try:
        description = sys.stdin.read()
        _load_and_run(Path(file), engine, StatedFacts.from_json(description) if description else None)
    except Exception as error:  # noqa: BLE001  native libraries raise arbitrary exceptions on malformed files
        answer = {"error": _in_words(file, error)[:_LONGEST]}
    print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)  # skips the destructors of native libraries


def _in_words(file: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY):
        return f"{file} needs more memory than a model of its size may: load it with --trust-model if you trust it"
    return text if isinstance(error, RtsegError) else f"{file} cannot be run ({text}): export it again with `rtseg export`"


def _limit(cpu_s: int, resident_bytes: int, parent: int) -> None:
    """Limit the resources of this process, and end it with its parent, where the system supports that.

    RLIMIT_DATA counts writable memory only; RLIMIT_AS would also count address space that libraries reserve but never use.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        resource.setrlimit(resource.RLIMIT_DATA, (resident_bytes + _PER_CORE * (os.cpu_count() or 1) + _UNUSED,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl took effect
            os._exit(1)


def _load_and_run(path: Path, engine: str, stated: StatedFacts | None) -> None:
    if engine == "weights":
        from rtseg.engines.convert.third_party import read_weights

        read_weights(path)
    elif engine == "torchscript":
        _run_script(path, stated.spec if stated else None)
    else:
        with closing(_opened(path, engine, stated)) as network:
            _check_answers(network)


def _run_script(path: Path, spec: ModelSpec | None) -> None:
    """Load TorchScript, and run it if a spec is given; a mismatch with the spec is reported later, where it is used."""
    from rtseg.engines.torch import TorchEngine, read_script

    network = read_script(path)
    if spec:
        with suppress(EngineError, ModelError):
            _check_answers(TorchEngine(network, spec, threads=1))


def _opened(path: Path, engine: str, stated: StatedFacts | None) -> Engine:
    from rtseg.engines.adopt.examination import examine_network
    from rtseg.engines.adopt.network_graph import NetworkGraph
    from rtseg.engines.adopt.open_network import open_examined, open_network

    if engine == "adopt":
        found = examine_network(path, stated)
        _check_folded(path, NetworkGraph(path).model)
        return open_examined(found, threads=1)
    if engine == "onnx":
        return open_network(path, engine, stated, threads=1, quiet=True)
    if engine == "reduced" and stated and stated.spec:
        from rtseg.engines.reduced_input import ReshapedEngine

        return ReshapedEngine(path, stated.spec, threads=1)
    _check_folded(path, NetworkGraph(path).model)
    return open_network(path, "openvino", stated, threads=1, quiet=True)


def _check_folded(path: Path, model: Any) -> None:
    """Fold constant expressions, and refuse those that are NaN, as 0 / 0. Raises ModelError.

    OpenVINO folds them into weights, and returns finite but wrong values for NaN weights.
    """
    from rtseg.engines.openvino_runtime import passes

    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    folding.run_passes(model)
    for name, values in _constants_of(model):
        if np.isnan(values).any():
            raise ModelError(f"{path} computes weights that are NaN ({name!r}): train or export it again")


def _constants_of(model: Any) -> Iterator[tuple[str, Any]]:
    from rtseg.engines.openvino_runtime import ov

    kinds = {ov.Type.f16: np.float32, ov.Type.bf16: np.float32, ov.Type.f32: np.float32, ov.Type.f64: np.float64}
    for op in model.get_ops():
        if op.get_type_name() == "Constant" and op.get_element_type() in kinds:
            yield op.get_friendly_name(), op.get_data(dtype=kinds[op.get_element_type()])
        for body in _bodies(op):
            yield from _constants_of(body)


def _bodies(op: Any) -> Iterator[Any]:
    """Yield the nested graphs of a Loop, a TensorIterator or an If."""
    kind = op.get_type_name()
    if kind in ("Loop", "TensorIterator"):
        yield op.get_function()
    elif kind == "If":
        yield from (op.get_function(0), op.get_function(1))


def _check_answers(network: Engine) -> None:
    """Run one frame of noise with a state of zeros; refuse logits and states that are not finite. Raises ModelError."""
    spec, rng = network.spec, np.random.default_rng(0)
    x = rng.standard_normal((1, spec.channels, *spec.size)).astype(np.float32)
    logits, state = network.infer(x, network.initial_state())
    kept = state.memories if isinstance(state, AdaptedState) else state.now if isinstance(state, SwapState) else state
    memories = [np.asarray(tensor.data) for tensor in kept]
    named = zip([port.output or port.input for port in spec.states], memories, strict=True)
    for name, values in [(spec.logits_output, np.asarray(logits)), *named]:
        if not np.isfinite(values).all():
            raise ModelError(f"the network of {spec.name!r} answers NaN or infinity in {name!r}: train or export it again")
