"""`rtseg quantize`: from an FP32 network to an INT8 one."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from rtseg.cli.app import app, console
from rtseg.cli.cases import SplitOption, SubjectsOption, chosen
from rtseg.cli.network import ClassesOption, MeanOption, SizeOption, StateOption, StdOption, described
from rtseg.dataset import Case, open_dataset, scans
from rtseg.engines.load import model_path
from rtseg.frame import Image


@app.command()
def quantize(
    model: Annotated[str, typer.Argument(help="A shipped model's name or an .onnx file, in FP32.")],
    out: Annotated[Path, typer.Argument(help="The INT8 .onnx file to write.")],
    data: Annotated[Path, typer.Option("--data", help="A folder with images/ and masks/; calibrate on training subjects.")],
    split: SplitOption = None,
    subjects: SubjectsOption = "",
    frames: Annotated[int, typer.Option("--frames", min=1, help="To calibrate on, shared among the subjects.")] = 128,
    in_float: Annotated[
        list[str] | None, typer.Option("--float", help="A convolution that stays in float: its name or a pattern.")
    ] = None,
    size: SizeOption = "",
    classes: ClassesOption = "",
    mean: MeanOption = "",
    std: StdOption = "",
    state: StateOption = None,
) -> None:
    """Write MODEL in INT8, calibrated on real clips with the memory carried along (extra `onnx`)."""
    from rtseg.engines.quantise import quantise

    path, spec = model_path(model), described(model, size, classes, mean, std, state)
    cases = chosen(open_dataset(data), "training", split, subjects)
    clips = _clips(scans(cases), frames)
    made = quantise(path, out, clips, spec=spec, in_float=in_float or ())
    console.print(
        f"wrote {out}: {len(made.in_int8)} convolutions in INT8, {len(made.in_float)} in float, calibrated on "
        f"{made.frames} frames of {', '.join(scans(cases))}; now `rtseg gate {model} {out} DATA` on others",
        highlight=False,
    )


def _clips(subjects: dict[str, tuple[Case, ...]], frames: int) -> Iterator[Iterator[Image]]:
    """About `frames` of them: the first of each subject in the order of time, of every n-th where subjects are many."""
    some = list(subjects.values())[:: -(-len(subjects) // frames)]
    share = -(-frames // len(some))
    for cases in track(some, "calibrating", console=console, transient=True):
        yield (case.image() for case in islice(cases, share))
