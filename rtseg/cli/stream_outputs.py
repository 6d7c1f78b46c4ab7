"""Gives each of several streams outputs of its own in the folders that the options name, and refuses two with one output."""

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from rtseg.cli.options.grouped import group_values
from rtseg.cli.options.outputs import STANDARD_OUTPUT
from rtseg.cli.options.stream import StreamOptions
from rtseg.errors import ConfigError
from rtseg.output.private_file import make_folder
from rtseg.sources.base import path_exists

SUFFIXES = {  # of the name of a stream, in the folder that an option names
    "out": ".mp4",
    "masks": "",
    "json": ".jsonl",
    "csv": ".csv",
    "report": ".html",
    "record": ".recording",
    "dicom_seg": ".seg.dcm",
    "dicom_us": ".us.dcm",
    "dicom_sr": ".sr.dcm",
}
_FILE_SUFFIXES = (".mp4", ".mkv", ".mov", ".jsonl", ".json", ".csv", ".html", ".pdf", ".dcm")
_OWN = {  # options that cannot be shared between streams, with the remedy
    "window": "a window shows one stream: give --view, which serves a page for each",
    "sink": "a plug-in's output is for one stream: put it into the [[sources]] of --config",
}


def refuse_single_outputs(common: Mapping[str, Any], *, is_several_sources: bool) -> None:
    """Raise ConfigError for an option of all streams that only one of them can have."""
    if common["json"] == STANDARD_OUTPUT:
        raise ConfigError("--json - writes the lines of one stream: name a folder, in which each stream has its file")
    for name, remedy in _OWN.items():
        if common[name]:
            raise ConfigError(f"--{name} cannot be shared by several outputs: {remedy}")
    if common["prompt"] and is_several_sources:
        raise ConfigError("--prompt points into one stream: put it into the [[sources]] of --config")


def paths_in_folders(values: Mapping[str, Any], label: str, own: Set[str]) -> dict[str, Path]:
    """Return the path of each output in the folder that is named for it.

    label: the name of the stream, and of the model where there are several. own: options whose paths the stream names itself.
    Raises ConfigError where a file is named instead of a folder.
    """
    found = dict[str, Path]()
    for name, suffix in SUFFIXES.items():
        folder: Path | None = values[name]
        if folder is None or name in own:
            continue
        if folder.is_file() or (not folder.is_dir() and folder.suffix.lower() in _FILE_SUFFIXES):
            option = "--" + name.replace("_", "-")
            raise ConfigError(f"{option} {folder} is one file for several streams or models: name a folder for their files")
        found[name] = folder / f"{label}{suffix}"
    return found


def numbered_ports(values: Mapping[str, Any], number: int, own: Set[str]) -> dict[str, str]:
    """Return the addresses of the servers of the output with this number, each at the port after the one before."""
    used = {"view_at": bool(values["view"]), "igtl": bool(values["igtl"])}
    return {name: _next_port(values[name], number) for name, is_used in used.items() if is_used and name not in own}


def _next_port(address: str, number: int) -> str:
    host, colon, port = address.rpartition(":")
    if not port.isdecimal() or int(port) == 0:  # another part of the program refuses it, or the system chooses
        return address
    return f"{host}{colon}{int(port) + number}"


def output_paths(options: StreamOptions) -> list[Path]:
    """Return the files and folders that a stream writes."""
    values = group_values(options)
    return [path for name in SUFFIXES if (path := values[name]) is not None and path != STANDARD_OUTPUT]


def check_outputs(streams: Sequence[tuple[str, Sequence[StreamOptions]]]) -> None:
    """Raise ConfigError where two streams write one file or folder, or one writes another's source.

    streams: the source of each, and its options for each model.
    """
    sources = {Path(source).resolve(): source for source, _ in streams if path_exists(source)}
    seen = set[Path]()
    for path in _paths(streams):
        where = path.resolve()
        if where in seen:
            raise ConfigError(f"{path} would be written by two streams or for two options: name a file or folder for each")
        if where in sources:
            raise ConfigError(f"{path} is the source {sources[where]} too, which would be overwritten: name another output")
        seen.add(where)
    lines = sum(one.files.json == STANDARD_OUTPUT for _, options in streams for one in options)
    if lines and sum(len(options) for _, options in streams) > 1:
        raise ConfigError("json = '-' writes the lines of one stream: name a file for each")


def make_output_folders(streams: Sequence[tuple[str, Sequence[StreamOptions]]]) -> None:
    """Make the folders in which the streams write their files. Raises SinkError, OSError."""
    for folder in dict.fromkeys(path.parent for path in _paths(streams)):
        make_folder(folder)


def _paths(streams: Sequence[tuple[str, Sequence[StreamOptions]]]) -> Iterable[Path]:
    return (path for _, options in streams for one in options for path in output_paths(one))
