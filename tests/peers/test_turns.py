"""Tests the report of two checkouts that were timed in turns."""

import json

import pytest
from claims.checkout import ROOT
from peers.turns import TARGET, report


def test_the_ratio_is_that_of_each_turn():
    found = report([(2.0, 2.2), (4.0, 4.0), (1.0, 0.5)], ("a", "b"), "a command")
    assert found["ratios"] == [1.1, 1.0, 0.5]
    assert (found["median_ratio"], found["lowest_ratio"], found["highest_ratio"]) == (1.0, 0.5, 1.1)
    assert (found["median_old_s"], found["median_new_s"], found["met"]) == (2.0, 2.2, True)
    assert not report([(1.0, TARGET + 0.01)], ("a", "b"), "")["met"]


def test_the_committed_report_follows_from_its_pairs():
    kept = json.loads((ROOT / "docs/benchmarks/line-issue19.json").read_text())
    again = report([(pair["old"], pair["new"]) for pair in kept["seconds"]], (kept["old"], kept["new"]), kept["command"])
    assert kept["median_ratio"] == pytest.approx(again["median_ratio"], abs=0.001)
    assert (kept["turns"], kept["met"]) == (again["turns"], again["met"])
