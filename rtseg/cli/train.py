"""`rtseg train`: trains a network on images and masks."""

from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app, console
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(help="The TOML file of the training; see engines/zoo/carotid.toml for the shipped model.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for checkpoints, curves and the split.")] = Path(
        "runs/train"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in the folder.")] = False,
    mode: ModeOption = PRIVATE,
    threads: Annotated[int, typer.Option("--threads", min=1, help="The number of threads for torch.")] = 2,
) -> None:
    """Train the network that CONFIG describes (extra `train`)."""
    from rtseg.train import train as run

    prepare_outputs(mode)
    checkpoint = run(config, out, resume=resume, threads=threads)
    console.print(f"wrote {checkpoint}: export it with `rtseg export {checkpoint} model.onnx`", highlight=False)
