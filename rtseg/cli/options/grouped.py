"""Groups of options as frozen dataclasses, so that options of several commands are written once."""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command whose parameters may be dataclasses: Typer gets one option for each of their fields, in place."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)}

    @wraps(command)
    def flat(**values: Any) -> None:
        built = {name: kind(**{field.name: values.pop(field.name) for field in fields(kind)}) for name, kind in groups.items()}
        command(**values, **built)

    seen = [option for name in signature(command).parameters for option in _options(command, name, hints)]
    flat.__signature__ = Signature(seen)  # type: ignore[attr-defined]
    flat.__annotations__ = {option.name: option.annotation for option in seen}
    return flat


def _options(command: Callable[..., None], name: str, hints: dict[str, Any]) -> list[Parameter]:
    """Return the parameters that Typer gets for one parameter: itself, or the fields of its dataclass."""
    if not is_dataclass(hints[name]):
        one = signature(command).parameters[name]
        return [one.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)]
    known = get_type_hints(hints[name], include_extras=True)
    return [_option(field, known[field.name]) for field in fields(hints[name])]


def _option(field: "Field[Any]", annotation: Any) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
