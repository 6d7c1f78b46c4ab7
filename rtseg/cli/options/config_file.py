"""The option `--config` of `rtseg run`: a TOML file whose keys are the options of the command."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
TABLES = ("sources", "models")  # arrays of tables, each for one source or model
NAME_KEY = "stream"  # the key of a source's name in its table
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
    return read_config(path, parameters).common


def read_config(path: Path, parameters: Iterable[Any]) -> "FileOptions":
    """Return the values of a file and of its tables; see `read_options`. Raises ConfigError."""
    text = _read(path)
    known = {key: parameter for parameter in parameters for key in _keys(parameter)}
    values = _parse(text, path)
    _check_version(values.pop("version", VERSION), path, text)
    tables = {kind: _popped(values, kind) for kind in TABLES}
    found = FileOptions(_options(values, known, _Text(path, text)))
    for kind, entries in tables.items():
        found.tables[kind] = [
            _options(entry, known | {NAME_KEY: None}, _Text(path, text, kind, number)) for number, entry in enumerate(entries)
        ]
    return found


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Holds the values of a file, by the name of the parameter."""

    common: dict[str, Any]
    """Those above the first table."""
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Those of each table of TABLES, as text."""


@dataclass(frozen=True, slots=True)
class _Text:
    """Holds the text of a file, and which of its tables is read."""

    path: Path
    text: str
    table: str = ""
    number: int = 0

    def place(self, key: str) -> str:
        """Return the file and the line at which a key of the table stands first, as far as that can be seen."""
        pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[.=\]]")
        header = re.compile(rf"\s*\[\[\s*[\"']?{re.escape(self.table)}[\"']?\s*\]\]")
        tables = -1 if self.table else 0
        for at, line in enumerate(self.text.splitlines(), 1):
            tables += bool(self.table and header.match(line))
            if tables == self.number and pattern.match(line):
                return f"{self.path}, line {at}"
        return str(self.path)


def _popped(values: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Remove and return the tables of one kind, where the value is an array of tables."""
    entries = values.get(kind)
    is_array = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    return values.pop(kind) if is_array else []


def _options(values: Mapping[str, Any], known: Mapping[str, Any], text: _Text) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        where, spelled = text.place(key), key.replace("_", "-")
        if spelled not in known:
            raise ConfigError(_unknown(where, key, value, known))
        parameter = known[spelled]
        name = parameter.name if parameter else spelled
        if name in found:
            raise ConfigError(f"{where}: {key!r} stands for an option that is given before: leave one of them out")
        found[name] = _checked(value, parameter, key, where)
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
        where = _Text(path, text).place("version")
        raise ConfigError(
            f"{where}: this rtseg reads version {VERSION} of the file, not {version!r}: install the rtseg it is for"
        )


def _keys(parameter: Any) -> list[str]:
    """Return the keys of a parameter: the names of an option without dashes, or the name of an argument."""
    if parameter.name in _LEFT_OUT:
        return []
    named = [option[2:] for option in parameter.opts if option.startswith("--")]
    return named or [parameter.name.replace("_", "-")]


def _unknown(where: str, key: str, value: object, known: Mapping[str, Any]) -> str:
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value)):
        tables = " and ".join(f"[[{kind}]]" for kind in TABLES)
        return f"{where}: {key!r} is a table, and a file has no tables but {tables}: write its keys at the top"
    return f"{where}: rtseg run has no option {key!r}: the nearest name is {_nearest(key.replace('_', '-').lower(), known)!r}"


def _nearest(key: str, names: Iterable[str]) -> str:
    """Return the most similar name; one of the same letters, some of which are exchanged, before all others."""
    return max(names, key=lambda name: (sorted(name) == sorted(key), SequenceMatcher(None, key, name).ratio()))


def _checked(value: object, parameter: Any, key: str, where: str) -> object:
    """Return a value in the form that the command line would have. Raises ConfigError."""
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: {key!r} is a switch: give true or false, not {value!r}")
        return value
    if not (getattr(parameter, "multiple", False) or getattr(parameter, "nargs", 1) == -1):
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
                error.message = f"{_Text(path, _read(path)).place(key)}: {error.message}"  # type: ignore[attr-defined]
            raise

    return parse_args


def _apply(context: typer.Context, path: Path | None) -> None:
    """Let the values of the file be the defaults of the command."""
    if path is not None:
        context.meta["rtseg.config"] = path
        from rtseg.cli.options.config_tables import given_tables, tables_given

        found = read_config(path, context.command.params)
        context.default_map = found.common
        if any(found.tables.values()):
            context.with_resource(tables_given(given_tables(found, path, context)))


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
