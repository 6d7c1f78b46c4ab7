"""`rtseg train`: from images and masks to a network."""

from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app, console
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A TOML file; engines/zoo/carotid.toml is the shipped model's.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for checkpoints, curves and the split.")] = Path(
        "runs/train"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")] = False,
    mode: ModeOption = PRIVATE,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")] = 2,
) -> None:
    """Train a network as CONFIG says (extra `train`)."""
    from rtseg.train import train as run

    prepare(mode)
    checkpoint = run(config, out, resume=resume, threads=threads)
    console.print(f"wrote {checkpoint}: export it with `rtseg export {checkpoint} model.onnx`", highlight=False)
