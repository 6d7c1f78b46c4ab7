"""`rtseg eval`: how well a model segments images whose truth is known."""

import json as jsonlib
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from rtseg.cli.app import app, console
from rtseg.cli.network import (
    ClassesOption,
    EngineOption,
    MeanOption,
    SizeOption,
    StateOption,
    StdOption,
    ThreadsOption,
    described,
    load,
)
from rtseg.evaluate import Evaluation
from rtseg.evaluate import evaluate as measure
from rtseg.sector import WholeFrame
from rtseg.session import Session


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model's name or an .onnx file.")],
    data: Annotated[Path, typer.Argument(help="A folder with images/ and masks/, paired by stem.")],
    engine: EngineOption = "openvino",
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures, per class and per image.")] = None,
    threads: ThreadsOption = 0,
    size: SizeOption = "",
    classes: ClassesOption = "",
    mean: MeanOption = "",
    std: StdOption = "",
    state: StateOption = None,
) -> None:
    """Measure MODEL on DATA: a scan's frames in time order, its memory reset between scans."""
    spec = described(model, size, classes, mean, std, state)
    with closing(load(model, engine, threads, spec)) as network, Progress(console=console, transient=True) as bar:
        session = Session(network, locator=WholeFrame())  # a dataset's images are pictures, not screens
        task = bar.add_task("measuring")
        show = partial(bar.update, task)
        evaluation = measure(session, data, model=model, progress=lambda done, of: show(completed=done, total=of))
    console.print(_table(evaluation))
    for name, figures in evaluation.measurements().items():
        console.print(
            f"{name}: mean absolute error {figures['mae']:.2f}, mean error {figures['mean_error']:+.2f} of {figures['n']}"
        )
    if json:
        json.write_text(jsonlib.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        console.print(f"wrote {json}", highlight=False)


def _table(evaluation: Evaluation) -> Table:
    subjects, images = evaluation.subjects, len(evaluation.images)
    table = Table(
        "class", "measure", "mean", "median", "worst 5 %", title=f"{images} images of {subjects} subjects", title_justify="left"
    )
    for name, figures in evaluation.to_json()["classes"].items():
        for measure_name, summary in figures.items():
            if isinstance(summary, dict):
                worst = summary.get("p5", summary.get("p95"))
                label = f"{measure_name} ({summary['unit']})" if "unit" in summary else measure_name
                table.add_row(name, label, *(_figure(value) for value in (summary["mean"], summary["median"], worst)))
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
