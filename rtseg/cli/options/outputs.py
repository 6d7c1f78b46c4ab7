"""The options by which `rtseg run` writes its results into files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.errors import ConfigError
from rtseg.output.atomic_file import reserve
from rtseg.output.private_file import set_mode
from rtseg.overlay import Overlay
from rtseg.sinks.base import Sink
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.masks import MaskSink
from rtseg.sinks.video.sink import VideoSink


@dataclass(frozen=True, slots=True)
class Files:
    """What is written, and where; nothing by default."""

    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the overlay as a video: .mp4, .mkv, .mov.")] = None
    masks: Annotated[Path | None, typer.Option("--masks", help="Write a label map a frame into this folder.")] = None
    mask_format: Annotated[str, typer.Option("--mask-format", help="png, or npz with the confidences.")] = "png"
    json: Annotated[Path | None, typer.Option("--json", help="Write measurements and states, a JSON line a frame.")] = None

    def sinks(self, opacity: float, model: str) -> list[Sink]:
        """Those that write them. Raises SinkError."""
        video: list[Sink] = [VideoSink(self.out, Overlay(opacity=opacity))] if self.out else []
        folder: list[Sink] = [MaskSink(self.masks, self.mask_format)] if self.masks else []
        lines: list[Sink] = [JsonSink(self.json, model)] if self.json else []
        return video + folder + lines

    def tell(self) -> None:
        """Say where they are."""
        tell_written(self.out, self.masks, self.json)


PRIVATE = "600"  # the file mode by default: what is written may show patients
ModeOption: TypeAlias = Annotated[
    str, typer.Option("--mode", help="Permissions of the files written, as 640; folders get the fitting ones.")
]


def prepare(mode: str, *paths: Path | None) -> None:
    """Set the permissions of what is written, and reserve the files to write in the end. Raises ConfigError, SinkError."""
    set_mode(mode)
    check_places(*paths)
    reserve(*paths)


def check_places(*paths: Path | None) -> None:
    """Raise ConfigError where the folder of a file to write is not there: before the work, not after it."""
    for path in paths:
        if path and not path.parent.is_dir():
            raise ConfigError(f"there is no folder {path.parent} for {path.name}: make it first, or write elsewhere")


def tell_written(*paths: Path | None) -> None:
    """Say where to look."""
    for path in paths:
        if path:
            console.print(f"wrote {path}", highlight=False)
