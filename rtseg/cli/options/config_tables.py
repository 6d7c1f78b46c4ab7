"""The tables of a configuration: `[[sources]]` and `[[models]]`, whose keys are options that hold for one of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, is_dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from rtseg.cli.options.config_file import NAME_KEY, TABLES, FileOptions
from rtseg.cli.options.enhance import EnhanceOption
from rtseg.cli.options.grouped import group_names
from rtseg.cli.options.measures import MeasureOption
from rtseg.cli.options.model import EngineOption, OnnxModelDescription
from rtseg.cli.options.postprocess import PostprocessOption
from rtseg.cli.options.stream import StreamOptions
from rtseg.errors import ConfigError

SOURCES, MODELS = TABLES


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Holds the options that may differ between the models of a process."""

    engine: EngineOption = "auto"
    measures: MeasureOption = None
    postprocess: PostprocessOption = None
    speckle: EnhanceOption = None
    description: OnnxModelDescription


MODEL_OPTIONS = group_names(ModelOptions)
KEYS = {
    SOURCES: frozenset(("source", NAME_KEY, *group_names(StreamOptions))),
    MODELS: frozenset(("model", *MODEL_OPTIONS)),
}


@dataclass(frozen=True, slots=True)
class ConfigTables:
    """Holds the tables of a file; a value stands under the name of its option."""

    sources: tuple[Mapping[str, Any], ...] = ()
    """One for each source; empty where the file has none."""
    models: tuple[Mapping[str, Any], ...] = ()
    """One for each model; empty where the file has none."""


_tables = ContextVar[ConfigTables | None]("rtseg_config_tables", default=None)


@contextmanager
def tables_given(tables: ConfigTables) -> Iterator[None]:
    """Let `config_tables` return these tables inside the context."""
    before = _tables.set(tables)
    try:
        yield
    finally:
        _tables.reset(before)


def config_tables(sources: Sequence[str]) -> ConfigTables | None:
    """Return the tables of the file of `--config`; None where it has none.

    sources: those that the command runs. Raises ConfigError where the command line names others than the tables.
    """
    tables = _tables.get()
    if tables and tables.sources and list(sources) != [table["source"] for table in tables.sources]:
        raise ConfigError("the command line names sources and so does [[sources]] of --config: leave one of them out")
    return tables


def given_tables(found: FileOptions, path: Path, context: Any) -> ConfigTables:
    """Return the tables of a file, converted as the command line converts them; the sources and models become its defaults.

    context: of the command. Raises ConfigError.
    """
    parameters = {parameter.name: parameter for parameter in context.command.params}
    groups = {SOURCES: StreamOptions, MODELS: ModelOptions}
    converted = {
        kind: tuple(
            _converted(table, f"{path}, [[{kind}]] number {number}", kind, groups[kind], parameters, context)
            for number, table in enumerate(found.tables[kind], 1)
        )
        for kind in TABLES
    }
    for kind, name in ((SOURCES, "source"), (MODELS, "model")):
        if converted[kind]:
            if name in found.common:
                raise ConfigError(f"{path} has {name!r} and [[{kind}]]: write each {name} into a table, or none of them")
            context.default_map[name] = [table[name] for table in converted[kind]]
    return ConfigTables(converted[SOURCES], converted[MODELS])


def _converted(
    table: Mapping[str, Any], where: str, kind: str, group: type[Any], parameters: Mapping[str, Any], context: Any
) -> dict[str, Any]:
    """Return the values of one table as the fields of their group hold them. Raises ConfigError."""
    named = kind.removesuffix("s")
    if not table.get(named):
        raise ConfigError(f"{where} has no {named!r}: say which one it is about")
    found: dict[str, Any] = {}
    for name, text in table.items():
        if name not in KEYS[kind]:
            flag = name.replace("_", "-")
            raise ConfigError(f"{where}: {flag!r} holds for the whole process: write it above the first table")
        if name in (named, NAME_KEY):
            found[name] = text[0] if isinstance(text, list) else text
            continue
        try:
            value = parameters[name].process_value(context, text)
        except Exception as error:  # noqa: BLE001  Typer's usage errors, whose parent depends on its version
            raise ConfigError(f"{where}, {name.replace('_', '-')!r}: {getattr(error, 'message', error)}") from None
        found[name] = option_value(group, name, value)
    return found


def option_value(group: type[Any], name: str, value: Any) -> Any:
    """Return a value of an option as the field of its group holds it: a path, a member of an enumeration, or itself."""
    hint = _hint(group, name)
    kinds = [kind for kind in _kinds(hint) if isinstance(kind, type)]
    if isinstance(value, (list, tuple)):
        return list(value)
    if Path in kinds and value is not None:
        return Path(value)
    for kind in kinds:
        if issubclass(kind, Enum) and value is not None:
            return kind(value)
    return value


def _hint(group: Any, name: str) -> Any:
    """Return the type of an option in a group or in one of the groups inside."""
    hints: dict[str, Any] = get_type_hints(group)
    if name in hints:
        return hints[name]
    return next(_hint(kind, name) for kind in hints.values() if is_dataclass(kind) and name in group_names(kind))


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
