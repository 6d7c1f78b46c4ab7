"""Runs an adopted network as an engine: pictures and states go in as it takes them, and its answer comes out as logits."""

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.answer_conversion import converted_answer, converted_input
from rtseg.engines.adopt.raw_network import RawNetwork
from rtseg.engines.base import Array, Floats, ModelSpec, check_write, in_host_memory
from rtseg.errors import EngineError
from rtseg.frame import Image, Labels


@dataclass(frozen=True, slots=True)
class AdaptedState:
    """Holds the recurrent states of an adopted network, and the frames that it still takes."""

    memories: tuple[npt.NDArray[np.generic], ...]
    """One array for each state of the spec."""
    frames: tuple[npt.NDArray[np.float32], ...] = ()
    """The earlier frames (1, C, H, W), the newest last; none before the first frame."""

    def host_arrays(self) -> tuple[Any, ...] | None:
        """Return the recurrent states."""
        return in_host_memory(self.memories)


class AdaptedEngine:
    """Runs a network that is not float32 (1, C, H, W) to logits. raw: the network. spec: with its forms filled in."""

    def __init__(self, raw: RawNetwork, spec: ModelSpec) -> None:
        self._raw, self.spec, self.name = raw, spec, raw.name
        self._constants: dict[str, npt.NDArray[Any]] = {name: np.full((), value, np.float32) for name, value in spec.constants}
        self._dtypes = dict.fromkeys((state.input for state in spec.states), np.dtype(np.float32))

    def with_ports(self, shapes: dict[str, tuple[int, ...]], dtypes: dict[str, str]) -> "AdaptedEngine":
        """Give the constants their shapes, and states and constants their dtypes, by input; return this engine."""
        self._constants = {name: np.full(shapes[name], value, dtypes[name]) for name, value in self._constants.items()}
        self._dtypes = {state.input: np.dtype(dtypes[state.input]) for state in self.spec.states}
        return self

    def share(self) -> "AdaptedEngine":
        """Return an engine on the same compiled network, see `Shareable`. Raises EngineError."""
        other = copy(self)
        other._raw = self._raw.share()
        return other

    def initial_state(self) -> AdaptedState:
        """Return a state of zeros, without earlier frames."""
        return AdaptedState(tuple(np.zeros(port.shape, self._dtypes[port.input]) for port in self.spec.states))

    def upload(self, image: Image) -> Array:
        """Return the image unchanged: it is on the CPU already."""
        return image

    def infer(self, x: Array, state: AdaptedState) -> tuple[Array, AdaptedState]:
        """Run the network, see `Engine.infer`. Before there are enough earlier frames, the first is repeated."""
        wanted = (1, self.spec.channels, *self.spec.size)
        if x.shape != wanted or x.dtype != np.float32:
            raise EngineError(f"{self.spec.name!r} takes a contiguous float32 {wanted}, not {x.dtype} {x.shape}: use fit_input")
        count = self.spec.frames
        frames = (state.frames or (x.copy(),) * (count - 1)) if count > 1 else ()
        stacked = np.concatenate([*frames, x], axis=1) if count > 1 else x
        memories = {port.input: memory for port, memory in zip(self.spec.states, state.memories, strict=True)}
        outputs = self._raw.run({self.spec.image_input: converted_input(self.spec, stacked), **memories, **self._constants})
        after = tuple(outputs[port.output] if port.output else memories[port.input] for port in self.spec.states)
        kept = (*frames[1:], x.copy()) if count > 1 else ()
        return converted_answer(self.spec, outputs), AdaptedState(after, kept)

    def write(self, state: AdaptedState, name: str, values: Floats) -> AdaptedState:
        """Return the state with one memory replaced, see `Engine.write`. Raises ConfigError."""
        place, checked = check_write(self.spec, name, values)
        written = checked.astype(self._dtypes[name])
        return replace(state, memories=(*state.memories[:place], written, *state.memories[place + 1 :]))

    def download(self, labels: Array) -> Labels:
        """Return the labels unchanged: they are on the CPU already."""
        return np.asarray(labels)

    def close(self) -> None:
        """Release the network; closing twice is harmless."""
        self._raw.close()
