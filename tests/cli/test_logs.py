"""Test `--log-level` and `--log json`."""

import json
import logging
from pathlib import Path

from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.cli.options.logs import LogFormat, LogLevel, LogOptions
from rtseg.text.log_records import get_logger

SOURCE = "synthetic:vessel?height=64&width=96&frames=3"


def lines_of(options, capsys, record):
    with options.printed():
        record(get_logger("rtseg.somewhere"))
    return capsys.readouterr().err.splitlines()


def test_a_record_is_one_object_with_its_time_and_level(capsys):
    options = LogOptions(LogLevel.INFO, LogFormat.JSON)
    (line,) = lines_of(options, capsys, lambda log: (log.debug("no"), log.warning("lost\n%s", "rtsp://me:secret@host/x")))
    told = json.loads(line)
    assert (told["level"], told["logger"]) == ("warning", "rtseg.somewhere")
    assert told["time"].endswith("Z")
    assert "secret" not in line


def test_a_traceback_is_told_as_the_error(capsys):
    def fail(log):
        try:
            raise OSError("full")
        except OSError:
            log.exception("it failed")

    (line,) = lines_of(LogOptions(log=LogFormat.JSON), capsys, fail)
    assert "OSError: full" in json.loads(line)["error"]


def test_the_loggers_are_as_before(capsys):
    before = [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in ("rtseg", "rtseg.sources")]
    assert lines_of(LogOptions(LogLevel.DEBUG, LogFormat.JSON), capsys, lambda log: log.debug("yes"))
    after = [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in ("rtseg", "rtseg.sources")]
    assert before == after
    assert not lines_of(LogOptions(), capsys, lambda log: log.info("not a source"))


def test_a_run_prints_its_records_as_json(tiny: Path):
    arguments = ["run", SOURCE, "--model", str(tiny), "--log", "json", "--log-level", "info", "--json", "-"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert any(row["logger"] == "rtseg.engines.load" and "tiny.onnx" in row["message"] for row in told)
    assert all("logger" not in json.loads(line) for line in done.stdout.splitlines())
