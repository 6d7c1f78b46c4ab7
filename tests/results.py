"""Build results like those of a pipeline."""

import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rtseg.frame import Frame, Life, Segmentation, StreamInfo
from rtseg.result import Result
from rtseg.trace import LatencyTrace

SECOND_NS = 1_000_000_000


def stream(height=48, width=64, fps=10.0, live=False):
    return StreamInfo(height, width, fps, live)


def result(
    image=None,
    labels=None,
    index=0,
    *,
    captured_ns=0,
    classes=("lumen",),
    confidence=None,
    spacing_mm=None,
    life=Life.LIVE,
    reason="",
    dropped=0,
    wall_ns=None,
    origin=None,
    familiarity=None,
    measures_unfamiliar=False,
):
    """Return a result with a 48x64 frame whose gray level is its index, a square of the first class, and 12.3 ms of latency."""
    image = np.full((48, 64), index % 200, np.uint8) if image is None else image
    labels = square(image.shape[:2]) if labels is None else labels
    trace = LatencyTrace(captured_ns)
    trace.add("infer", captured_ns, captured_ns + 12_300_000)
    confidence = confidence or (0.9,) * len(classes)
    segmentation = Segmentation(
        labels,
        classes,
        confidence,
        spacing_mm,
        life,
        reason,
        familiarity=familiarity,
        measures_unfamiliar=measures_unfamiliar,
    )
    return Result(Frame(image, index, captured_ns, origin), segmentation, trace, dropped, wall_ns)


def square(shape):
    """Return labels (H, W) with class 1 in the middle third."""
    labels = np.zeros(shape, np.uint8)
    labels[shape[0] // 3 : shape[0] * 2 // 3, shape[1] // 3 : shape[1] * 2 // 3] = 1
    return labels


def process(code, folder):
    """Start Python in `folder` on `code`, which may import this module and tests of sinks; stdout is a pipe."""
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here / "sinks"), str(here / "sinks" / "video"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment, stdout=subprocess.PIPE)


@contextmanager
def largest_file(size):
    """Limit the size of files to `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
