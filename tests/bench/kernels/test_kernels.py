"""Tests the kernel benchmark: both sides of a comparison do the same work, and rows hold the right values."""

import json

import cv2
import numpy as np
import pytest

from rtseg.bench.kernels import KernelComparison, kernel_comparisons, measure_kernels, paired_medians, paired_timing
from rtseg.kernels.runtime import cpu

ALIKE = {  # tolerated share of differing pixels, and absolute tolerance of the others
    "fit_input (RGB)": (0.0, 0.03),
    "fit_input (grey)": (0.0, 0.03),
    "fit_input (RGB, sector)": (0.0, 0.03),
    "fit_input (grey, sector)": (0.0, 0.03),
    "argmax_labels": (0.02, 0.0),
    "median 3": (0.0, 0.0),
    "median 5": (0.0, 0.0),
    "median 7": (0.0, 0.0),
    "lee 7": (0.0, 1.0),
    "opening": (0.0, 0.0),
    "keep_largest": (0.0, 0.0),
    "kuan": (0.0, 1.0),
    "frost": (0.0, 1.0),
    "srad": (0.0, 1.0),
    "perona_malik": (0.0, 1.0),
}


@pytest.fixture(scope="module")
def all_comparisons() -> dict[str, KernelComparison]:
    return {
        comparison.kernel: comparison for comparison in kernel_comparisons((280, 310))
    }  # larger than the network: OpenCV's INTER_AREA enlarges differently


@pytest.mark.parametrize("name", ALIKE)
def test_both_sides_of_a_contest_do_the_same_work(all_comparisons: dict[str, KernelComparison], name: str) -> None:
    share, atol = ALIKE[name]
    ours, theirs = np.asarray(all_comparisons[name].our_call(), float), np.asarray(all_comparisons[name].their_call(), float)
    assert ours.shape == theirs.shape
    assert np.mean(np.abs(ours - theirs) > atol) <= share
    assert ours.any()


def test_every_size_and_every_kernel_has_a_row(
    monkeypatch: pytest.MonkeyPatch, all_comparisons: dict[str, KernelComparison]
) -> None:
    monkeypatch.setattr(paired_timing, "BUDGET_NS", 1)
    rows = measure_kernels([(24, 32), (31, 17)])
    assert [(row.height, row.kernel) for row in rows] == [(height, name) for height in (24, 31) for name in all_comparisons]
    for row in rows:
        assert row.ratio == pytest.approx(row.theirs_ms / row.ours_ms)
        assert row.of_copy > 0
        assert json.loads(json.dumps(row.to_json()))["kernel"] == row.kernel


def test_only_the_named_kernels_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_timing, "BUDGET_NS", 1)
    assert [row.kernel for row in measure_kernels([(24, 32)], ["median 3", "blend"])] == ["blend", "median 3"]


def test_sides_take_turns() -> None:
    taken = []
    comparison = KernelComparison("one", "another", lambda: taken.append("ours"), lambda: taken.append("theirs"), 1)
    paired_medians(comparison)
    assert taken == ["ours", "theirs"] * (len(taken) // 2)
    assert len(taken) == 2 * (paired_timing.TURN_LIMITS[1] + 2)


def test_processor_time_is_taken_on_one_core_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_timing, "BUDGET_NS", 1)
    before, seen = (cpu.cores(), cv2.getNumThreads()), set()
    comparison = KernelComparison("one", "another", lambda: seen.add(cpu.cores()), lambda: seen.add(cv2.getNumThreads()), 1)
    paired_timing.min_cpu_time_on_one_core(comparison)
    assert seen == {1}
    assert (cpu.cores(), cv2.getNumThreads()) == before
