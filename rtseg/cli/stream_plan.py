"""Plans several streams or models of one `rtseg run`: their names, their options, and where each writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtseg.cli.options.config_file import NAME_KEY
from rtseg.cli.options.config_tables import MODEL_OPTIONS, ConfigTables
from rtseg.cli.options.grouped import build_group, group_names, group_values
from rtseg.cli.options.model import OnnxModelDescription
from rtseg.cli.options.prompts import CLASS_MODEL
from rtseg.cli.options.stream import StreamOptions
from rtseg.cli.stream_outputs import check_outputs, numbered_ports, paths_in_folders, refuse_single_outputs
from rtseg.errors import ConfigError
from rtseg.streams.names import check_names, safe_name, stream_names

_FOR_ONE_MODEL = ("prompt", "record", "budget", "beam_space")  # options that make sense for the only model of a stream


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Describes one model, which all streams use."""

    name: str
    """Its name in the names of outputs."""
    model: str
    """A shipped model's name, or the network's file."""
    engine: str
    """Name of the engine, or names in order of preference."""
    description: OnnxModelDescription
    """What is stated about a network without metadata."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Describes one stream."""

    name: str
    """A name that no other stream has."""
    source: str
    """Path or address."""
    options: tuple[StreamOptions, ...]
    """The options for each model, with the outputs of this stream and model."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Describes all streams and models of a process."""

    models: tuple[ModelPlan, ...]
    """The models, each of which sees every stream."""
    streams: tuple[StreamPlan, ...]
    """The streams, in the order in which they were given."""


def plan_streams(
    sources: Sequence[str],
    models: Sequence[str] | None,
    engine: str,
    options: StreamOptions,
    description: OnnxModelDescription,
    tables: ConfigTables | None,
) -> RunPlan:
    """Return the plan of a command with several sources or models, or with tables. Raises ConfigError, SinkError.

    tables: of the configuration, whose values take precedence over the common `options` for their source or model.
    """
    source_tables = tables.sources if tables and tables.sources else tuple({"source": source} for source in sources)
    model_tables = tables.models if tables and tables.models else tuple({"model": model} for model in models or (CLASS_MODEL,))
    if not description.is_empty() and len(model_tables) > 1:
        raise ConfigError("--size, --classes and others describe one network: put those of each into [[models]] of --config")
    planned = tuple(_model_plan(table, engine, description) for table in model_tables)
    _check_models(planned)
    names = _names(source_tables)
    common, outputs = group_values(options), len(names) * len(planned)
    if outputs > 1:
        refuse_single_outputs(common, is_several_sources=len(names) > 1)
    streams = list[StreamPlan]()
    for name, table in zip(names, source_tables, strict=True):
        first = len(streams) * len(planned)
        found = _options_of_models(name, table, common, zip(planned, model_tables, strict=True), first, outputs)
        streams.append(StreamPlan(name, table["source"], tuple(found)))
    check_outputs([(one.source, one.options) for one in streams])
    return RunPlan(planned, tuple(streams))


def _model_plan(table: Mapping[str, Any], engine: str, description: OnnxModelDescription) -> ModelPlan:
    model = table["model"] or CLASS_MODEL
    described = {name: table[name] for name in group_names(OnnxModelDescription) if name in table}
    stated = build_group(OnnxModelDescription, group_values(description) | described)
    return ModelPlan(safe_name(Path(model).stem) or "model", model, table.get("engine", engine), stated)


def _check_models(models: Sequence[ModelPlan]) -> None:
    names = [model.name.casefold() for model in models]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"the model {twice[0]!r} is given twice, so that its outputs would be one: give each model once")


def _names(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    made = stream_names([table["source"] for table in tables])
    names = [table.get(NAME_KEY) or name for table, name in zip(tables, made, strict=True)]
    check_names(names)
    return names


def _options_of_models(
    name: str,
    table: Mapping[str, Any],
    common: Mapping[str, Any],
    models: "zip[tuple[ModelPlan, Mapping[str, Any]]]",
    first: int,
    outputs: int,
) -> Iterator[StreamOptions]:
    """Yield the options of a stream for each model.

    table: what holds for the stream alone. first: the number of outputs before. outputs: the number of all.
    """
    planned = list(models)
    for place, (model, stated) in enumerate(planned):
        values = {**common, **table, **{key: stated[key] for key in MODEL_OPTIONS if key in stated}}
        if len(planned) > 1:
            _refuse_for_several_models(name, values)
        if outputs > 1:
            own = frozenset(table) if len(planned) == 1 else frozenset[str]()
            label = f"{name}.{model.name}" if len(planned) > 1 else name
            values |= paths_in_folders(values, label, own) | numbered_ports(values, first + place, own)
        options = build_group(StreamOptions, values)
        options.check()
        yield options


def _refuse_for_several_models(name: str, values: Mapping[str, Any]) -> None:
    for option in _FOR_ONE_MODEL:
        if values[option]:
            flag = "--" + option.replace("_", "-")
            raise ConfigError(f"{flag} is for a stream with one model, and {name} has several: leave it or the others out")
