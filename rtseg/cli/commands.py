"""The table of commands: what `rtseg --help` lists, and the module that each command is loaded from when it runs.

A new command is a module that registers itself with `@app.command()`, and one row here.
"""

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """One row of `rtseg --help`."""

    module: str
    """Module whose import registers the command with the application."""
    summary: str
    """First paragraph of the command's own help, in one line."""


COMMANDS = {
    "average": CommandEntry(
        "rtseg.cli.average",
        "Write the mean of MODELS: what several trainings of one beginning agree on, at the work of one (extra `onnx`).",
    ),
    "build": CommandEntry(
        "rtseg.cli.build",
        "Build a TensorRT plan for this GPU and keep it, if it segments as the CPU does (extra `tensorrt`).",
    ),
    "demo": CommandEntry("rtseg.cli.demo", "Open a page on this machine: live, on a recording, and a benchmark. Extra `demo`."),
    "doctor": CommandEntry(
        "rtseg.cli.doctor",
        "Say which engines, kernels, models, sources and extras are present, and how to get the others.",
    ),
    "eval": CommandEntry(
        "rtseg.cli.evaluate", "Measure MODEL on DATA: a scan's frames in time order, its memory reset between scans."
    ),
    "export": CommandEntry(
        "rtseg.cli.export",
        "Write a network as ONNX with its description inside, checked against torch over 50 frames (extra `train`).",
    ),
    "gate": CommandEntry(
        "rtseg.cli.gate", "Refuse FAST where it loses accuracy against FP32 on DATA, gives NaN, or drifts in 300 frames."
    ),
    "models": CommandEntry("rtseg.cli.models", "List the shipped models; each has a card beside it."),
    "quantize": CommandEntry(
        "rtseg.cli.quantize",
        "Write MODEL in INT8, calibrated on real clips with the memory carried along (extra `onnx`).",
    ),
    "run": CommandEntry("rtseg.cli.run", "Segment SOURCE and write the overlay, the masks and the measurements."),
    "train": CommandEntry("rtseg.cli.train", "Train a network as CONFIG says (extra `train`)."),
    "bench": CommandEntry(
        "rtseg.cli.bench.command",
        "Measure SOURCE through a model (run, which is meant where no mode is named), or one part of rtseg.",
    ),
}
