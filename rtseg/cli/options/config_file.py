"""The option `--config` of `rtseg run`: a TOML file whose keys are the options of the command."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Any

import typer

from rtseg.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VERSION = 1  # of the file's keys and their meaning
_HELP = "Read options from this TOML file; those on the command line take precedence. See docs/config.md."
_LEFT_OUT = frozenset({"config", "help"})
_SCALARS = (str, int, float)


def add_config(command: Any) -> None:
    """Add `--config` to a command, once."""
    added = next(parameter for parameter in typer.main.get_command(_template()).params if parameter.name == "config")
    if all(parameter.name != added.name for parameter in command.params):
        command.params.append(added)
        command.parse_args = _naming_the_line(command.parse_args)


def read_options(path: Path, parameters: Iterable[Any]) -> dict[str, Any]:
    """Return the values of a file by the name of the parameter: text, lists of text, and True or False for switches.

    parameters: those of the command. Raises ConfigError, with the line, for an unknown key or a value of the wrong kind.
    """
    text = _read(path)
    known = {key: parameter for parameter in parameters for key in _keys(parameter)}
    values = _parse(text, path)
    _check_version(values.pop("version", VERSION), path, text)
    found: dict[str, Any] = {}
    for key, value in values.items():
        where = _place(path, text, key)
        parameter = known.get(key.replace("_", "-"))
        if parameter is None:
            raise ConfigError(_unknown(where, key, value, known))
        if parameter.name in found:
            raise ConfigError(f"{where}: {key!r} stands for an option that is given before: leave one of them out")
        found[parameter.name] = _checked(value, parameter, key, where)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a .toml file with options") from None
    except ValueError:
        raise ConfigError(f"{path} is not UTF-8: save it as UTF-8") from None


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML ({error}): mend that line") from None


def _check_version(version: object, path: Path, text: str) -> None:
    if version != VERSION or isinstance(version, bool):
        where = _place(path, text, "version")
        raise ConfigError(
            f"{where}: this rtseg reads version {VERSION} of the file, not {version!r}: install the rtseg it is for"
        )


def _keys(parameter: Any) -> list[str]:
    """Return the keys of a parameter: the names of an option without dashes, or the name of an argument."""
    if parameter.name in _LEFT_OUT:
        return []
    named = [option[2:] for option in parameter.opts if option.startswith("--")]
    return named or [parameter.name.replace("_", "-")]


def _place(path: Path, text: str, key: str) -> str:
    """Return the file and the line at which a key stands first, as far as that can be seen."""
    pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[.=\]]")
    line = next((at for at, line in enumerate(text.splitlines(), 1) if pattern.match(line)), None)
    return f"{path}, line {line}" if line else str(path)


def _unknown(where: str, key: str, value: object, known: Mapping[str, Any]) -> str:
    if isinstance(value, dict):
        return f"{where}: {key!r} is a table, and a file describes one stream without tables: write its keys at the top"
    nearest = max(known, key=lambda name: SequenceMatcher(None, key.replace("_", "-").lower(), name).ratio())
    return f"{where}: rtseg run has no option {key!r}: the nearest name is {nearest!r}"


def _checked(value: object, parameter: Any, key: str, where: str) -> object:
    """Return a value in the form that the command line would have. Raises ConfigError."""
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: {key!r} is a switch: give true or false, not {value!r}")
        return value
    if not getattr(parameter, "multiple", False):
        return _text(value, key, where)
    return [_text(one, key, where) for one in (value if isinstance(value, list) else [value])]


def _text(value: object, key: str, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, _SCALARS):
        raise ConfigError(f"{where}: {key!r} takes a text or a number, not {value!r}")
    return str(value)


def _naming_the_line(parse: Callable[..., Any]) -> Callable[..., Any]:
    """Return a parser that names the file and the line where a value of the file is refused."""

    def parse_args(context: Any, args: list[str]) -> Any:
        try:
            return parse(context, args)
        except Exception as error:
            name, path = getattr(getattr(error, "param", None), "name", None), context.meta.get("rtseg.config")
            if path and name in (context.default_map or {}) and isinstance(getattr(error, "message", None), str):
                key = next(key for key in _keys(error.param))  # type: ignore[attr-defined]
                error.message = f"{_place(path, _read(path), key)}: {error.message}"  # type: ignore[attr-defined]
            raise

    return parse_args


def _apply(context: typer.Context, path: Path | None) -> None:
    """Let the values of the file be the defaults of the command."""
    if path is not None:
        context.meta["rtseg.config"] = path
        context.default_map = read_options(path, context.command.params)


def _template() -> typer.Typer:
    """Return an application whose only command has the option, because Typer makes options from annotations only."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def only(
        config: Annotated[
            Path | None, typer.Option("--config", callback=_apply, is_eager=True, expose_value=False, help=_HELP)
        ] = None,
    ) -> None: ...

    return app
