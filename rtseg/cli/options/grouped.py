"""Groups of options as frozen dataclasses, so that options of several commands are written once."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command whose parameters may be dataclasses: Typer gets one option for each of their fields, in place.

    A field may be such a dataclass too.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)}

    @wraps(command)
    def flat(**values: Any) -> None:
        built = {name: build_group(kind, values) for name, kind in groups.items()}
        inside = {name for kind in groups.values() for name in group_names(kind)}
        command(**{name: value for name, value in values.items() if name not in inside}, **built)

    seen = [option for name in signature(command).parameters for option in _options(command, name, hints)]
    flat.__signature__ = Signature(seen)  # type: ignore[attr-defined]
    flat.__annotations__ = {option.name: option.annotation for option in seen}
    return flat


def build_group(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return a group from the values of its options by name, of which some may be for others."""
    hints = get_type_hints(kind)
    return kind(
        **{
            field.name: build_group(hints[field.name], values) if is_dataclass(hints[field.name]) else values[field.name]
            for field in fields(kind)  # type: ignore[arg-type]
        }
    )


def group_values(group: Any) -> dict[str, Any]:
    """Return the values of the options in a group, by name."""
    found: dict[str, Any] = {}
    for field in fields(group):
        value = getattr(group, field.name)
        found |= group_values(value) if is_dataclass(value) else {field.name: value}
    return found


def group_names(kind: Any) -> tuple[str, ...]:
    """Return the names of the options in a group."""
    return tuple(option.name for option in _fields_of(kind))


def _options(command: Callable[..., None], name: str, hints: dict[str, Any]) -> list[Parameter]:
    """Return the parameters that Typer gets for one parameter: itself, or the fields of its dataclass."""
    if is_dataclass(hints[name]):
        return _fields_of(hints[name])
    one = signature(command).parameters[name]
    return [one.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)]


def _fields_of(kind: Any) -> list[Parameter]:
    known = get_type_hints(kind, include_extras=True)
    found = list[Parameter]()
    for field in fields(kind):
        inner = known[field.name]
        found += _fields_of(inner) if is_dataclass(inner) else [_option(field, inner)]
    return found


def _option(field: "Field[Any]", annotation: Any) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
