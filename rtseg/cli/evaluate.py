"""`rtseg eval`: measures the accuracy of a model on annotated images."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from rtseg.bench.temporal.stabilizing import PipelineVariant
from rtseg.cli.app import app, console
from rtseg.cli.bench.temporal import measure_video
from rtseg.cli.options.beam_space import BeamSpaceOption, beam_geometry
from rtseg.cli.options.dataset import SubjectsOption, select_cases, split_cases
from rtseg.cli.options.enhance import EnhanceOption, parse_enhancement
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import EngineOption, OnnxModelDescription, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.cli.options.postprocess import PostprocessOption, parse_postprocess
from rtseg.cli.options.redaction import RedactOption, redaction_mode
from rtseg.cli.terminal import progress_bar
from rtseg.errors import ConfigError, DatasetError
from rtseg.evaluation.dataset import Case, find_near_duplicates, open_dataset, report_names
from rtseg.evaluation.evaluate import LEGEND, Evaluation
from rtseg.evaluation.evaluate import evaluate as measure
from rtseg.evaluation.worst_cases import LabelRecorder, contact_sheet, encode_png
from rtseg.output.atomic_file import write_atomically
from rtseg.session.beam_space import BeamSpaceSession
from rtseg.text.safe_text import json_text


@app.command("eval")
@grouped
def evaluate(
    *,
    model: Annotated[str, typer.Argument(help="The name of a shipped model, or an .onnx file.")],
    data: Annotated[Path, typer.Argument(help="A folder of pictures with masks, see docs/own-data.md.")],
    engine: EngineOption = "openvino",
    json: Annotated[Path | None, typer.Option("--json", help="Write the results of each class and image to this file.")] = None,
    subjects: SubjectsOption = "",
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            help="Use only what this .toml or split.json of a training holds out, without near-duplicates of training images.",
        ),
    ] = None,
    video: Annotated[
        bool,
        typer.Option("--video", help="Measure instead how stable the masks are, on moving stills and on scans in time order."),
    ] = False,
    frames: Annotated[
        int, typer.Option("--frames", min=10, help="With --video: the number of frames of each moving still.")
    ] = 100,
    worst: Annotated[
        Path | None, typer.Option("--worst", help="Draw the worst images to this PNG, with the annotation in green.")
    ] = None,
    redact: RedactOption = "",
    plot: Annotated[Path | None, typer.Option("--plot", help="With --video: plot the results to this PNG.")] = None,
    enhance: EnhanceOption = None,
    postprocess: PostprocessOption = None,
    beam_space: BeamSpaceOption = "",
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
    description: OnnxModelDescription,
) -> None:
    """Measure MODEL on DATA, with the frames of a scan in time order and a reset between scans.

    F1 of one class is its Dice. Overall F1 is the macro average: the mean over the classes in an image, each with equal weight.
    Accuracy counts every pixel of the image, background included.
    """
    if plot and not video:
        raise ConfigError("--plot draws what --video measures: give both")
    if worst and video:
        raise ConfigError("--worst shows stills, and --video measures clips: give one of them")
    chosen = PipelineVariant(
        enhancement=parse_enhancement(enhance), postprocess=parse_postprocess(postprocess), geometry=beam_geometry(beam_space)
    )
    redaction = redaction_mode(redact)
    prepare_outputs(mode, json, worst, plot)
    spec, everybody = description.facts_for(model), open_dataset(data)
    cases = _named_cases(everybody, subjects, held_out)
    with closing(load(model, engine, threads, spec, trusted=description.trust_model)) as network:
        report_names(cases, network.spec.classes)
        if video:
            measure_video(network, cases, frames, json, plot, chosen)
            return
        cases = _without_near_duplicates(cases, everybody) if held_out else cases
        with progress_bar(console) as bar:
            net = chosen.session(network)  # the images lie seconds apart: there is nothing to stabilize
            session, task = LabelRecorder(net), bar.add_task("measuring")
            show = partial(bar.update, task)
            evaluation = measure(
                session, data, model=model, cases=cases, progress=lambda done, of: show(completed=done, total=of)
            )
    _show(evaluation, json)
    if isinstance(net, BeamSpaceSession) and net.withheld:
        console.print(
            f"{net.withheld} images have no mask, since their beams are not known, and count as missed", style="yellow"
        )
    if worst:
        write_atomically(worst, encode_png(contact_sheet(evaluation, cases, session, redact=redaction)))
        console.print(f"wrote {worst}: the expert's outline is green, the model's orange", highlight=False)


def _named_cases(everybody: Sequence[Case], subjects: str, held_out: Path | None) -> tuple[Case, ...]:
    """Return the cases of the subjects that the options name. Raises DatasetError, ConfigError, MissingExtra."""
    if not held_out:
        return select_cases(everybody, "", None, subjects)
    if subjects:
        raise ConfigError("--subjects and --held-out both name subjects: give one of them")
    chosen = split_cases(everybody, "held_out", held_out)
    if not chosen:
        raise DatasetError(f"{held_out} holds nobody out: its training saw all; name the one of a training that did not")
    return chosen


def _without_near_duplicates(cases: Sequence[Case], everybody: Sequence[Case]) -> tuple[Case, ...]:
    """Return the held-out cases that are no near-duplicate of a training image. Raises DatasetError if none is left."""
    held_out = {case.subject for case in cases}
    training = [case for case in everybody if case.subject not in held_out]
    twins = {case.name: other.name for case, other in find_near_duplicates(cases, training)}
    if len(twins) == len(cases):
        raise DatasetError("every held-out picture shows a view that is trained on too: hold others out, and train again")
    if twins:
        named = ", ".join(f"{name} (as {other})" for name, other in twins.items())
        console.print(f"left out, since the training shows the same view: {named}", highlight=False)
    return tuple(case for case in cases if case.name not in twins)


def _show(evaluation: Evaluation, json: Path | None) -> None:
    console.print(_metrics_table(evaluation))
    for name, figures in evaluation.measurements().items():
        console.print(
            f"{name}: mean absolute error {figures['mae']:.2f}, mean error {figures['mean_error']:+.2f} of {figures['n']}"
        )
    if json:
        write_atomically(json, (json_text(evaluation.to_json(), indent=2, allow_nan=False) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)


def _metrics_table(evaluation: Evaluation) -> Table:
    subjects, images = evaluation.subjects, len(evaluation.images)
    table = Table(
        "class",
        "measure",
        "mean",
        "median",
        "worst 5 %",
        title=f"{images} images of {subjects} subjects",
        title_justify="left",
        caption="\n".join(f"{name}: {LEGEND[name]}" for name in ("f1", "accuracy", "overall f1", "overall accuracy")),
        caption_justify="left",
    )
    report = evaluation.to_json()
    for name, figures in (*report["classes"].items(), ("overall", report["overall"])):
        for measure_name, summary in figures.items():
            if isinstance(summary, dict):
                worst = summary.get("p5", summary.get("p95"))
                label = f"{measure_name} ({summary['unit']})" if "unit" in summary else measure_name
                table.add_row(name, label, *(_format_number(value) for value in (summary["mean"], summary["median"], worst)))
    return table


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
