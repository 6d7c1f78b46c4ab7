"""Test `rtseg run --json -`: standard output holds JSON lines and nothing else, and everything else is on standard error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app

SOURCE = "synthetic:vessel?height=64&width=96&frames=12"


def start(*arguments: object, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "rtseg", "run", SOURCE, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_lines_on_standard_output_and_messages_on_standard_error(tiny: Path, tmp_path: Path):
    out, err = start("--model", tiny, "--json", "-", "--out", "o.mp4", cwd=tmp_path).communicate(timeout=120)
    header, *rows = map(json.loads, out.decode().splitlines())
    assert header["classes"] == ["lumen"]
    assert [row["index"] for row in rows] == list(range(12))
    assert b"2 frames" in err  # 10 are the warm-up
    assert b"wrote o.mp4" in err
    assert b"wrote -" not in err
    assert not (tmp_path / "-").exists()


def test_standard_output_that_is_a_file_keeps_what_stood_before(tiny: Path, tmp_path: Path):
    with (tmp_path / "all.jsonl").open("wb") as file:
        file.write(b'"before"\n')
        file.flush()
        command = [sys.executable, "-m", "rtseg", "run", SOURCE, "--model", str(tiny), "--json", "-"]
        assert subprocess.run(command, stdout=file, stderr=subprocess.PIPE, timeout=120, check=False).returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert rows[0] == "before"
    assert len(rows) == 2 + 12


def test_a_reader_that_leaves_is_one_line_and_an_error(tiny: Path):
    with start("--model", tiny, "--json", "-") as process:
        process.stdout.close()
        error = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert "error: the stream cannot be written to (Broken pipe): keep its reader running" in " ".join(error.split())
    assert "Traceback" not in error
    assert "Exception ignored" not in error


def test_a_later_command_of_the_process_prints_as_before(tiny: Path):
    runner = CliRunner()
    assert runner.invoke(app, ["run", SOURCE, "--model", str(tiny), "--json", "-"]).exit_code == 0
    assert "rtseg" in runner.invoke(app, ["--version"]).stdout


@pytest.mark.parametrize(("options", "count"), [(["--frames", 5], 5), (["--seconds", 0.2], 5), (["--frames", 50], 12)])
def test_a_run_ends_after_frames_or_seconds(tiny: Path, options: list[object], count: int):
    runner = CliRunner()
    source = "synthetic:vessel?height=64&width=96&frames=12&fps=25"
    done = runner.invoke(app, ["run", source, "--model", str(tiny), "--json", "-", *map(str, options)])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 1 + count


@pytest.mark.parametrize("options", [["--frames", "0"], ["--seconds", "0"], ["--seconds", "-1"], ["--log-level", "loud"]])
def test_what_is_no_limit_is_refused(options: list[str]):
    assert CliRunner().invoke(app, ["run", SOURCE, *options]).exit_code == 2
