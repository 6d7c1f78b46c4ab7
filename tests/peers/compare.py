"""Compare our filters with other libraries', where installed: `PYTHONPATH=tests python -m peers.compare report.json`."""

import json
import sys
from functools import partial
from importlib import metadata
from pathlib import Path
from time import perf_counter_ns

from peers.filters import BASELINE_FILTERS, BaselineFilter

from rtseg.bench.kernels import KernelComparison, paired_medians
from rtseg.bench.speckle import FILTERS, SpeckleImage, measure_quality, speckle_phantom
from rtseg.frame import Image
from rtseg.system.machine import describe_machine

PACKAGES = ("scikit-image", "MedPy", "findpeaks", "opencv-python-headless")
GRAIN_PX = (0.8, 1.2)


def row(picture: SpeckleImage, peer: BaselineFilter) -> dict[str, object]:
    """Return the quality of a baseline and of ours, and the ratio of their times.

    A baseline that takes a second or more is run only once.
    """
    ours = partial(FILTERS[peer.ours], picture.image)
    started_ns = perf_counter_ns()
    filtered = peer.apply(picture.image)
    once_ns = perf_counter_ns() - started_ns
    apply = partial(peer.apply, picture.image) if once_ns < 1e9 else lambda: None
    ours_ns, theirs_ns = paired_medians(KernelComparison(peer.ours, peer.name, ours, apply, picture.image.nbytes))
    times = (theirs_ns if once_ns < 1e9 else once_ns) / ours_ns
    them, us = measure_quality([picture], {"theirs": lambda _: filtered, "ours": FILTERS[peer.ours]})[:2]
    alike = share_alike(filtered, ours())
    return {"peer": peer.name, "ours": peer.ours, "times": times, "alike": alike, "them": them.to_json(), "us": us.to_json()}


def share_alike(theirs: Image, ours: Image) -> float:
    """Return the share of pixels, away from the border, where both differ by at most one gray level."""
    inner = (slice(8, -8), slice(8, -8))
    return float((abs(theirs[inner].astype(int) - ours[inner]) <= 1).mean())


def main(path: Path) -> None:
    picture = speckle_phantom(GRAIN_PX)
    rows = [row(picture, peer) for peer in BASELINE_FILTERS]
    versions = {package: metadata.version(package) for package in PACKAGES}
    report = {"machine": describe_machine(), "peers": versions, "picture": picture.kind, "rows": rows}
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
