"""Finds which output of a network is its segmentation, and what its values mean."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rtseg.engines.adopt.instance_outputs import find_instances
from rtseg.engines.adopt.mask_candidates import MaskCandidate, choose_mask
from rtseg.engines.adopt.network_graph import NetworkGraph, dtype_of
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.adopt.value_bounds import ValueRange
from rtseg.engines.adopt.value_range import follows_sigmoid, is_truth
from rtseg.errors import ModelError

MOST_UNNAMED = 4  # channels that count as classes where nothing names these: more may be features
BACKGROUND = ("background", "bg", "_background_", "__background__")
_RANDOM = ("RandomUniform", "Multinomial")  # operations of OpenVINO


@dataclass(frozen=True)
class NetworkAnswer:
    """Describes the output that a session reads."""

    name: str
    """The name of the output."""
    layout: str
    """Its axes, one of OUTPUT_LAYOUTS."""
    channels: int
    """K, its channels; for class indices the number of classes with the background."""
    activation: str
    """As in `ModelSpec`."""
    bounds: ValueRange
    """What the graph says about its values."""
    is_open: bool
    """Whether only its values can tell the activation."""
    why: str
    """What led to the choice of output and activation."""
    prototypes: str = ""
    """As in `ModelSpec`."""


def examine_answer(
    graph: NetworkGraph, answers: Mapping[str, Any], size: tuple[int, int], stated: StatedFacts
) -> NetworkAnswer:
    """Return the output to read. graph: with the shapes of one picture. size: (H, W) of the picture. Raises ModelError."""
    if stated.axes != "wh" and (instances := find_instances(graph, answers, size, stated)):
        boxes, prototypes, classes = instances
        why = f"{boxes!r} holds boxes and {prototypes!r} mask prototypes, as Ultralytics writes them"
        return NetworkAnswer(boxes, "NCHW", classes, "yolo", ValueRange(), False, why, prototypes)
    chosen, why = choose_mask(graph, answers, size, stated)
    _check_determined(graph, chosen)
    activation, is_open = _activation(graph, chosen, stated)
    return NetworkAnswer(
        chosen.name,
        chosen.layout,
        chosen.channels,
        activation,
        chosen.bounds,
        is_open,
        f"{why}; {_meaning(chosen, activation)}",
    )


def _check_determined(graph: NetworkGraph, chosen: MaskCandidate) -> None:
    """Raise ModelError where an answer depends on random numbers, as with a dropout that stayed on."""
    for name, node in graph.ancestors(chosen.tensor).items():
        if node.get_type_name() in _RANDOM:
            raise ModelError(
                f"{graph.path} computes {chosen.name!r} from random numbers ({node.get_type_name()} {name!r}), so that no two "
                f"runs agree: export it in evaluation mode"
            )


@dataclass(frozen=True)
class ClassNames:
    """Names the classes of an answer."""

    classes: tuple[str, ...]
    """The names without the background."""
    is_multi_label: bool = False
    """Whether each channel is a class."""
    background: int = 0
    """The channel, or class index, of the background."""
    is_stated: bool = False
    """Whether the names say where the background is."""


def class_names(graph: NetworkGraph, answer: NetworkAnswer, stated: StatedFacts) -> ClassNames:
    """Return the classes of an answer. Raises ModelError."""
    classes, channels = stated.classes or _named_classes(graph, answer), answer.channels
    background = next((place for place, name in enumerate(classes) if name.lower() in BACKGROUND), None)
    if background is not None and answer.activation != "yolo" and len(classes) == max(channels, 2):
        others = classes[:background] + classes[background + 1 :]
        if channels == 1 and background:
            raise ModelError(f"{graph.path} gives one channel, which cannot be the background: export 1 - probability")
        return ClassNames(others, background=background, is_stated=True)
    independent = "sigmoid" in (answer.activation, stated.activation) or stated.is_multi_label
    if not classes:
        if independent and channels > 1:
            raise ModelError(
                f"{graph.path} gives {channels} channels with a probability each: name the classes with --classes, with "
                f"background first if that is one of them"
            )
        if channels > MOST_UNNAMED and answer.activation != "yolo":
            raise ModelError(
                f"{graph.path} gives {channels} channels in {answer.name!r}, which may be features and no classes: name the "
                f"classes with --classes if it segments"
            )
        count = channels if answer.activation == "yolo" else max(channels - 1, 1)
        return ClassNames(tuple(f"class {place}" for place in range(1, count + 1)), is_stated=answer.activation == "yolo")
    if answer.activation == "yolo":
        if len(classes) != channels:
            raise ModelError(f"{graph.path} finds {channels} classes: give as many names with --classes")
        return ClassNames(classes, is_stated=True)
    if len(classes) == channels and (channels == 1 or independent):
        return ClassNames(classes, is_multi_label=channels > 1)
    if len(classes) + 1 != channels:
        raise ModelError(
            f"{graph.path} gives {channels} channels and --classes names {len(classes)}: "
            f"name the classes without the background, or say --multi-label if each channel is a class of its own"
        )
    return ClassNames(classes)


def checked_channels(graph: NetworkGraph, answer: NetworkAnswer, names: ClassNames) -> None:
    """Raise ModelError where logits without a background channel could be either of two things."""
    if answer.activation == "none" and len(names.classes) == answer.channels > 1 and not names.is_multi_label:
        raise ModelError(
            f"{graph.path} gives a channel for each of {', '.join(names.classes)} and none for the background: say "
            f"--multi-label if each is a sigmoid's, else name the first one background"
        )


def _activation(graph: NetworkGraph, chosen: MaskCandidate, stated: StatedFacts) -> tuple[str, bool]:
    """Return the activation of an answer, and whether its values must still tell it. Raises ModelError."""
    bounds, single = chosen.bounds, chosen.channels == 1
    if bounds.labels:
        return "argmax", False
    kind = dtype_of(chosen.tensor)
    if not kind.startswith(("float", "bfloat")) and not (bounds.is_probability and is_truth(chosen.tensor)):
        raise ModelError(
            f"{graph.path} gives {kind} in {chosen.name!r}, which are no class indices of an ArgMax: export it with a float32 "
            f"answer, as with inference_output_type of tf.lite.TFLiteConverter"
        )
    if bounds.is_probability:
        return _of_probabilities(graph, chosen)
    if bounds.is_logarithm and not single:
        return "none", False
    if (bounds.low, bounds.high) == (-1, 1):
        _check_signed(graph, chosen, stated)
        if single:
            return "tanh", False
    if bounds.low < 0 < bounds.high:
        return "none", not bounds.is_certain
    if not single and bounds.low < bounds.high:
        return "none", not bounds.is_certain  # the greatest channel wins all the same
    raise _meaningless(graph, chosen)


def _check_signed(graph: NetworkGraph, chosen: MaskCandidate, stated: StatedFacts) -> None:
    """Raise ModelError for values of -1 to 1, as of a drawn picture, unless the user says that they segment."""
    if stated.activation or stated.spec is not None:
        return
    remedy = (
        "say --activation tanh if it segments"
        if chosen.channels == 1
        else "say --activation none if they are classes, of which the greatest wins"
    )
    raise ModelError(
        f"{graph.path} gives {chosen.channels} channel{'s' * (chosen.channels > 1)} of -1 to 1 in {chosen.name!r}, by "
        f"{chosen.bounds.source}, as networks do that draw a picture: {remedy}"
    )


def _of_probabilities(graph: NetworkGraph, chosen: MaskCandidate) -> tuple[str, bool]:
    """Return the activation of values within 0..1, and whether their values must still tell it. Raises ModelError."""
    bounds, single = chosen.bounds, chosen.channels == 1
    if single and (bounds.low >= 0.5 or bounds.high <= 0.5):  # as after two sigmoids: every pixel would be a class, or none
        raise _meaningless(graph, chosen)
    if bounds.sums_to_one == chosen.channels and not single:
        return "softmax", False
    if bounds.sums_to_one and not single:
        raise ModelError(
            f"{graph.path} gives {chosen.channels} channels of which {bounds.sums_to_one} values add up to 1, by "
            f"{bounds.source}: export it with a Softmax over its channels, or with logits"
        )
    return "sigmoid", not single and not follows_sigmoid(chosen.tensor)


def _meaningless(graph: NetworkGraph, chosen: MaskCandidate) -> ModelError:
    bounds = chosen.bounds
    return ModelError(
        f"{graph.path} gives values of {bounds.low:g} to {bounds.high:g} in {chosen.name!r}, by "
        f"{bounds.source or 'its last nodes'}, which are neither logits nor probabilities: export it without that node"
    )


def _meaning(chosen: MaskCandidate, activation: str) -> str:
    after = f" after {chosen.bounds.source}" if chosen.bounds.source and activation != "none" else ""
    what = {
        "none": "logits",
        "sigmoid": "probabilities",
        "softmax": "probabilities that add up to 1",
        "tanh": "values of -1 to 1",
        "argmax": "class indices",
    }.get(activation, activation)
    return f"its values are {what}{after}"


def _named_classes(graph: NetworkGraph, answer: NetworkAnswer) -> tuple[str, ...]:
    """Return the class names in the metadata of Ultralytics, {0: 'nerve', ...}; empty where there are none."""
    try:
        names = ast.literal_eval(graph.metadata.get("names", ""))
        ordered = tuple(str(names[key]) for key in sorted(names)) if isinstance(names, dict) else tuple(map(str, names))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ()
    return ordered if len(ordered) == answer.channels else ()
