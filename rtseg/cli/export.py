"""`rtseg export`: from a trained network to one file that every engine takes."""

from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app, console


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="What `rtseg train` wrote.")],
    out: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
) -> None:
    """Write CHECKPOINT as ONNX with its description inside, checked against torch over 50 frames (extra `train`)."""
    from rtseg.engines.export import export as write
    from rtseg.train.checkpoint import trained

    difference = write(*trained(checkpoint), out)
    console.print(f"wrote {out}; its logits differ from torch's by {difference:.1e} at most over 50 frames", highlight=False)
