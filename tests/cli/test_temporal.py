"""Tests of `rtseg bench --temporal`, `rtseg eval --video` and the stabilization options of `rtseg run`."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app

STILL = np.zeros((48, 64), np.uint8)
STILL[:, :30], STILL[20:, 50:53] = 200, 60
SYNTHETIC = "synthetic:vessel?height=64&width=96&frames=12"


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def still_folder(tmp_path):
    """Write two scans of seven frames, in which the bright half is the class."""
    for kind, value in [("images", 200), ("masks", 255)]:
        (tmp_path / "data" / kind).mkdir(parents=True)
        for scan in range(2):
            for frame in range(7):
                picture = np.where(np.roll(STILL, frame) == 200, value, 0 if kind == "masks" else np.roll(STILL, frame))
                cv2.imwrite(str(tmp_path / "data" / kind / f"scan0{scan}_frame0000{frame}.png"), picture.astype(np.uint8))
    return tmp_path / "data"


def test_the_temporal_benchmark_writes_its_report(tiny, tmp_path):
    path, plot = tmp_path / "temporal.json", tmp_path / "temporal.png"
    small = ["--frames", 10, "--quiet-frames", 24]
    done = rtseg("bench", SYNTHETIC, "--model", tiny, "--temporal", *small, "--json", path, "--plot", plot)
    assert done.exit_code == 0, done.output
    report = json.loads(path.read_text())
    assert [row["clip"] for row in report["grabber"]] == [f"{SYNTHETIC}, grabbed"]
    assert report["without_events"]["frames"] == 24
    assert plot.stat().st_size > 5000
    assert "memory, every 3rd frame" in report["steadiness"]
    assert "60 Hz grabber" in done.output


def test_a_subject_that_is_not_there(tiny, tmp_path):
    done = rtseg("bench", SYNTHETIC, "--model", tiny, "--temporal", "--data", tmp_path)
    assert done.exit_code == 1
    assert "images" in done.stderr


def test_run_steadies_unless_it_is_told_not_to(tiny, tmp_path):
    lines = tmp_path / "out.jsonl"
    for options, steadied in [((), True), (("--no-steady",), False), (("--no-steady", "--hysteresis", 1), True)]:
        assert rtseg("run", SYNTHETIC, "--model", tiny, "--json", lines, *options).exit_code == 0
        stages = [json.loads(line)["stages_ms"] for line in lines.read_text().splitlines()[1:]]
        assert any("temporal" in stage for stage in stages) is steadied


def test_run_filters_speckle(tiny, tmp_path):
    lines = tmp_path / "out.jsonl"
    assert rtseg("run", SYNTHETIC, "--model", tiny, "--json", lines, "--speckle", "median:3").exit_code == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()[1:]]
    assert all("speckle" in row["stages_ms"] for row in rows if "infer" in row["stages_ms"])
    wrong = rtseg("run", SYNTHETIC, "--model", tiny, "--speckle", "blur")
    assert wrong.exit_code == 1
    assert "give one of median, lee" in wrong.stderr


def test_eval_enhances_what_the_model_sees(tmp_path, still_folder, tiny):
    reports = []
    for name, options in [("plain", ()), ("log", ("--speckle", "median:3", "--enhance", "log:100"))]:
        done = rtseg("eval", tiny, still_folder, "--json", tmp_path / name, *options)
        assert done.exit_code == 0, done.output
        reports.append((tmp_path / name).read_text())
    assert reports[0] != reports[1]


def test_eval_on_video(tmp_path, still_folder, tiny):
    report, plot = tmp_path / "video.json", tmp_path / "video.png"
    options = ["--subjects", "scan00", "--frames", 10, "--json", report, "--plot", plot]
    done = rtseg("eval", tiny, still_folder, "--video", *options)
    assert done.exit_code == 0, done.output
    assert "of the flicker, Dice" in " ".join(done.output.split()) or "no flicker" in done.output
    found = json.loads(report.read_text())
    assert set(found["simulated"]) == set(found["goals"])
    assert set(found["scans"]) == {"frame by frame", "memory", "memory, steady", "the truth itself"}
    assert plot.stat().st_size > 5000


def test_eval_on_video_enhances_and_cleans(tmp_path, still_folder, tiny):
    found = {}
    for name, options in {"plain": (), "changed": ("--enhance", "log:100", "--postprocess", "lumen:min_area=100000")}.items():
        common = ["--subjects", "scan00", "--frames", 10, "--json", tmp_path / name]
        done = rtseg("eval", tiny, still_folder, "--video", *common, *options)
        assert done.exit_code == 0, done.output
        found[name] = json.loads((tmp_path / name).read_text())
    assert "LogCompression" in found["changed"]["enhancement"]
    assert "lumen" in found["changed"]["postprocess"][0]
    assert not found["plain"].keys() & {"enhancement", "postprocess"}
    ways = {"frame by frame", "memory", "memory, steady"}
    assert all(found["plain"]["scans"][way]["dice"] > 0 for way in ways)
    assert {found["changed"]["scans"][way]["dice"] for way in ways} == {0.0}, "nothing is as large as the least area"


def test_eval_of_some_subjects(tmp_path, still_folder, tiny):
    config = tmp_path / "net.toml"
    config.write_text('name = "n"\nclasses = ["lumen"]\n[data]\nfolder = "."\nheld_out = ["scan01"]\n')
    report = tmp_path / "eval.json"
    for options, subject in [(("--subjects", "scan00"), "scan00"), (("--held-out", config), "scan01")]:
        done = rtseg("eval", tiny, still_folder, "--json", report, *options)
        assert done.exit_code == 0, done.output
        assert {image["subject"] for image in json.loads(report.read_text())["images"]} == {subject}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--subjects", "scan07"], "no subject 'scan07'"),
        (["--subjects", "scan00", "--held-out", "x.toml"], "give one of them"),
        (["--plot", "x.png"], "give both"),
    ],
)
def test_eval_of_what_is_not_there(still_folder, tiny, options, complaint):
    done = rtseg("eval", tiny, still_folder, *options)
    assert done.exit_code == 1
    assert complaint in done.stderr


def test_run_skips_frames_when_asked(tiny, tmp_path):
    lines = tmp_path / "out.jsonl"
    done = rtseg("run", SYNTHETIC, "--model", tiny, "--json", lines, "--every", 3)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in lines.read_text().splitlines()][1:]
    ran = ["infer" in row["stages_ms"] for row in rows]
    assert 4 <= sum(ran) < 12
    assert {row["reason"] for row, did in zip(rows, ran, strict=True) if not did} == {"carried from the frame before"}


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [("--smoothing", 1, "0 to 0.95"), ("--every", 0, "each"), ("--hysteresis", -1, "from 0 on")],
)
def test_options_out_of_range_are_one_line(tiny, option, value, complaint):
    done = rtseg("run", SYNTHETIC, "--model", tiny, option, value)
    assert done.exit_code == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.output


def test_the_table_tells_what_became_of_the_memory(tiny):
    done = rtseg("run", "synthetic:vessel?height=96&width=128&frames=30&faults=freeze@10+5", "--model", tiny)
    assert "5 held" in " ".join(done.output.split())
