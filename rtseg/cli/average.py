"""`rtseg average`: writes the average of several networks."""

from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.app import app, console


@app.command()
def average(
    out: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    models: Annotated[list[str], typer.Argument(help="The FP32 networks, which were fine-tuned from one checkpoint.")],
) -> None:
    """Write the average of the weights of MODELS, which were fine-tuned from one checkpoint (extra `onnx`)."""
    from rtseg.engines.convert.weight_average import average as write
    from rtseg.engines.load import model_path

    averaged = write([model_path(model) for model in models], out)
    console.print(f"wrote {out}: {averaged} values, of {len(models)} networks; now `rtseg eval {out} DATA`", highlight=False)
