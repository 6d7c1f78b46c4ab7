"""The options of `rtseg run` that write results to files, and the permissions of everything that is written."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, BinaryIO, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.errors import ConfigError
from rtseg.output.atomic_file import reserve
from rtseg.output.private_file import set_mode
from rtseg.overlay import Overlay
from rtseg.sinks.base import Sink
from rtseg.sinks.csv_file import CsvSink
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.mask_manifest import MaskRun
from rtseg.sinks.masks import MaskSink
from rtseg.sinks.report import ReportSink
from rtseg.sinks.video.sink import VideoSink
from rtseg.sources.address import masked_address
from rtseg.sources.base import path_exists
from rtseg.sources.files.formats import detect_format
from rtseg.sources.files.image_paths import SUFFIXES

STANDARD_OUTPUT = Path("-")
_standard_output: ContextVar[BinaryIO | None] = ContextVar("rtseg_standard_output", default=None)


def _keep_for_lines(context: typer.Context, path: Path | None) -> Path | None:
    """Keep standard output for the JSON lines where they go there, so that everything else is printed on standard error."""
    if path == STANDARD_OUTPUT:
        context.with_resource(_messages_on_standard_error())
    return path


@contextmanager
def _messages_on_standard_error() -> Iterator[None]:
    before = _standard_output.set(sys.stdout.buffer)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _standard_output.reset(before)


@dataclass(frozen=True, slots=True)
class FileOutputs:
    """Holds the paths of the outputs; nothing is written by default."""

    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the overlay to this video file: .mp4, .mkv or .mov.")
    ] = None
    masks: Annotated[Path | None, typer.Option("--masks", help="Write the label map of each frame to this folder.")] = None
    mask_format: Annotated[
        str, typer.Option("--mask-format", help="The format of the label maps: png, or npz, which has the confidences too.")
    ] = "png"
    json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            callback=_keep_for_lines,
            help="Write measurements and states to this file, as one JSON line for each frame; - for standard output.",
        ),
    ] = None
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write what is measured to this file, as one CSV line for each measure of each frame."),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Write a report of the scan to this .html or .pdf file: best frames, curves, table of measures."
        ),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the masks of an earlier run in the folder of --masks.")
    ] = False

    def sinks(self, opacity: float, name: str, *, source: str, model: str) -> list[Sink]:
        """Return the sinks that write the files. Raises SinkError, ConfigError.

        name: of the network. model: a shipped model's name, or the network's file.
        """
        check_no_input([self.out, self._lines_file, self.csv, self.report], source, model)
        folder: list[Sink] = []  # the first to open, so that a refused folder leaves the other outputs as they were
        if self.masks:
            run = _mask_run(source, name, model)
            folder.append(MaskSink(self.masks, self.mask_format, overwrite=self.overwrite, run=run))
        video: list[Sink] = [VideoSink(self.out, Overlay(opacity=opacity))] if self.out else []
        lines: list[Sink] = [JsonSink(_standard_output.get() or self.json, name)] if self.json else []
        table: list[Sink] = [CsvSink(self.csv)] if self.csv else []
        report: list[Sink] = [ReportSink(self.report, name, opacity)] if self.report else []
        return folder + video + lines + table + report

    def print_paths(self) -> None:
        """Print the paths of the files that were written."""
        print_written(self.out, self.masks, self._lines_file, self.csv, self.report)

    @property
    def _lines_file(self) -> Path | None:
        """Return the file of the JSON lines; None where there is none, as for standard output."""
        return None if self.json == STANDARD_OUTPUT else self.json


def _mask_run(source: str, name: str, model: str) -> MaskRun:
    """Return the description of a run for the manifest of its masks."""
    from rtseg.engines.load import PLAN, model_path

    file = Path(model) if Path(model).suffix == PLAN else model_path(model)
    return MaskRun(masked_address(source), name, sha256(file.read_bytes()).hexdigest())


PRIVATE = "600"  # the default file mode, because the files may show patients
ModeOption: TypeAlias = Annotated[
    str, typer.Option("--mode", help="The permissions of the files that are written, as in 640; those of folders follow.")
]


def prepare_outputs(mode: str, *paths: Path | None) -> None:
    """Set the permissions of the outputs, and reserve the files that are written at the end. Raises ConfigError, SinkError."""
    set_mode(mode)
    check_folders(*paths)
    reserve(*paths)


def check_folders(*paths: Path | None) -> None:
    """Raise ConfigError before the work starts if the folder of an output does not exist."""
    for path in paths:
        if path and not path.parent.is_dir():
            raise ConfigError(f"there is no folder {path.parent} for {path.name}: make it first, or write elsewhere")


def check_no_input(outputs: Iterable[Path | None], source: str, model: str) -> None:
    """Raise ConfigError where an output file would overwrite the source, the network or another output.

    source: as the user names it. model: a shipped model's name, or the network's file.
    """
    where = Path(source if path_exists(source) else source.partition(":")[2] or source.rpartition("#")[0])
    written = list[Path]()
    for path in filter(None, outputs):
        for what, other in [("source", where), ("network", Path(model)), *(("other output", one) for one in written)]:
            if _is_same(path, other):
                raise ConfigError(f"{path} is the {what} too, which would be overwritten: name another file to write")
        if _is_same(path.parent, where) and path.exists() and (path.suffix.lower() in SUFFIXES or detect_format(str(path))):
            raise ConfigError(f"{path} is a picture of the source, which would be overwritten: name another file to write")
        written.append(path)


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one file or folder, which may not be there yet."""
    try:
        return one.resolve() == other.resolve() or one.samefile(other)
    except (OSError, RuntimeError, ValueError):
        return False


def print_written(*paths: Path | None) -> None:
    """Print each path that was written; None is skipped."""
    for path in paths:
        if path:
            console.print(f"wrote {path}", highlight=False)
