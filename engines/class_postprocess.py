"""Describes how the mask of a class is cleaned after the network: part of a `ModelSpec`, or an option of the command line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rtseg.errors import ConfigError, ModelError

MAX_RADIUS = 32  # pixels, as of `kernels.opening`
MAX_AREA = 1 << 30  # pixels, as of `kernels.drop_small`
MAX_REGIONS = 8  # each costs a search for the largest
EXAMPLE = "lumen:min_area=50,fill_holes,open=2,close=3,hysteresis=0.3-0.6"


@dataclass(frozen=True, slots=True)
class ClassPostprocess:
    """Describes the cleaning of one class's mask, in the order of the fields; the defaults change nothing.

    Lengths and areas are in pixels of the frame. Raises ModelError where a value is invalid.
    """

    name: str
    """The name of the class."""
    hysteresis: tuple[float, float] | None = None
    """Two probabilities (low, high): the class is where its probability is above `low`, in regions that exceed `high`."""
    open: int = 0
    """Radius of the square of an opening, 0 to 32: parts narrower than 2 * radius + 1 pixels go."""
    close: int = 0
    """Radius of the square of a closing, 0 to 32: gaps narrower than 2 * radius + 1 pixels are closed."""
    fill_holes: bool = False
    """Whether background that the class surrounds becomes the class."""
    min_area: int = 0
    """Least area of an 8-connected region in pixels; smaller ones go."""
    regions: int = 0
    """Most 8-connected regions, of which the largest stay, 1 to 8; 0 keeps all."""

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise ModelError(f"the post-processing of a class is wrong: {problem}")

    def to_dict(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, by name, as JSON holds them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = ClassPostprocess(self.name)
        return {name: value for name, value in values.items() if name != "name" and value != getattr(usual, name)}


def postprocess_of(value: Any) -> tuple[ClassPostprocess, ...]:
    """Return a model's post-processing of classes from its form in JSON, {class: {option: value}}. Raises ModelError.

    value: a mapping, or a tuple of `ClassPostprocess`, which is returned unchanged; it may come from a file and be of any type.
    """
    if isinstance(value, tuple) and all(isinstance(one, ClassPostprocess) for one in value):
        return value
    if not isinstance(value, Mapping):
        raise ModelError(f"the post-processing of classes is {str(value)[:200]!r}: give options by class, as for {EXAMPLE}")
    return tuple(_from_options(name, options) for name, options in value.items())


def _from_options(name: Any, options: Any) -> ClassPostprocess:
    known = {field.name for field in fields(ClassPostprocess)} - {"name"}
    if not isinstance(options, Mapping) or not set(options) <= known:
        raise ModelError(
            f"the post-processing of {str(name)[:200]!r} is {str(options)[:200]!r}: give some of {', '.join(sorted(known))}"
        )
    values: dict[str, Any] = {option: tuple(value) if isinstance(value, list) else value for option, value in options.items()}
    return ClassPostprocess(name, **values)


def parse_class_postprocess(text: str) -> ClassPostprocess:
    """Parse CLASS:OPTION,... of `--postprocess`, as in EXAMPLE; "CLASS:none" changes nothing. Raises ConfigError."""
    name, colon, rest = text.rpartition(":")
    options: dict[str, Any] = {}
    for part in [] if rest == "none" else rest.split(","):
        option, equals, value = part.partition("=")
        if option in options or not colon:
            raise ConfigError(f"--postprocess is not {text!r}: give CLASS:OPTION,... as in {EXAMPLE}")
        options[option] = _option_value(option, value if equals else None, text)
    try:
        return _from_options(name, options)
    except ModelError as error:
        raise ConfigError(f"--postprocess is not {text!r} ({error}): give CLASS:OPTION,... as in {EXAMPLE}") from None


def _option_value(option: str, value: str | None, text: str) -> Any:
    try:
        match option:
            case "fill_holes" if value is None:
                return True
            case "hysteresis" if value is not None:
                return tuple(map(float, value.split("-")))
            case "open" | "close" | "min_area" | "regions" if value is not None:
                return int(value)
    except ValueError:
        pass
    raise ConfigError(f"--postprocess is not {text!r}: {option!r} is wrong there; give CLASS:OPTION,... as in {EXAMPLE}")


def merged(own: Iterable[ClassPostprocess], given: Sequence[ClassPostprocess]) -> tuple[ClassPostprocess, ...]:
    """Return a model's own post-processing, with that of the classes in `given` replaced."""
    replaced = {one.name for one in given}
    return (*(one for one in own if one.name not in replaced), *given)


def _problem(of: Any) -> str:
    """Return a description of the first problem of a `ClassPostprocess`, or ""; its values may be of any type."""
    if not isinstance(of.name, str):
        return f"a class is named {str(of.name)[:200]!r}"
    for option, most in (("open", MAX_RADIUS), ("close", MAX_RADIUS), ("min_area", MAX_AREA)):
        value = getattr(of, option)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            return f"{option} is {str(value)[:200]!r}: give whole pixels from 0 to {most}"
    if not isinstance(of.regions, int) or isinstance(of.regions, bool) or not 0 <= of.regions <= MAX_REGIONS:
        return f"regions is {str(of.regions)[:200]!r}: give a whole number from 0 to {MAX_REGIONS}"
    if not isinstance(of.fill_holes, bool):
        return f"fill_holes is {str(of.fill_holes)[:200]!r}: give true or false"
    limits = of.hysteresis
    if limits is not None and not (isinstance(limits, tuple) and len(limits) == 2 and _are_probabilities(*limits)):
        return f"hysteresis is {str(limits)[:200]!r}: give two probabilities 0 < low <= high < 1"
    return ""


def _are_probabilities(low: Any, high: Any) -> bool:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (low, high)):
        return False
    return bool(0 < low <= high < 1)
