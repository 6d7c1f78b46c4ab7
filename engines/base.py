"""What an engine is: it runs one network, and hands its memory of the past in and out as a value."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from rtseg.errors import ModelError
from rtseg.frame import Image, Labels

METADATA_KEY = "rtseg.spec"  # in the ONNX file's metadata_props: the ModelSpec as JSON
MAX_NAME = 255  # characters of a network's, a class's or a port's name
_MARKUP = re.compile(r"\[[a-z#/@][^\[]*?\]")  # tags of Rich, https://rich.readthedocs.io/en/stable/markup.html
MAX_LEVEL = 1e9  # of a mean or a standard deviation in grey levels: a 32-bit float holds their quotients

Array: TypeAlias = Any  # a NumPy array on the CPU, a device array on a GPU: kernels follow where it lives
State: TypeAlias = Any  # opaque outside the engine that made it
Ports: TypeAlias = Mapping[str, tuple[int, ...]]  # a network's inputs or outputs: name and shape


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One recurrent state: the network's input and output that carry it, and its shape (views, C, h, w)."""

    input: str
    output: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that is needed to feed a network and to read its answer; it travels inside the model file.

    size: (H, W) of the input. classes: their names without the background. mean, std: one value a channel (1 grey, 3 RGB),
    in grey levels 0..255: the network sees (pixel - mean) / std. states: recurrent states, empty for a memoryless network.
    logits: (1, C, h, w) with C = len(classes) + 1 (softmax, background first) or, for one class, C = 1 (sigmoid).
    single: the classes that are one connected region at most, so that only the largest is kept. ellipse: the classes that are
    drawn as the ellipse that their region comes nearest to.
    """

    name: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    states: tuple[StateSpec, ...] = ()
    single: tuple[str, ...] = ()
    ellipse: tuple[str, ...] = ()
    image_input: str = "image"
    logits_output: str = "logits"

    def __post_init__(self) -> None:
        problem = _first_problem(self)
        if problem:
            raise ModelError(f"the model's description is wrong: {problem}; export the model again with `rtseg export`")

    @property
    def channels(self) -> int:
        """1 for a network of grey images, 3 for RGB."""
        return len(self.mean)

    def to_json(self) -> str:
        """The form that stands in a model file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> "ModelSpec":
        """Find the spec in a model file's metadata. Raises ModelError."""
        if METADATA_KEY not in metadata:
            raise ModelError(
                f"{path} does not say what it segments (no {METADATA_KEY!r} in its metadata): export it with `rtseg export`, "
                f"or describe it with --size, --classes, --mean and --std"
            )
        return cls.from_json(metadata[METADATA_KEY])

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Read what `to_json` wrote. Raises ModelError."""
        try:
            values = json.loads(text)
            known = {field.name: _frozen(values[field.name]) for field in fields(cls) if field.name in values}
            states = tuple(StateSpec(**{key: _frozen(value) for key, value in state.items()}) for state in values["states"])
            return cls(**{**known, "states": states})
        except RecursionError:
            raise ModelError("the model's metadata are nested too deep: export it again with `rtseg export`") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(
                f"the model's metadata cannot be read ({_short(error)}): export it again with `rtseg export`"
            ) from None


@dataclass(frozen=True, slots=True)
class SwapState:
    """Two sets of buffers for the recurrent states: the network reads one and writes the other, and nothing is copied."""

    now: tuple[Any, ...]
    spare: tuple[Any, ...]

    def swapped(self) -> "SwapState":
        """The state after the network wrote the spare buffers."""
        return SwapState(self.spare, self.now)


class Engine(Protocol):
    """Runs one network, frame by frame.

    A state is the engine's own buffers: it is good until the second `infer` after the one that returned it.
    """

    @property
    def spec(self) -> ModelSpec:
        """What the network takes and gives."""

    def initial_state(self) -> State:
        """The memory of nothing, in buffers of its own: all zeros."""

    def upload(self, image: Image) -> Array:
        """Bring a frame's pixels to where the kernels and the network run."""

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        """Run the network on x (1, C, H, W) float32.

        Returns logits (1, K, h, w) float32, good until the next call, and the new state. Raises EngineError.
        """

    def download(self, labels: Array) -> Labels:
        """Bring labels (H, W) uint8 back to where the sinks run."""

    def close(self) -> None:
        """Give everything back; closing twice is harmless."""


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _first_problem(spec: ModelSpec) -> str:
    """Return what is wrong with a spec, in words, or nothing. Its values may be of any type: they come from a file."""
    if not _is_shown_name(spec.name):
        return f"its name is {_short(spec.name)}"
    if not _are(spec.size, _is_count) or len(spec.size) != 2 or not all(8 <= side <= 4096 for side in spec.size):
        return f"its input size is {_short(spec.size)}"
    if not _are(spec.classes, _is_shown_name) or not 0 < len(set(spec.classes)) == len(spec.classes) <= 254:
        return f"its classes are {_short(spec.classes)}"
    if not _are(spec.mean, _is_number) or not _are(spec.std, _is_number) or not _is_scaling(spec):
        return f"its mean is {_short(spec.mean)} and its std {_short(spec.std)}"
    for chosen in (spec.single, spec.ellipse):
        if not _are(chosen, _is_shown_name) or not set(chosen) <= set(spec.classes):
            return f"{_short(chosen)} are not all among its classes {_short(spec.classes)}"
    return _problem_of_ports(spec)


def _is_scaling(spec: ModelSpec) -> bool:
    return len(spec.mean) in (1, 3) and len(spec.std) == len(spec.mean) and all(value > 0 for value in spec.std)


def _problem_of_ports(spec: ModelSpec) -> str:
    """Return what is wrong with the names of a spec's ports and with its states, in words, or nothing."""
    if not _are(spec.states, lambda state: isinstance(state, StateSpec)):
        return f"its states are {_short(spec.states)}"
    for state in spec.states:
        if not _are(state.shape, _is_count) or len(state.shape) > 8:
            return f"the shape of a state is {_short(state.shape)}"
    for names in ([spec.image_input, *(s.input for s in spec.states)], [spec.logits_output, *(s.output for s in spec.states)]):
        if not all(map(_is_name, names)) or len(set(names)) != len(names):
            return f"its ports are named {_short(names)}"
    return ""


def _are(values: Any, is_right: Callable[[Any], bool]) -> bool:
    """Return whether a value is a tuple, all of whose items are right."""
    return isinstance(values, tuple) and all(map(is_right, values))


def _is_name(value: Any) -> bool:
    """Return whether a value is text of one line: names are shown in messages and on pictures."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def _is_shown_name(value: Any) -> bool:
    """Return whether a value may name a model or a class: a console of Rich would take some text in brackets for markup."""
    return _is_name(value) and not _MARKUP.search(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_LEVEL  # NaN is not either


def _short(value: Any) -> str:
    """Return a value as a message may hold it, which a file could make of any length."""
    text = repr(value)
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 3]}..."


def named(spec: ModelSpec, inputs: Ports, outputs: Ports) -> ModelSpec:
    """The user's description of a network, with the names of its image and logits, and the shapes of its states, as they are.

    What is no state is the image and, of the outputs the first, the logits; a state of no shape takes its input's.
    """
    states = tuple(replace(state, shape=state.shape or inputs.get(state.input, ())) for state in spec.states)
    images = [name for name in inputs if name not in {state.input for state in states}]
    answers = [name for name in outputs if name not in {state.output for state in states}]
    image = spec.image_input if spec.image_input in images or len(images) != 1 else images[0]
    logits = spec.logits_output if spec.logits_output in answers or not answers else answers[0]
    return replace(spec, states=states, image_input=image, logits_output=logits)


def check_dtypes(spec: ModelSpec, dtypes: Mapping[str, str]) -> None:
    """Raise ModelError unless all that is fed to a network and read from it is float32. dtypes: of its ports by name."""
    carried = [name for state in spec.states for name in (state.input, state.output)]
    for name in (spec.image_input, spec.logits_output, *carried):
        if dtypes.get(name, "float32") != "float32":
            raise ModelError(f"the network's {name!r} is {dtypes[name]}: export it again with float32 inputs and outputs")


def check_ports(spec: ModelSpec, inputs: Ports, outputs: Ports) -> None:
    """Raise ModelError unless a network's named inputs and outputs are those that its spec tells of."""
    channels = len(spec.classes) + 1
    wanted = {spec.image_input: (1, spec.channels, *spec.size)} | {state.input: state.shape for state in spec.states}
    for name, shape in wanted.items():
        _check_port(inputs, name, shape)
    for state in spec.states:
        _check_port(outputs, state.output, state.shape)
    logits = outputs.get(spec.logits_output, ())
    if set(inputs) != set(wanted) or len(logits) != 4 or logits[1] not in ((1, 2) if channels == 2 else (channels,)):
        raise ModelError(
            f"the network of {spec.name!r} takes {dict(inputs)} and gives {dict(outputs)}, which is not what its description "
            f"says: export it again with `rtseg export`"
        )


def _check_port(ports: Ports, name: str, shape: tuple[int, ...]) -> None:
    if name not in ports:
        raise ModelError(
            f"the network has {dict(ports)} and no {name!r} {shape}: export it again with `rtseg export`, or name its memory "
            f"by --state INPUT:OUTPUT"
        )
    if ports[name] != shape:
        raise ModelError(f"the network has {ports[name]} where {name!r} {shape} should be: export it again with `rtseg export`")
