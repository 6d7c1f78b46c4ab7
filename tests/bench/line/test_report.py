"""Tests `rtseg bench run` and `compare` and their reports from a user's point of view."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from typer.testing import CliRunner

from rtseg.bench.line import write
from rtseg.bench.line.plan import BenchPlan
from rtseg.bench.line.plots import cdf_svg, timeline_svg
from rtseg.cli.app import app
from rtseg.errors import EngineError

SYNTHETIC = "synthetic:vessel?height=64&width=96&frames=30&fps=200"


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "report"
    done = rtseg(
        "bench", SYNTHETIC, "--model", tiny, "--frames", 60, "--warmup", 3, "--rounds", 2, "--out", out, "--minutes", 0.01
    )
    assert done.exit_code == 0, done.output
    assert "quick: fewer than the 2000 frames and 60 s" in " ".join(done.output.split())
    return out


def test_the_report_says_what_was_measured_on_what(folder, tiny):
    report = json.loads((folder / "report.json").read_text())
    assert report["quick"] is True
    assert report["stream"] == {"height": 64, "width": 96, "fps": 200.0, "pixel_format": "grey, uint8"}
    assert report["network"]["precision"] == "fp32"
    assert report["network"]["states"] == {"h_in": [1, 1, 16, 24]}
    assert re.fullmatch("[0-9a-f]{64}", report["network"]["sha256"])
    assert report["steadied_in_time"]["every"] == 1
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", report["began_at"])
    assert report["machine"]["processor"]
    assert set(report["machine"]) >= {"device", "sku", "governors", "clocks_mhz", "power_mode", "driver", "cuda", "commit"}
    assert "nothing is encoded" in report["clock"]
    assert report["paced"]["missed_deadlines"].keys() == {"25 fps", "30 fps", "50 fps", "60 fps"}
    assert set(report["paced"]["stages_ms"]["total"]) >= {"p50", "p90", "p95", "p99", "p99.9", "max", "std", "tail", "flatness"}
    assert set(report["power"]) | set(report["meters_absent"]) >= {"RAPL", "tegrastats"}
    assert report["sustained"]["frames"] > 0


def test_both_texts_tell_the_same(folder):
    text, page = (folder / "report.md").read_text(), (folder / "report.html").read_text()
    for words in (
        "QUICK, not to be cited",
        "Inside the clock",
        "began at (UTC)",
        "age when replaced",
        "deadlines missed",
        "Absent meters",
    ):
        assert words in text
        assert words in page
    assert "not a medical device" in text
    assert "not a medical device" in page


def test_the_page_needs_no_other_file_and_draws_every_run(folder):
    page = (folder / "report.html").read_text()
    assert not re.search(r"(src|href)=|@import|url\(", page)
    drawings = re.findall(r"<svg.*?</svg>", page)
    assert len(drawings) == 1 + 3  # the distribution, and a timeline of each run
    for drawing in drawings:
        ET.fromstring(drawing)


def test_a_report_is_like_itself_and_slower_when_it_is(folder, tmp_path):
    report = json.loads((folder / "report.json").read_text())
    assert rtseg("bench", "compare", folder / "report.json", folder / "report.json").exit_code == 0
    for column in report["paced"]["samples"]["stages_ms"].values():
        column[:] = [None if ms is None else 3 * ms for ms in column]
    (tmp_path / "slow.json").write_text(json.dumps(report))
    done = rtseg("bench", "--compare", folder / "report.json", tmp_path / "slow.json")
    assert done.exit_code == 3
    said = " ".join(done.output.split())
    assert "slower: " in said
    assert "total p50 (paced)" in said
    assert rtseg("bench", "compare", tmp_path / "slow.json", folder / "report.json").exit_code == 0


def test_unlike_reports_are_one_line(folder, tmp_path):
    report = json.loads((folder / "report.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps(report | {"source": "clip:other"}))
    done = rtseg("bench", "compare", folder / "report.json", tmp_path / "other.json")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: unlike reports: the source is")
    assert rtseg("bench", "compare", folder / "report.json", tmp_path / "other.json", "--across", "source").exit_code == 0


def test_long_lists_stay_on_their_line(folder):
    lines = (folder / "report.json").read_text().splitlines()
    assert len(lines) < 1000
    assert [line for line in lines if line.strip().startswith('"total": [') and len(line) > 300]


def test_json_is_read_as_it_was_written():
    values = {"a": [1, 2.5, None], "b": {"c": [[1, 2], [3, 4]], "d": [], "e": ["x, [y", "z]"]}, "f": "["}
    assert json.loads(write.as_json(values)) == values


def test_a_cold_start_is_timed_step_by_step(tiny):
    from rtseg.bench.line.cold_start import time_cold_start

    steps = time_cold_start(str(tiny), "openvino", 1, (64, 96))
    assert set(steps) == {"import", "engine", "warm_up", "first_frame", "process"}
    assert all(ms > 0 for ms in steps.values())
    assert steps["process"] > steps["import"] + steps["engine"] + steps["warm_up"] + steps["first_frame"]


def test_a_cold_start_that_fails_says_why(tmp_path):
    from rtseg.bench.line.cold_start import time_cold_start

    with pytest.raises(EngineError, match="no model 'nothing'"):
        time_cold_start("nothing", "openvino", 1, (64, 96))


def test_only_a_long_run_is_not_quick():
    assert not BenchPlan().quick
    assert BenchPlan(frames=1999).quick
    assert BenchPlan(seconds=59.0).quick


def test_accuracy_stands_beside_speed(tiny):
    from rtseg.bench.line import compare_accuracy
    from rtseg.engines.load import load_engine

    engine, other = load_engine(tiny), load_engine(tiny)
    found = compare_accuracy("synthetic:vessel?height=64&width=96&frames=8", engine, other, None, lambda _: None)
    steady = found["Steadiness on the source (it has no truth)"]
    assert set(steady) == {"this engine: lumen", "its FP32 form: lumen"}
    assert set(steady["this engine: lumen"]) >= {"flicker", "temporal iou"}
    assert found["Dice with the FP32 form, on the source"]["lumen"] == {"mean": 1.0, "lowest": 1.0, "frames": 8}
    engine.close()
    other.close()


def test_a_stall_is_not_lost_when_a_long_run_is_drawn():
    drawn = timeline_svg([i / 100 for i in range(50_000)], [10.0] * 33_333 + [800.0] + [10.0] * 16_666, 40.0)
    assert drawn.count("M") <= 1001
    heights = [float(y) for y in re.findall(r"M[\d.]+,([\d.]+)h0", drawn)]
    assert min(heights) < 30 < 180 < sorted(heights)[1]


@pytest.mark.parametrize("times", [[5.0], [5.0, 5.0], [0.0, 1e6], [1e-9]])
def test_a_drawing_of_little_is_a_drawing(times):
    ET.fromstring(cdf_svg({"a <b>": times}))
    ET.fromstring(timeline_svg([0.0] * len(times), times, 40.0))


def test_nothing_is_drawn_of_nothing():
    assert cdf_svg({}) == cdf_svg({"a": []}) == timeline_svg([], [], 40.0) == ""
