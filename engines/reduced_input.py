"""Runs a network at a smaller input size when time is short, and resizes its recurrent state with it.

The ONNX files of rtseg have static shapes. OpenVINO can reshape a convolutional network while it compiles it. ONNX Runtime and
TensorRT plans cannot, so this works with OpenVINO only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Array, Engine, Floats, ModelSpec, Ports, StateSpec, SwapState, check_write
from rtseg.engines.openvino import OpenVinoEngine, compile_network, read_network
from rtseg.engines.openvino_runtime import ov
from rtseg.engines.validation.examination import examine
from rtseg.errors import EngineError, ModelError
from rtseg.frame import Image, Labels

SHARES = ((3, 4), (2, 3), (1, 2))  # of each side; the first share at which all states have integer sides is used
STEP = 32  # pixels: without such a share, each side is three quarters of its own, rounded down to this

Planes = npt.NDArray[np.float32]


class ReshapedEngine(OpenVinoEngine):
    """Runs the network of a file at a smaller input, with states to match. Raises ModelError where none of SHARES fits."""

    def __init__(self, path: Path, full: ModelSpec, *, threads: int = 0) -> None:
        self.spec, network = _reshaped(full, path)
        self._request: Any = compile_network(network, path, threads).create_infer_request()
        shapes = {port.any_name: tuple(port.shape) for port in network.outputs}
        self._logits = np.zeros(shapes[self.spec.logits_output], np.float32)
        self._request.set_tensor(self.spec.logits_output, ov.Tensor(self._logits, shared_memory=True))


@dataclass(frozen=True, slots=True)
class _SizedState:
    """Holds a recurrent state together with the engine that it belongs to."""

    is_reduced: bool
    """True for the state of the reduced engine."""
    state: SwapState
    """That engine's buffers."""

    def host_arrays(self) -> tuple[Any, ...] | None:
        """Return the arrays that the full engine reads next; None for the reduced engine, whose values are others."""
        return None if self.is_reduced else self.state.host_arrays()


class ShrinkableEngine:
    """Runs one network at its full or a reduced input size; `is_reduced` switches between them, from any thread.

    It owns both engines. Inputs and logits always have the full engine's shapes: for the reduced engine the input is shrunk
    and the logits are enlarged. The state is resized once at each switch.
    """

    def __init__(self, full: OpenVinoEngine, reduced: ReshapedEngine) -> None:
        self._engines = {False: full, True: reduced}
        self.is_reduced = False

    @property
    def spec(self) -> ModelSpec:
        """Return the spec of the full-size network."""
        return self._engines[False].spec

    def initial_state(self) -> _SizedState:
        """Return a state of zeros for the engine in use."""
        reduced = self.is_reduced
        return _SizedState(reduced, self._engines[reduced].initial_state())

    def upload(self, image: Image) -> Array:
        """Return the image unchanged."""
        return image

    def infer(self, x: Array, state: _SizedState) -> tuple[Array, _SizedState]:
        """Run the engine in use, see `Engine.infer`. Raises EngineError."""
        reduced = self.is_reduced
        engine = self._engines[reduced]
        memory = state.state if state.is_reduced == reduced else _resize_state(state.state, engine)
        if not reduced:
            logits, after = engine.infer(x, memory)
            return logits, _SizedState(reduced, after)
        logits, after = engine.infer(_resize_planes(x, engine.spec.size, cv2.INTER_AREA), memory)
        (height, width), (lower, narrower) = self.spec.size, engine.spec.size
        size = round(logits.shape[2] * height / lower), round(logits.shape[3] * width / narrower)
        return _resize_planes(logits, size, cv2.INTER_LINEAR), _SizedState(reduced, after)

    def write(self, state: _SizedState, name: str, values: Floats) -> _SizedState:
        """Write values of the full engine's shape, resized for the reduced engine, see `Engine.write`. Raises ConfigError."""
        place, checked = check_write(self.spec, name, values)
        engine = self._engines[state.is_reduced]
        wanted = engine.spec.states[place].shape
        resized = checked if checked.shape == wanted else _resize_planes(checked, (wanted[2], wanted[3]), cv2.INTER_LINEAR)
        return _SizedState(state.is_reduced, engine.write(state.state, name, resized))

    def download(self, labels: Array) -> Labels:
        """Return the labels unchanged."""
        return np.asarray(labels)

    def close(self) -> None:
        """Close both engines; closing twice is harmless."""
        for engine in self._engines.values():
            engine.close()


def shrinkable(engine: Engine, path: Path, *, threads: int = 0, trusted: bool = False) -> ShrinkableEngine | None:
    """Wrap `engine` with a reduced form of its network; return None where there is none or the engine is not OpenVINO's.

    trusted: see `load_engine`. A reduced form that exceeds the limits of the examination counts as none.
    """
    if type(engine) is not OpenVinoEngine:
        return None
    try:
        examine(path, "reduced", engine.spec, trusted=trusted)
        return ShrinkableEngine(engine, ReshapedEngine(path, engine.spec, threads=threads))
    except (EngineError, ModelError):
        return None


def _reshaped(full: ModelSpec, path: Path) -> tuple[ModelSpec, Any]:
    """Return the largest smaller spec at which the network can be run, and the network reshaped to it. Raises ModelError."""
    specs = list(_reduced_specs(full))
    for spec in specs:
        network = read_network(path)
        ports: Ports = {spec.image_input: (1, spec.channels, *spec.size)}
        ports = {**ports, **{state.input: state.shape for state in spec.states}}
        try:
            network.reshape({name: ov.PartialShape(list(shape)) for name, shape in ports.items()})
        except RuntimeError:
            continue
        return spec, network
    if specs:
        raise ModelError(f"{path} cannot be run at {specs[0].size}: its layers are bound to {full.size}")
    raise ModelError(f"{path} has no smaller input at which its memory has whole sides: run it as it is")


def _reduced_specs(spec: ModelSpec) -> Iterator[ModelSpec]:
    """Yield the spec at the largest fitting of SHARES, and with each side at a multiple of STEP."""
    height, width = spec.size
    fitting = [share for share in SHARES if not (height * share[0] % share[1] or width * share[0] % share[1])]
    shared = ((height * part // whole, width * part // whole) for part, whole in fitting)
    first = next((size for size in shared if _has_whole_sides(spec, size)), None)
    stepped = height * 3 // 4 // STEP * STEP, width * 3 // 4 // STEP * STEP
    for size in (first, stepped):
        if size and min(size) > 0 and _has_whole_sides(spec, size):
            states = tuple(replace(state, shape=(*state.shape[:2], *_scaled(state, spec, size))) for state in spec.states)
            yield replace(spec, size=size, states=states)


def _has_whole_sides(spec: ModelSpec, size: tuple[int, int]) -> bool:
    """Return whether every state has whole sides where the input has `size`."""
    pairs = [(side, place) for state in spec.states for place, side in enumerate(state.shape[2:])]
    return all(side * size[place] % spec.size[place] == 0 for side, place in pairs)


def _scaled(state: StateSpec, spec: ModelSpec, size: tuple[int, int]) -> tuple[int, ...]:
    return tuple(side * size[place] // spec.size[place] for place, side in enumerate(state.shape[2:]))


def _resize_state(state: SwapState, engine: OpenVinoEngine) -> SwapState:
    """Copy a state into another engine's buffers, resized bilinearly."""
    there: SwapState = engine.initial_state()
    for ours, theirs in zip(state.now, there.now, strict=True):
        theirs.data[:] = _resize_planes(ours.data, theirs.data.shape[2:], cv2.INTER_LINEAR)
    return there


def _resize_planes(planes: Planes, size: tuple[int, int], interpolation: int) -> Planes:
    """Resize planes (N, C, h, w) to another (h, w)."""
    resized = [cv2.resize(plane, (size[1], size[0]), interpolation=interpolation) for view in planes for plane in view]
    return np.stack(resized).reshape(*planes.shape[:2], *size)
