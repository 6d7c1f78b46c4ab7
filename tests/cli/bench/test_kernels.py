"""Tests of `rtseg bench --kernels` and `--speckle` through the command line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.bench.kernels import KernelComparison, measure_kernels, paired_timing, rows
from rtseg.bench.speckle import FILTERS
from rtseg.cli.app import app
from rtseg.cli.bench import kernels as command


def rtseg(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(paired_timing, "BUDGET_NS", 1)
    monkeypatch.setattr(command, "SIZES", ((24, 32), (31, 17)))
    monkeypatch.setattr(command, "QUICK_SIZES", ((24, 32),))


@pytest.mark.parametrize(("options", "heights"), [(["--quick"], {24}), ([], {24, 31})])
def test_kernels_are_timed_and_written(small, tmp_path: Path, options: list[str], heights: set[int]):
    report = tmp_path / "kernels.json"
    done = rtseg("--kernels", *options, "--json", report)
    assert done.exit_code == 0, done.output
    figures = json.loads(report.read_text())
    assert {row["height"] for row in figures["kernels"]} == heights
    assert figures["machine"]["cores"] >= 1
    for row in figures["kernels"]:
        assert row["kernel"] in done.output
        assert row["ratio"] == pytest.approx(row["theirs_ms"] / row["ours_ms"], rel=0.05)


def test_a_row_tells_medians_and_the_fastest_turns(monkeypatch):
    def copies(contest: KernelComparison) -> bool:
        return getattr(contest.their_call, "func", None) is np.copyto

    monkeypatch.setattr(rows, "time_in_turns", lambda it: ((10, 30, 20), (5, 15, 10) if copies(it) else (40, 90, 60)))
    monkeypatch.setattr(rows, "min_cpu_time_on_one_core", lambda it: (10, 5 if copies(it) else 50))
    (row,) = measure_kernels([(24, 32)], ["blend"])
    assert (row.ratio, row.best_ratio) == (3, 4)
    assert (row.copies, row.best_copies, row.core_copies) == (2, 2, 2)
    assert row.core_ratio == 5
    assert row.of_copy == pytest.approx(7 / 6 / 2)  # an RGB frame in and out, and the labels


def _scans(folder: Path) -> Path:
    """Write three scans of a bright disc over gray noise; the tiny network segments the disc as lumen."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for scan in range(3):
        image, mask = rng.integers(60, 90, (96, 120)).astype(np.uint8), np.zeros((96, 120), np.uint8)
        cv2.circle(mask, (60, 40), 18 + scan, 255, -1)
        image[mask > 0] = 230
        cv2.imwrite(str(folder / "images" / f"scan{scan:02d}_frame00000.png"), image)
        cv2.imwrite(str(folder / "masks" / f"scan{scan:02d}_frame00000.png"), mask)
    return folder


def test_filters_are_judged_on_the_scans_that_are_named(tiny: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(command, "SPECKLE_SIZES_PX", ((1.0, 1.0),))
    report = tmp_path / "speckle.json"
    data = ("--data", _scans(tmp_path / "data"), "--subjects", "scan00,scan02")
    done = rtseg("--speckle", "--model", tiny, *data, "--json", report)
    assert done.exit_code == 0, done.output
    figures = json.loads(report.read_text())
    assert [row["filter"] for row in figures["dice"]] == list(FILTERS)
    assert figures["dice"][0]["dice"] > 0.8
    assert figures["dice"][0]["gain_by_subject"] == {"scan00": 0, "scan02": 0}
    assert {row["kind"] for row in figures["quality"]} == {"phantom, grain 1 x 1 px", "real frames"}
    assert "non_local_means" in done.output


def test_without_data_the_phantoms_alone_are_measured(tiny: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(command, "SPECKLE_SIZES_PX", ((1.0, 1.0),))
    report = tmp_path / "speckle.json"
    done = rtseg("--speckle", "--model", tiny, "--json", report)
    assert done.exit_code == 0, done.output
    assert json.loads(report.read_text())["dice"] == []
    assert "Dice" not in done.output


def test_an_unknown_scan_is_one_line(tiny: Path, tmp_path: Path):
    done = rtseg("--speckle", "--model", tiny, "--data", _scans(tmp_path / "data"), "--subjects", "scan09")
    assert done.exit_code == 1
    assert "no subject 'scan09'" in done.stderr


@pytest.mark.parametrize(("cases", "looked_at"), [(1, 1), (6, 6), (7, 4), (52, 6), (307, 6)])
def test_real_frames_are_spread_over_all(cases: int, looked_at: int):
    assert len(command._spread(range(cases))) == looked_at
