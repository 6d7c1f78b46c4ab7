"""Defines the `Engine` protocol and `ModelSpec`; an engine runs one network and passes its recurrent state in and out."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from rtseg.engines.class_postprocess import ClassPostprocess, postprocess_of
from rtseg.errors import ModelError
from rtseg.frame import Image, Labels

METADATA_KEY = "rtseg.spec"  # in the ONNX file's metadata_props: the ModelSpec as JSON
PLANES = ("gray", "phase_symmetry")  # that a network's input may consist of
MAX_NAME_LENGTH = 255  # characters in the name of a network, a class or a port
_MARKUP = re.compile(r"\[[a-z#/@][^\[]*?\]")  # tags of Rich, https://rich.readthedocs.io/en/stable/markup.html
MAX_GRAY_LEVEL = 1e9  # bound of mean and std in gray levels: their quotients fit into a 32-bit float

Array: TypeAlias = Any  # a NumPy array on the CPU, a device array on a GPU: kernels run where it lies
State: TypeAlias = Any  # opaque outside the engine that made it
Ports: TypeAlias = Mapping[str, tuple[int, ...]]  # name and shape of a network's inputs or outputs


@dataclass(frozen=True, slots=True)
class StateSpec:
    """Describes one recurrent state of a network."""

    input: str
    """The name of the network's input that reads the state."""
    output: str
    """The name of the network's output that writes the next state."""
    shape: tuple[int, ...]
    """(views, C, h, w)."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Describes a network's inputs and outputs; it is stored in the model file. Raises ModelError where a value is invalid."""

    name: str
    """The name of the network."""
    size: tuple[int, int]
    """(H, W) of the input in pixels."""
    classes: tuple[str, ...]
    """The class names without the background."""
    mean: tuple[float, ...]
    """One gray level 0..255 per channel (1 gray, 3 RGB, or those of `planes`): the network's input is (pixel - mean) / std."""
    std: tuple[float, ...]
    """One standard deviation in gray levels per channel."""
    states: tuple[StateSpec, ...] = ()
    """The recurrent states; empty for a network without memory."""
    single: tuple[str, ...] = ()
    """The classes with at most one connected region, of which only the largest is kept."""
    ellipse: tuple[str, ...] = ()
    """The classes that are replaced by the ellipse fitted to their region."""
    postprocess: tuple[ClassPostprocess, ...] = ()
    """How the masks of classes are cleaned; a mapping {class: {option: value}}, as in JSON, is converted."""
    image_input: str = "image"
    """The name of the input (1, channels, H, W) float32."""
    logits_output: str = "logits"
    """The name of the output (1, C, h, w): C = len(classes) + 1 (softmax, background first) or, for one class, 1 (sigmoid)."""
    planes: tuple[str, ...] = ()
    """The input's channels, each once and one of PLANES, as in ("gray", "phase_symmetry"); empty for gray or RGB by `mean`."""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "postprocess", postprocess_of(self.postprocess))
            problem = _first_problem(self)
        except ModelError as error:
            problem = str(error)
        if problem:
            raise ModelError(f"the model's description is wrong: {problem}; export the model again with `rtseg export`")

    @property
    def channels(self) -> int:
        """Return the number of input channels: 1 for gray images, 3 for RGB, or that of `planes`."""
        return len(self.mean)

    def to_json(self) -> str:
        """Return the spec as JSON for a model file's metadata."""
        values = asdict(self)
        del values["postprocess"]
        if self.postprocess:
            values["postprocess"] = {one.name: one.to_dict() for one in self.postprocess}
        return json.dumps(values)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> "ModelSpec":
        """Read the spec from a model file's metadata; `path` is named in errors. Raises ModelError."""
        if METADATA_KEY not in metadata:
            raise ModelError(
                f"{path} does not say what it segments (no {METADATA_KEY!r} in its metadata): export it with `rtseg export`, "
                f"or describe it with --size, --classes, --mean and --std"
            )
        return cls.from_json(metadata[METADATA_KEY])

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Parse the output of `to_json`; unknown fields of later versions are ignored. Raises ModelError."""
        try:
            values = json.loads(text)
            known = {field.name: _as_tuple(values[field.name]) for field in fields(cls) if field.name in values}
            states = tuple(StateSpec(**{key: _as_tuple(value) for key, value in state.items()}) for state in values["states"])
            return cls(**{**known, "states": states})
        except RecursionError:
            raise ModelError("the model's metadata are nested too deep: export it again with `rtseg export`") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(
                f"the model's metadata cannot be read ({_abridged(error)}): export it again with `rtseg export`"
            ) from None


@dataclass(frozen=True, slots=True)
class SwapState:
    """Holds the recurrent states in two sets of buffers: the network reads one and writes the other without a copy."""

    now: tuple[Any, ...]
    """The buffers that the next run reads."""
    spare: tuple[Any, ...]
    """The buffers that the next run writes."""

    def swapped(self) -> "SwapState":
        """Return the state after a run, with the two sets exchanged."""
        return SwapState(self.spare, self.now)


class Engine(Protocol):
    """Runs one network, frame by frame.

    A state refers to the engine's own buffers: it stays valid until the second `infer` after the one that returned it.
    """

    @property
    def spec(self) -> ModelSpec:
        """Return the description of the network's inputs and outputs."""

    def initial_state(self) -> State:
        """Return a state of zeros in new buffers."""

    def upload(self, image: Image) -> Array:
        """Copy a frame's pixels (H, W) or (H, W, 3) uint8 to the device of the kernels and the network."""

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        """Run the network on x (1, C, H, W) float32.

        Returns logits (1, K, h, w) float32, valid until the next call, and the new state. Raises EngineError.
        """

    def download(self, labels: Array) -> Labels:
        """Copy labels (H, W) uint8 to the host."""

    def close(self) -> None:
        """Release all resources; closing twice is harmless."""


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def _first_problem(spec: ModelSpec) -> str:
    """Return a description of the spec's first problem, or "". Its values come from a file and may be of any type."""
    if not _is_shown_name(spec.name):
        return f"its name is {_abridged(spec.name)}"
    if not _is_tuple_of(spec.size, _is_count) or len(spec.size) != 2 or not all(8 <= side <= 4096 for side in spec.size):
        return f"its input size is {_abridged(spec.size)}"
    if not _is_tuple_of(spec.classes, _is_shown_name) or not 0 < len(set(spec.classes)) == len(spec.classes) <= 254:
        return f"its classes are {_abridged(spec.classes)}"
    if not _is_tuple_of(spec.planes, PLANES.__contains__) or len(set(spec.planes)) != len(spec.planes):
        return f"its planes are {_abridged(spec.planes)}, which are not each one of {PLANES}"
    if not _is_tuple_of(spec.mean, _is_number) or not _is_tuple_of(spec.std, _is_number) or not _is_scaling(spec):
        return f"its mean is {_abridged(spec.mean)} and its std {_abridged(spec.std)}"
    cleaned = tuple(one.name for one in spec.postprocess)
    if len(set(cleaned)) != len(cleaned):
        return f"its post-processing names a class twice: {_abridged(cleaned)}"
    for chosen in (spec.single, spec.ellipse, cleaned):
        if not _is_tuple_of(chosen, _is_shown_name) or not set(chosen) <= set(spec.classes):
            return f"{_abridged(chosen)} are not all among its classes {_abridged(spec.classes)}"
    return _problem_of_ports(spec)


def _is_scaling(spec: ModelSpec) -> bool:
    counts = (len(spec.planes),) if spec.planes else (1, 3)
    return len(spec.mean) in counts and len(spec.std) == len(spec.mean) and all(value > 0 for value in spec.std)


def _problem_of_ports(spec: ModelSpec) -> str:
    """Return a description of the first problem in the spec's states and port names, or ""."""
    if not _is_tuple_of(spec.states, lambda state: isinstance(state, StateSpec)):
        return f"its states are {_abridged(spec.states)}"
    for state in spec.states:
        if not _is_tuple_of(state.shape, _is_count) or len(state.shape) > 8:
            return f"the shape of a state is {_abridged(state.shape)}"
    for names in ([spec.image_input, *(s.input for s in spec.states)], [spec.logits_output, *(s.output for s in spec.states)]):
        if not all(map(_is_name, names)) or len(set(names)) != len(names):
            return f"its ports are named {_abridged(names)}"
    return ""


def _is_tuple_of(values: Any, is_right: Callable[[Any], bool]) -> bool:
    """Return whether a value is a tuple whose items all satisfy `is_right`."""
    return isinstance(values, tuple) and all(map(is_right, values))


def _is_name(value: Any) -> bool:
    """Return whether a value is one line of printable text: names appear in messages and on images."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_LENGTH and value.isprintable()


def _is_shown_name(value: Any) -> bool:
    """Return whether a value may name a model or a class: a console of Rich would take some text in brackets for markup."""
    return _is_name(value) and not _MARKUP.search(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_GRAY_LEVEL  # False for NaN


def _abridged(value: Any) -> str:
    """Return a value's repr for a message, cut to MAX_NAME_LENGTH characters."""
    text = repr(value)
    return text if len(text) <= MAX_NAME_LENGTH else f"{text[: MAX_NAME_LENGTH - 3]}..."


def complete_spec(spec: ModelSpec, inputs: Ports, outputs: Ports) -> ModelSpec:
    """Complete the user's spec with the port names and state shapes of the actual network.

    The only input that is no state becomes the image, and the first output that is no state the logits. A name that exists
    is kept. A state without a shape takes the shape of its input.
    """
    states = tuple(replace(state, shape=state.shape or inputs.get(state.input, ())) for state in spec.states)
    images = [name for name in inputs if name not in {state.input for state in states}]
    answers = [name for name in outputs if name not in {state.output for state in states}]
    image = spec.image_input if spec.image_input in images or len(images) != 1 else images[0]
    logits = spec.logits_output if spec.logits_output in answers or not answers else answers[0]
    return replace(spec, states=states, image_input=image, logits_output=logits)


def check_dtypes(spec: ModelSpec, dtypes: Mapping[str, str]) -> None:
    """Raise ModelError unless every input and output of the spec is float32. dtypes: NumPy dtype names by port."""
    carried = [name for state in spec.states for name in (state.input, state.output)]
    for name in (spec.image_input, spec.logits_output, *carried):
        if dtypes.get(name, "float32") != "float32":
            raise ModelError(f"the network's {name!r} is {dtypes[name]}: export it again with float32 inputs and outputs")


def check_ports(spec: ModelSpec, inputs: Ports, outputs: Ports) -> None:
    """Raise ModelError unless a network's inputs and outputs have the names and shapes in its spec."""
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
