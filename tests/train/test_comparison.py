"""Tests the comparison of trainings: its plan, its cells, its intervals, and that it goes on where it stopped."""

import json

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.train import comparison
from rtseg.train.comparison import compare, main
from rtseg.train.comparison_plan import read_plan
from rtseg.train.paired_interval import paired_difference, t_quantile

PLAN = 'config = "tiny.toml"\nbaseline = "plain"\nminutes = 0.0001\nseeds = [1]\nframes = 6\n'
VARIANTS = "[variants.plain.network]\nmemory = []\n[variants.coherent.schedule]\ncoherence = 1.0\n"


@pytest.fixture
def plan(config, tmp_path):
    config(1)
    path = tmp_path / "plan.toml"

    def write(text=PLAN + VARIANTS):
        path.write_text(text)
        return path

    return write


def test_each_cell_is_trained_and_measured_once(plan, tmp_path, monkeypatch):
    real, done = comparison._run_cell, []

    def run_cell(*arguments):
        done.append(dict(done[0]) if done else real(*arguments))  # the second would take as long again
        return done[-1]

    monkeypatch.setattr(comparison, "_run_cell", run_cell)
    report = compare(plan(), tmp_path / "report.json")
    assert [(cell["variant"], cell["seed"]) for cell in report["cells"]] == [("plain", 1), ("coherent", 1)]
    for cell in report["cells"]:
        assert cell["steps"] >= 1
        assert all(list(cell[name]) == ["scan01"] for name in ("dice", "moving_dice", "flicker", "lag_frames"))
    assert report["variants"]["coherent"]["dice_difference"]["verdict"] == "none"  # one subject has no interval
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report))
    del report["cells"][1]
    (tmp_path / "report.json").write_text(json.dumps(report))
    trained = []
    monkeypatch.setattr(comparison, "_run_cell", lambda config, seed, *_: trained.append(seed) or dict(cell))
    assert len(compare(plan(), tmp_path / "report.json")["cells"]) == 2
    assert trained == [1]
    with pytest.raises(ConfigError, match="is of another plan: a plan is stated before its first run"):
        compare(plan((PLAN + VARIANTS).replace("coherence = 1.0", "coherence = 2.0")), tmp_path / "report.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAN, "name one of two"),
        (PLAN.replace("plain", "other") + VARIANTS, "baseline is 'other'"),
        (PLAN.replace("[1]", "[1, 1]") + VARIANTS, "give each once"),
        (PLAN.replace("0.0001", "0.0") + VARIANTS, "minutes are above 0"),
        (PLAN + VARIANTS + '[variants.data.data]\nfolder = "x"\n', "without .data., which all variants share"),
        (PLAN + VARIANTS + "[variants.odd.schedule]\ncoherenc = 1.0\n", r"variants\.odd\], \[schedule\] has no setting"),
        (PLAN.replace("tiny", "none") + VARIANTS, "cannot be read"),
    ],
)
def test_a_plan_that_is_refused(plan, text, message):
    with pytest.raises(ConfigError, match=message):
        read_plan(plan(text))


def test_all_variants_have_equal_minutes_of_cpu_time(plan):
    _, trainings, _ = read_plan(plan())
    assert {(one.schedule.minutes, one.schedule.clock) for one in trainings.values()} == {(0.0001, "cpu")}
    assert trainings["plain"].network.memory == ()
    assert trainings["coherent"].schedule.coherence == 1.0


def test_the_arguments_of_the_command():
    with pytest.raises(ConfigError, match=r"give PLAN\.toml --json REPORT\.json"):
        main(["plan.toml"])


def rows(values):
    return {f"s{place}": value for place, value in enumerate(values)}


def test_a_gain_inside_the_interval_is_none():
    base = [rows([0.8, 0.9, 0.7, 0.85])]
    noisy, clear = [rows([0.9, 0.85, 0.8, 0.8])], [rows([0.85, 0.94, 0.75, 0.91])]
    assert paired_difference(base, noisy)["verdict"] == "none"
    assert paired_difference(base, clear)["verdict"] == "gain"
    assert paired_difference(base, clear, lower_is_better=True)["verdict"] == "loss"
    assert paired_difference(clear, base)["verdict"] == "loss"
    assert paired_difference([rows([0.8])], [rows([0.9])])["verdict"] == "none"


def test_seeds_are_averaged_before_the_interval():
    base = [rows([0.5, 0.5, 0.5])] * 2
    other = [rows([0.7, 0.5, 0.6]), rows([0.5, 0.7, 0.6])]
    found = paired_difference(base, other)
    assert found["mean"] == pytest.approx(0.1)
    assert (found["subjects"], found["verdict"]) == (3, "gain")
    assert paired_difference([rows([0.5, None, 0.5])], [rows([0.6, 0.7, 0.7])])["subjects"] == 2


@pytest.mark.parametrize("freedom", [1, 2, 9, 30, 31, 60, 200])
def test_the_quantiles_are_those_of_student(freedom):
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-3)


def test_the_interval_covers_the_true_difference():
    rng, inside = np.random.default_rng(1), 0
    for _ in range(400):
        values = rng.normal(0.02, 0.05, 5)
        low, high = paired_difference([rows([0.0] * 5)], [rows(values.tolist())])["interval"]
        inside += low <= 0.02 <= high
    assert 0.91 < inside / 400 < 0.98
