"""`rtseg gate`: accepts or refuses a fast engine by its accuracy against the FP32 engine."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from rtseg.cli.app import app, console
from rtseg.cli.options.dataset import SplitOption, SubjectsOption, select_cases
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import EngineOption, OnnxModelDescription, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.cli.terminal import progress_bar
from rtseg.evaluation.dataset import open_dataset, report_names
from rtseg.evaluation.gate import GateReport
from rtseg.evaluation.gate import run_gate as measure
from rtseg.output.atomic_file import write_atomically
from rtseg.text.safe_text import json_text


@app.command()
@grouped
def gate(
    *,
    fp32: Annotated[str, typer.Argument(help="The FP32 model: the name of a shipped model or an .onnx file.")],
    fast: Annotated[str, typer.Argument(help="The model that was made from FP32, such as its INT8 form.")],
    data: Annotated[Path, typer.Argument(help="A folder of pictures with masks of subjects that FAST was not calibrated on.")],
    engine: EngineOption = "openvino",
    fp32_engine: Annotated[
        str, typer.Option("--fp32-engine", help="The engine of the FP32 model; the values are those of --engine.")
    ] = "openvino",
    split: SplitOption = None,
    subjects: SubjectsOption = "",
    json: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
    description: OnnxModelDescription,
) -> None:
    """Refuse FAST if it loses accuracy against FP32 on DATA, returns NaN, or drifts within 300 frames."""
    prepare_outputs(mode, json)
    cases = select_cases(open_dataset(data), "held_out", split, subjects)
    with ExitStack() as stack:
        truth = stack.enter_context(
            closing(load(fp32, fp32_engine, threads, description.facts_for(fp32), trusted=description.trust_model))
        )
        tried = stack.enter_context(
            closing(load(fast, engine, threads, description.facts_for(fast), trusted=description.trust_model))
        )
        report_names(cases, truth.spec.classes)
        bar = stack.enter_context(progress_bar(console))
        task = bar.add_task("at the gate")
        report = measure(truth, tried, cases, model=fast, progress=lambda done, of: bar.update(task, completed=done, total=of))
    console.print(_dice_table(report))
    if json:
        write_atomically(json, (json_text(report.to_json(), indent=2, allow_nan=False) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)
    report.check()
    console.print(f"{fast} is accepted", highlight=False)


def _dice_table(report: GateReport) -> Table:
    """Return a table of the Dice of each class; the caption gives the results of the endurance run."""
    caption = (
        f"{report.steps} frames, {report.nonfinite[1]} with NaN or infinity; agreement in each loop of the repeated clip: "
    )
    caption += ", ".join(f"{agreement:.4f}" for agreement in report.loops)
    table = Table(title="mean Dice", caption=caption, title_justify="left", caption_justify="left")
    for column in ("class", "images", "FP32", "fast", "loss", "between both", "lowest"):
        table.add_column(column)
    for found in report.classes:
        figures = (found.fp32, found.fast, found.loss, found.between, found.lowest)
        table.add_row(found.name, str(found.images), *(f"{figure:.4f}" for figure in figures))
    return table
