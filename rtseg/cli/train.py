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


def _train_folds(config: Path, out: Path, count: int, resume: bool, threads: int) -> None:
    """Cross-validate, and print the Dice of each fold and of all subjects."""
    from rtseg.train.cross_validation import FOLDS, cross_validate

    report = cross_validate(config, out, count, resume=resume, threads=threads)
    for place, fold in enumerate(report["folds"]):
        console.print(f"fold {place}: Dice {fold['mean_dice']:.4f} on {', '.join(fold['held_out'])}", highlight=False)
    pooled = report["pooled"]
    console.print(
        f"all: Dice {pooled['mean']:.4f} over {pooled['subjects']} subjects, median {pooled['median']:.4f}, worst "
        f"{pooled['worst']:.4f}; wrote {out / FOLDS}",
        highlight=False,
    )


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
    folds: Annotated[
        int, typer.Option("--folds", min=0, help="Cross-validate by subject in this many folds; 0: train once.")
    ] = 0,
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
    if folds:
        _train_folds(config, out, folds, resume, threads)
        return
    checkpoint = run(config, out, resume=resume, threads=threads)
    console.print(f"wrote {checkpoint}: export it with `rtseg export {checkpoint} model.onnx`", highlight=False)
