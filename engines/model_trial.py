"""Loads a model file and runs it once: the part of the model check that happens in a child process with limits."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Engine, ModelSpec, State, SwapState
from rtseg.errors import EngineError, MissingExtra, ModelError, RtsegError

QUICK_S = 1.0  # of a first run, after which there is time for a second
TORCH = ("torchscript", "weights")  # kinds of files of torch

OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate", "allocate memory", "DefaultCPUAllocator")  # native code's
REMEDY = "train and export it again, or check its --mean and --std"


def main(request: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield for each engine of a request its name and "error", its kind and text, which are empty where the model runs.

    request: "path", "engines", "spec" as JSON or None, "threads".
    """
    path, spec = Path(request["path"]), ModelSpec.from_json(request["spec"]) if request["spec"] else None
    yield {"engine": "", "kind": "", "error": ""}  # the child is up: what comes now is due to the file
    for engine in request["engines"]:
        try:
            _try(engine, path, spec, request["threads"])
        except Exception as error:  # noqa: BLE001  native libraries raise whatever the bytes lead them to
            yield {"engine": engine, "kind": _kind(error), "error": str(error)[:2000]}
        else:
            yield {"engine": engine, "kind": "", "error": ""}


def _kind(error: Exception) -> str:
    """Return what an error is raised as in the parent."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return "memory"
    kinds = [kind.__name__ for kind in (MissingExtra, ModelError, EngineError) if isinstance(error, kind)]
    return kinds[0] if kinds else "RtsegError" if isinstance(error, RtsegError) else "Exception"


def _try(engine: str, path: Path, spec: ModelSpec | None, threads: int) -> None:
    """Load a file into an engine and let it answer. Raises RtsegError."""
    if engine in TORCH:
        _try_torch(engine, path, spec, threads)
        return
    with closing(_opened(engine, path, spec, threads)) as loaded:
        run_once(loaded, path)


def _opened(engine: str, path: Path, spec: ModelSpec | None, threads: int) -> Engine:
    if engine == "onnx":
        from rtseg.engines.onnx import OnnxEngine

        return OnnxEngine(path, spec, threads=threads)
    from rtseg.engines.openvino import OpenVinoEngine, check_folded

    if engine == "reduced":
        from rtseg.engines.smaller import ReshapedEngine

        assert spec is not None
        return ReshapedEngine(path, spec, threads=threads)
    check_folded(path)
    return OpenVinoEngine(path, spec, threads=threads, bfloat16=engine == "openvino-bf16")


def _try_torch(kind: str, path: Path, spec: ModelSpec | None, threads: int) -> None:
    """Load a file of torch, and run a network that is described; what does not fit is told where it is used."""
    from rtseg.engines.foreign import read_weights
    from rtseg.engines.torch import TorchEngine, read_script

    if kind == "weights":
        read_weights(path)
        return
    network = read_script(path)
    if spec is not None:
        with suppress(EngineError, ModelError):
            run_once(TorchEngine(network, spec, threads=threads), path)


def _values(state: State) -> tuple[npt.NDArray[Any], ...]:
    """Return the values of a state of OpenVINO, ONNX Runtime or torch."""
    now = state.now if isinstance(state, SwapState) else state
    return tuple(np.asarray(values.data) for values in now)


def run_once(engine: Engine, path: Path) -> None:
    """Run a network on noise, whose answer must be finite, and on a black frame, if time allows. Raises RtsegError."""
    spec, started = engine.spec, monotonic()
    rng = np.random.default_rng(0)
    mean, std = (np.asarray(values, np.float32).reshape(1, -1, 1, 1) for values in (spec.mean, spec.std))
    noise = rng.integers(0, 256, (1, spec.channels, *spec.size)).astype(np.float32)
    logits, state = engine.infer(np.ascontiguousarray((noise - mean) / std), engine.initial_state())
    if not all(np.isfinite(values).all() for values in (np.asarray(logits), *_values(state))):
        raise ModelError(f"{path} gives NaN or infinity for a picture of noise: {REMEDY}")
    if monotonic() - started < QUICK_S:
        engine.infer(np.ascontiguousarray((0 * noise - mean) / std), state)
