"""The table of commands: their summaries for `rtseg --help`, and the modules from which they are loaded when they run.

A new command is a module that registers itself with `@app.command()`, and one row here.
"""

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """Holds one row of `rtseg --help`."""

    module: str
    """Name of the module whose import registers the command with the application."""
    summary: str
    """First paragraph of the command's own help, joined to one line."""


COMMANDS = {
    "adopt": CommandEntry(
        "rtseg.cli.adopt",
        "Write another tool's network for rtseg, and prove that its masks are the same (extra `onnx`).",
    ),
    "average": CommandEntry(
        "rtseg.cli.average",
        "Write the average of the weights of MODELS, which were fine-tuned from one checkpoint (extra `onnx`).",
    ),
    "build": CommandEntry(
        "rtseg.cli.build",
        "Build a TensorRT plan for this GPU and keep it if its masks agree with those of the CPU (extra `tensorrt`).",
    ),
    "calibrate": CommandEntry(
        "rtseg.cli.calibrate",
        "Write into MODEL what its own pictures in DATA look like, so that others are called unfamiliar (extra `onnx`).",
    ),
    "demo": CommandEntry("rtseg.cli.demo", "Serve a web page for live sources, recordings and a benchmark (extra `demo`)."),
    "doctor": CommandEntry(
        "rtseg.cli.doctor",
        "List the engines, kernels, models, sources and extras of this machine, and how to install the missing ones.",
    ),
    "eval": CommandEntry(
        "rtseg.cli.evaluate", "Measure MODEL on DATA, with the frames of a scan in time order and a reset between scans."
    ),
    "export": CommandEntry(
        "rtseg.cli.export",
        "Write a network as an ONNX file with its metadata, and compare it with torch over 50 frames (extra `train`).",
    ),
    "gate": CommandEntry(
        "rtseg.cli.gate", "Refuse FAST if it loses accuracy against FP32 on DATA, returns NaN, or drifts within 300 frames."
    ),
    "models": CommandEntry("rtseg.cli.models", "List the shipped models."),
    "prove": CommandEntry(
        "rtseg.cli.prove",
        "Measure the stages of a stream, and say whether its deadline will hold and which stage binds.",
    ),
    "quantize": CommandEntry(
        "rtseg.cli.quantize",
        "Write MODEL in INT8, calibrated on the scans of a dataset (extra `onnx`).",
    ),
    "run": CommandEntry("rtseg.cli.run", "Segment SOURCE, and write the overlay, the masks and the measurements."),
    "train": CommandEntry("rtseg.cli.train", "Train the network that CONFIG describes (extra `train`)."),
    "bench": CommandEntry(
        "rtseg.cli.bench.command",
        "Measure the speed of a model on SOURCE (mode `run`, the default), or one part of rtseg.",
    ),
}
