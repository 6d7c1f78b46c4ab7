"""`rtseg bench --temporal`, and the options of `rtseg run` that steady a mask."""

import json

import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app

SYNTHETIC = "synthetic:vessel?height=64&width=96&frames=12"


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_temporal_benchmark_writes_its_report(tiny, tmp_path):
    path = tmp_path / "temporal.json"
    done = rtseg("bench", SYNTHETIC, "--model", tiny, "--temporal", "--frames", 10, "--json", path)
    assert done.exit_code == 0, done.output
    report = json.loads(path.read_text())
    assert [row["clip"] for row in report["grabber"]] == [f"{SYNTHETIC}, grabbed"]
    assert report["without_events"]["frames"] == 12
    assert "memory, every 3rd frame" in report["steadiness"]
    assert "60 Hz grabber" in done.output


def test_a_subject_that_is_not_there(tiny, tmp_path):
    done = rtseg("bench", SYNTHETIC, "--model", tiny, "--temporal", "--data", tmp_path)
    assert done.exit_code == 1
    assert "images" in done.stderr


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
