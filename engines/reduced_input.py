"""A network at a smaller input, for when time is short: its file is reshaped as it is loaded, and its memory goes along.

An ONNX file of ours has static shapes; OpenVINO can give a convolutional network others while it compiles it. ONNX Runtime and
a TensorRT plan cannot, so that this is OpenVINO's alone.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import openvino as ov

from rtseg.engines.base import Array, Engine, ModelSpec, Ports, StateSpec, SwapState
from rtseg.engines.openvino import OpenVinoEngine, compile_network, read_network
from rtseg.engines.validation.examination import examine
from rtseg.errors import EngineError, ModelError
from rtseg.frame import Image, Labels

SHARES = ((3, 4), (2, 3), (1, 2))  # of each side; the first at which every state has whole sides is taken

Planes = npt.NDArray[np.float32]


class ReshapedEngine(OpenVinoEngine):
    """A network of `whole`'s file at a smaller input, with memory to match. Raises ModelError where none of SHARES fits."""

    def __init__(self, path: Path, whole: ModelSpec, *, threads: int = 0) -> None:
        self.spec = _smaller(whole, path)
        network = read_network(path)
        ports: Ports = {self.spec.image_input: (1, self.spec.channels, *self.spec.size)}
        ports = {**ports, **{state.input: state.shape for state in self.spec.states}}
        try:
            network.reshape({name: ov.PartialShape(list(shape)) for name, shape in ports.items()})
        except RuntimeError:
            raise ModelError(f"{path} cannot be run at {self.spec.size}: its layers are bound to {whole.size}") from None
        self._request: Any = compile_network(network, path, threads).create_infer_request()
        shapes = {port.any_name: tuple(port.shape) for port in network.outputs}
        self._logits = np.zeros(shapes[self.spec.logits_output], np.float32)
        self._request.set_tensor(self.spec.logits_output, ov.Tensor(self._logits, shared_memory=True))


@dataclass(frozen=True, slots=True)
class _Memory:
    """A state, and which of the two engines it is of."""

    small: bool
    state: SwapState


class ShrinkableEngine:
    """Two engines of one network in one: to its user always the whole one, while `small`, set from any thread, works.

    It owns both. In the small engine the input is shrunk, the logits are enlarged, and the memory is resized once as it
    changes hands.
    """

    def __init__(self, whole: OpenVinoEngine, small: ReshapedEngine) -> None:
        self._engines = {False: whole, True: small}
        self.small = False

    @property
    def spec(self) -> ModelSpec:
        """The whole one's."""
        return self._engines[False].spec

    def initial_state(self) -> _Memory:
        """The memory of nothing."""
        small = self.small
        return _Memory(small, self._engines[small].initial_state())

    def upload(self, image: Image) -> Array:
        """The image itself."""
        return image

    def infer(self, x: Array, state: _Memory) -> tuple[Array, _Memory]:
        """Run the one or the other: see Engine.infer. Raises EngineError."""
        small = self.small
        engine = self._engines[small]
        memory = state.state if state.small == small else _moved(state.state, engine)
        if not small:
            logits, after = engine.infer(x, memory)
            return logits, _Memory(small, after)
        logits, after = engine.infer(_resized(x, engine.spec.size, cv2.INTER_AREA), memory)
        scale = self.spec.size[0] / engine.spec.size[0]
        size = round(logits.shape[2] * scale), round(logits.shape[3] * scale)
        return _resized(logits, size, cv2.INTER_LINEAR), _Memory(small, after)

    def download(self, labels: Array) -> Labels:
        """The labels themselves."""
        return np.asarray(labels)

    def close(self) -> None:
        """Give both networks back; closing twice is harmless."""
        for engine in self._engines.values():
            engine.close()


def shrinkable(engine: Engine, path: Path, *, threads: int = 0, trusted: bool = False) -> ShrinkableEngine | None:
    """Return `engine` with a smaller form of it; None where it is not OpenVINO's, or the network has no smaller form.

    trusted: see load_engine; a smaller form that exceeds the limits is none.
    """
    if type(engine) is not OpenVinoEngine:
        return None
    try:
        examine(path, "reduced", engine.spec, trusted=trusted)
        return ShrinkableEngine(engine, ReshapedEngine(path, engine.spec, threads=threads))
    except (EngineError, ModelError):
        return None


def _smaller(spec: ModelSpec, path: Path) -> ModelSpec:
    """The spec at the largest of SHARES. Raises ModelError."""
    for share in SHARES:
        sides = [spec.size, *(state.shape[2:] for state in spec.states)]
        if all(side * share[0] % share[1] == 0 for pair in sides for side in pair):
            size = spec.size[0] * share[0] // share[1], spec.size[1] * share[0] // share[1]
            return replace(spec, size=size, states=tuple(_smaller_state(state, share) for state in spec.states))
    raise ModelError(f"{path} has no smaller input at which its memory has whole sides: run it as it is")


def _smaller_state(state: StateSpec, share: tuple[int, int]) -> StateSpec:
    sides = tuple(side * share[0] // share[1] for side in state.shape[2:])
    return replace(state, shape=(*state.shape[:2], *sides))


def _moved(state: SwapState, engine: OpenVinoEngine) -> SwapState:
    """The same memory at another engine's size."""
    there: SwapState = engine.initial_state()
    for ours, theirs in zip(state.now, there.now, strict=True):
        theirs.data[:] = _resized(ours.data, theirs.data.shape[2:], cv2.INTER_LINEAR)
    return there


def _resized(planes: Planes, size: tuple[int, int], interpolation: int) -> Planes:
    """(1, C, h, w) at another h and w."""
    return np.stack([cv2.resize(plane, (size[1], size[0]), interpolation=interpolation) for plane in planes[0]])[None]
