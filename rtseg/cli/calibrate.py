"""`rtseg calibrate`: writes into a model what its own pictures look like, so that unfamiliar ones are told."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from rich.table import Table

from rtseg.cli.app import app, console
from rtseg.cli.options.dataset import SubjectsOption, select_cases, split_cases
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import EngineOption, OnnxModelDescription, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.cli.range_fit import fit_ranges
from rtseg.engines.base import ModelSpec
from rtseg.engines.choice.stored_pictures import MAX_PICTURES, PICTURES_KEY, coded_pictures, reduced_picture
from rtseg.engines.load import model_path
from rtseg.evaluation.dataset import Case, open_dataset
from rtseg.evaluation.familiarity.calibrate import CalibrationPlan, calibrated, gather
from rtseg.evaluation.familiarity.judging_cost import judging_cost
from rtseg.frame import Image
from rtseg.output.atomic_file import write_atomically
from rtseg.text.safe_text import json_text


@app.command()
@grouped
def calibrate(
    *,
    model: Annotated[str, typer.Argument(help="The network: an .onnx file, or the name of a shipped model.")],
    data: Annotated[Path, typer.Argument(help="A folder of pictures with masks of what the network was made for.")],
    subjects: SubjectsOption = "",
    held_out: Annotated[
        Path | None,
        typer.Option("--held-out", help="The .toml of the training, or its split.json: whom it holds out is only measured."),
    ] = None,
    other: Annotated[
        list[Path] | None,
        typer.Option("--other", help="A folder of pictures with masks of another anatomy; once for each."),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="A source or folder of other pictures that is only measured; once for each."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="A group of drawn pictures to leave out, such as synthetic for a network of vessels."),
    ] = None,
    ranges: Annotated[
        bool,
        typer.Option(
            "--ranges",
            help="Fit the ranges of the measures to the experts' values instead, so that they hold 90 % of them.",
        ),
    ] = False,
    frames: Annotated[int, typer.Option("--frames", min=20, help="The number of own pictures at most.")] = 150,
    keep_pictures: Annotated[
        int,
        typer.Option(
            "--keep-pictures",
            min=0,
            max=MAX_PICTURES,
            help="Store this many pictures of DATA in the model, for --engine auto: they go wherever the file goes, with "
            "whatever is written in them.",
        ),
    ] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this .onnx file instead of MODEL itself.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the measured rates to this file.")] = None,
    engine: EngineOption = "openvino",
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
    description: OnnxModelDescription,
) -> None:
    """Write into MODEL what its own pictures in DATA look like, so that others are called unfamiliar (extra `onnx`)."""
    from rtseg.engines.convert.model_metadata import write_spec

    path = model_path(model)
    prepare_outputs(mode, json)
    own, unseen = _own_cases(data, subjects, held_out)
    if ranges:
        spec = description.facts_for(model)
        with closing(load(model, engine, threads, spec, trusted=description.trust_model)) as network:
            fit_ranges(network, path, out or path, own, unseen, json)
        return
    plan = CalibrationPlan(own, unseen, tuple(other or ()), tuple(measure or ()), tuple(without or ()), frames)
    spec = description.facts_for(model)
    with closing(load(model, engine, threads, spec, trusted=description.trust_model)) as network:
        with console.status("running the network on its own and on other pictures"):
            gathered = gather({model: network}, plan)[model]
        described, report = calibrated(network.spec, gathered)
        report["cost_ms"] = judging_cost(network, described)
    kept = {PICTURES_KEY: coded_pictures(_spread(own, keep_pictures, network.spec))} if keep_pictures else {}
    write_spec(path, out or path, replace(described, name=network.spec.name), kept)
    _show(report, model)
    if json:
        write_atomically(json, (json_text(report | {"model": str(model), "data": str(data)}, indent=2) + "\n").encode())
    console.print(f"wrote {out or path}", highlight=False)


def _own_cases(data: Path, subjects: str, held_out: Path | None) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """Return the cases to calibrate on and those that are only measured. Raises DatasetError."""
    cases = select_cases(open_dataset(data), "training", None, subjects)
    if held_out is None:
        return cases, ()
    unseen = split_cases(cases, "held_out", held_out)
    names = {case.subject for case in unseen}
    return tuple(case for case in cases if case.subject not in names), unseen


def _spread(cases: Sequence[Case], count: int, spec: ModelSpec) -> list[Image]:
    """Return pictures spread over the cases, at the size of the network's input, gray for a network of gray pictures."""
    places = np.unique(np.linspace(0, len(cases) - 1, count).round().astype(int))
    pictures = (reduced_picture(cases[place].image(), spec.size) for place in places)
    return [_gray(one) if spec.channels == 1 else one for one in pictures]


def _gray(picture: Image) -> Image:
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _show(report: dict[str, Any], model: str) -> None:
    table = Table("pictures", "frames", "unfamiliar", "95 % interval", "AUROC", title=f"{model}: called unfamiliar")
    for name, row in [("own, unseen subjects", report["own"]), *report["by_group"].items()]:
        low, high = row["interval"]
        found = f"{row['auroc']:.3f}" if "auroc" in row else "-"
        table.add_row(name, str(row["frames"]), f"{row['unfamiliar']:.1%}", f"{low:.1%} to {high:.1%}", found)
    console.print(table)
    console.print(f"cost: {report['cost_ms']['median']:.3f} ms of one core for each frame", highlight=False)
