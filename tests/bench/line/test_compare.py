"""Tests the comparison of reports: ratios with intervals, verdicts, and the refusal of different conditions."""

import copy

import numpy as np
import pytest

from rtseg.bench.line.compare import MUST_MATCH, compare_stages
from rtseg.bench.line.report import FORMAT, read_report
from rtseg.errors import ReportError


def report(scale=1.0, frames=400, seed=0, **changes):
    rng = np.random.default_rng(seed)
    infer = scale * rng.lognormal(2, 0.1, frames)
    stages = {"infer": infer.tolist(), "total": (infer + 3).tolist(), "rare": [None] * (frames - 1) + [1.0]}
    return {
        "format": FORMAT,
        "quick": False,
        "source": "clip:carotid",
        "stream": {"height": 720},
        "network": {"sha256": "a", "engine": "openvino", "precision": "fp32", "input": [1], "threads": 2},
        "clock": "all",
        "steadied_in_time": "not",
        "machine": {"device": None, "processor": "P", "cores": 2, "power_mode": None},
        "paced": {"samples": {"stages_ms": stages}},
    } | changes


def found(first, second, **options):
    return {(one.stage, one.percent): one for one in compare_stages(first, second, **options)}


def test_the_same_thing_twice_is_the_same():
    verdicts = found(report(seed=1), report(seed=2))
    assert {stage for stage, _ in verdicts} == {"infer", "total"}  # "rare" has only one frame
    assert verdicts["infer", 50.0].verdict == "same"
    assert verdicts["infer", 50.0].low < 1 < verdicts["infer", 50.0].high
    assert "slower" not in {one.verdict for one in verdicts.values()}


@pytest.mark.parametrize(("scale", "word"), [(1.3, "slower"), (0.7, "faster")])
def test_a_change_is_seen_with_its_interval(scale, word):
    one = found(report(seed=1), report(scale, seed=2))["infer", 50.0]
    assert one.verdict == word
    assert one.low < scale < one.high
    assert one.high - one.low < 0.1


def test_what_is_not_sure_is_called_unsure():
    noisy = report(seed=3, frames=60)
    noisy["paced"]["samples"]["stages_ms"]["infer"] = np.random.default_rng(1).lognormal(2, 1.5, 60).tolist()
    assert found(noisy, report(seed=4))["infer", 50.0].verdict == "unsure"


def test_the_verdict_does_not_change_from_call_to_call():
    assert compare_stages(report(seed=1), report(1.03, seed=2)) == compare_stages(report(seed=1), report(1.03, seed=2))


@pytest.mark.parametrize("name", MUST_MATCH)
def test_unlike_is_refused_by_its_name(name):
    other = copy.deepcopy(report())
    place = other
    for key in MUST_MATCH[name][:-1]:
        place = place[key]
    place[MUST_MATCH[name][-1]] = "something else"
    with pytest.raises(ReportError, match=f"the {name} is .*--across '{name}'"):
        compare_stages(report(), other)
    assert compare_stages(report(), other, across=[name])


def test_a_name_that_is_none_of_them():
    with pytest.raises(ReportError, match="'weather' is nothing that reports may differ in: choose from quick"):
        compare_stages(report(), report(), across=["weather"])


def test_too_few_frames():
    with pytest.raises(ReportError, match="no stage of 50 frames in common"):
        compare_stages(report(frames=20), report(frames=20))


@pytest.mark.parametrize("text", ["", "[]", '{"format": "another"}', "\x00\xff"])
def test_what_is_no_report_is_said_to_be_none(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ReportError, match=r"x.json is no report"):
        read_report(tmp_path / "x.json")
