"""`rtseg train`: trains a network on images and masks."""

from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app, console
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.errors import ConfigError


def _list_parts() -> None:
    """Print the parts of which a network is composed, and those of packages that cannot be imported."""
    from rtseg.models import DECODERS, ENCODERS, HEADS, MEMORIES

    for registry in (ENCODERS, MEMORIES, DECODERS, HEADS):
        console.print(f"{registry.group.removeprefix('rtseg.')}: {', '.join(registry.names())}", highlight=False, markup=False)
        for line in registry.broken():
            console.print(line, style="yellow", highlight=False, markup=False)


@app.command()
def train(
    config: Annotated[
        Path | None,
        typer.Argument(help="The TOML file of the training; see engines/zoo/carotid.toml for the shipped model."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for checkpoints, curves and the split.")] = Path(
        "runs/train"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in the folder.")] = False,
    parts: Annotated[bool, typer.Option("--parts", help="List the parts of networks, and do nothing else.")] = False,
    mode: ModeOption = PRIVATE,
    threads: Annotated[int, typer.Option("--threads", min=1, help="The number of threads for torch.")] = 2,
) -> None:
    """Train the network that CONFIG describes (extra `train`)."""
    if parts:
        _list_parts()
        return
    if config is None:
        raise ConfigError("no CONFIG is given: name a training's .toml file, as engines/zoo/carotid.toml")
    from rtseg.train import train as run

    prepare_outputs(mode)
    checkpoint = run(config, out, resume=resume, threads=threads)
    console.print(f"wrote {checkpoint}: export it with `rtseg export {checkpoint} model.onnx`", highlight=False)
