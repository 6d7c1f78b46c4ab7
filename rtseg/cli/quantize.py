"""`rtseg quantize`: converts an FP32 network to INT8."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from rtseg.cli.app import app, console
from rtseg.cli.options.dataset import SplitOption, SubjectsOption, select_cases
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import OnnxModelDescription
from rtseg.engines.load import model_path
from rtseg.evaluation.dataset import Case, open_dataset, scans
from rtseg.frame import Image

MAX_NAMED_SUBJECTS = 12  # most subjects that are listed by name


@app.command()
@grouped
def quantize(
    *,
    model: Annotated[str, typer.Argument(help="The FP32 network: the name of a shipped model or an .onnx file.")],
    out: Annotated[Path, typer.Argument(help="The INT8 .onnx file to write.")],
    data: Annotated[
        Path, typer.Option("--data", help="A folder of pictures with masks of training subjects, to calibrate on.")
    ],
    split: SplitOption = None,
    subjects: SubjectsOption = "",
    frames: Annotated[
        int, typer.Option("--frames", min=1, help="The number of frames to calibrate on, shared among the subjects.")
    ] = 128,
    in_float: Annotated[
        list[str] | None,
        typer.Option("--float", help="Keep this convolution in float; give its name or a pattern, once for each."),
    ] = None,
    description: OnnxModelDescription,
) -> None:
    """Write MODEL in INT8, calibrated on the scans of a dataset (extra `onnx`)."""
    from rtseg.engines.convert.quantize import quantize_model

    path = model_path(model)
    spec = description.spec_of(path)
    calibrated = _share_frames(scans(select_cases(open_dataset(data), "training", split, subjects)), frames)
    clips = track(map(_images, calibrated.values()), "calibrating", len(calibrated), console=console, transient=True)
    made = quantize_model(path, out, clips, spec=spec, in_float=in_float or (), trusted=description.trust_model)
    console.print(
        f"wrote {out}: {len(made.in_int8)} convolutions in INT8, {len(made.in_float)} in float, calibrated on "
        f"{made.frames} frames of {_name_subjects(list(calibrated))}; now `rtseg gate {model} {out} DATA` on others",
        highlight=False,
    )


def _share_frames(subjects: dict[str, tuple[Case, ...]], frames: int) -> dict[str, tuple[Case, ...]]:
    """Select about `frames` frames: the first ones of each subject, or of every n-th subject if there are more subjects."""
    chosen_names = list(subjects)[:: -(-len(subjects) // frames)]
    each = -(-frames // len(chosen_names))
    return {name: subjects[name][:each] for name in chosen_names}


def _images(cases: Sequence[Case]) -> Iterator[Image]:
    """Yield the images of one subject; each is read when it is needed."""
    return (case.image() for case in cases)


def _name_subjects(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MAX_NAMED_SUBJECTS else f"{len(names)} subjects"
