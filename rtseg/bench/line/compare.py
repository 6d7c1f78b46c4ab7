"""Compares two reports stage by stage: ratios with bootstrap confidence intervals, and a verdict each.

Latencies of neighboring frames are correlated, so that blocks of frames are resampled instead of single frames. This is the
moving-block bootstrap: H. R. Kuensch, "The jackknife and the bootstrap for general stationary observations", Annals of
Statistics 1989.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.bench.line.report import RUNS
from rtseg.errors import ReportError

RESAMPLES = 1000  # bootstrap resamples
MIN_STAGE_FRAMES = 50  # with fewer samples, the confidence interval is meaningless
CONFIDENCE = 0.95
PERCENTILES = (50.0, 99.0)
TOLERANCE = 0.05  # relative change below which two stages count as equal

Times = npt.NDArray[np.float64]  # milliseconds

MUST_MATCH = {  # conditions that both reports must share, each with its path in the report
    "quick": ("quick",),
    "source": ("source",),
    "stream": ("stream",),
    "model": ("network", "sha256"),
    "engine": ("network", "engine"),
    "precision": ("network", "precision"),
    "input": ("network", "input"),
    "threads": ("network", "threads"),
    "steadying": ("steadied_in_time",),
    "clock": ("clock",),
    "device": ("machine", "device"),
    "processor": ("machine", "processor"),
    "cores": ("machine", "cores"),
    "power mode": ("machine", "power_mode"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Holds the comparison of one percentile of one stage of two reports."""

    run: str  # key of the run, e.g. "paced"
    stage: str  # name of the stage, e.g. "infer"
    percent: float  # percentile of the stage's times, e.g. 99.0
    ratio: float  # the second report's time over the first's
    low: float  # lower bound of the ratio's confidence interval
    high: float  # upper bound of it
    verdict: str  # "slower" or "faster" if the interval lies beyond the tolerance, "same" if it lies within, else "unsure"


def compare_stages(
    first: Mapping[str, Any], second: Mapping[str, Any], *, across: Sequence[str] = (), tolerance: float = TOLERANCE
) -> list[Verdict]:
    """Compare each stage of each run that both reports contain.

    across: conditions that may differ, by their names in `MUST_MATCH`. tolerance: relative change that counts as none.
    Raises ReportError if another condition differs or no stage has enough frames.
    """
    _check_alike(first, second, across)
    found = [
        verdict
        for run in RUNS
        if run in first and run in second
        for verdict in _run_verdicts(run, _stages(first, run), _stages(second, run), tolerance)
    ]
    if not found:
        raise ReportError(f"the reports have no stage of {MIN_STAGE_FRAMES} frames in common: measure more frames")
    return found


def _check_alike(first: Mapping[str, Any], second: Mapping[str, Any], across: Sequence[str]) -> None:
    unknown = sorted(set(across) - set(MUST_MATCH))
    if unknown:
        raise ReportError(f"{unknown[0]!r} is nothing that reports may differ in: choose from {', '.join(MUST_MATCH)}")
    for name, path in MUST_MATCH.items():
        one, other = _lookup(first, path), _lookup(second, path)
        if one != other and name not in across:
            raise ReportError(
                f"unlike reports: the {name} is {one!r} in the first and {other!r} in the second. Measure the same thing "
                f"twice, or say --across {name!r} where that is what you compare"
            )


def _lookup(report: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = report
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _stages(report: Mapping[str, Any], run: str) -> dict[str, Times]:
    columns = report[run]["samples"]["stages_ms"]
    return {name: np.array([ms for ms in column if ms is not None], float) for name, column in columns.items()}


def _run_verdicts(run: str, first: Mapping[str, Times], second: Mapping[str, Times], tolerance: float) -> Iterator[Verdict]:
    for stage in first:
        if stage in second and min(len(first[stage]), len(second[stage])) >= MIN_STAGE_FRAMES:
            for percent in PERCENTILES:
                yield _compare_percentile(run, stage, percent, (first[stage], second[stage]), tolerance)


def _compare_percentile(run: str, stage: str, percent: float, pair: tuple[Times, Times], tolerance: float) -> Verdict:
    one, other = (np.percentile(times, percent) for times in pair)
    drawn = [_bootstrap_percentiles(times, percent, seed) for seed, times in enumerate(pair)]
    ratios = drawn[1] / np.maximum(drawn[0], 1e-9)
    margin = 100 * (1 - CONFIDENCE) / 2
    low, high = (float(edge) for edge in np.percentile(ratios, [margin, 100 - margin]))
    return Verdict(run, stage, percent, float(other / max(one, 1e-9)), low, high, _classify_interval(low, high, tolerance))


def _classify_interval(low: float, high: float, tolerance: float) -> str:
    if low > 1 + tolerance:
        return "slower"
    if high < 1 / (1 + tolerance):
        return "faster"
    return "same" if 1 / (1 + tolerance) <= low and high <= 1 + tolerance else "unsure"


def _bootstrap_percentiles(times: Times, percent: float, seed: int) -> Times:
    """Return the percentile of each of `RESAMPLES` moving-block resamples, (RESAMPLES,).

    The seed is fixed, so that the same reports always give the same verdict.
    """
    rng = np.random.default_rng(seed)
    length = max(1, round(math.sqrt(len(times))))
    blocks = math.ceil(len(times) / length)
    starts = rng.integers(0, len(times) - length + 1, (RESAMPLES, blocks))
    places = (starts[:, :, None] + np.arange(length)).reshape(RESAMPLES, -1)[:, : len(times)]
    return np.asarray(np.percentile(times[places], percent, axis=1))
