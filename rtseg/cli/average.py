"""`rtseg average`: one network of several."""

from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app, console


@app.command()
def average(
    out: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    models: Annotated[list[str], typer.Argument(help="Networks in FP32, trained on from the same beginning.")],
) -> None:
    """Write the mean of MODELS: what several trainings of one beginning agree on, at the work of one (extra `onnx`)."""
    from rtseg.engines.convert.weight_average import average as write
    from rtseg.engines.load import model_path

    averaged = write([model_path(model) for model in models], out)
    console.print(f"wrote {out}: {averaged} values, of {len(models)} networks; now `rtseg eval {out} DATA`", highlight=False)
