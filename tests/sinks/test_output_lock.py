"""A second run onto the same output is refused, and a killed run holds no lock."""

import os
import re
import sys
from pathlib import Path

import pytest
import results

from rtseg.errors import SinkError
from rtseg.output.atomic_file import release, reserve, write_atomically
from rtseg.output.private_file import lock_folder, locked_folder, opener
from rtseg.sinks import JsonSink, MaskSink, VideoSink

pytestmark = pytest.mark.attack

RECORDINGS = str(Path(__file__).with_name("recording"))
HOLD = f"""
import sys, time
sys.path.insert(0, {RECORDINGS!r})
import results
from pathlib import Path
from made import RecordSink, stand_in
from rtseg.sinks import JsonSink, MaskSink, VideoSink
from rtseg.output.atomic_file import reserve
from rtseg.output.private_file import lock_folder, make_folder
{{hold}}
print("held", flush=True)
time.sleep(600)
"""


def _record(path):
    sys.path.insert(0, RECORDINGS)
    try:
        from made import RecordSink, stand_in
    finally:
        sys.path.remove(RECORDINGS)
    return RecordSink(path, stand_in())


OUTPUTS = {
    "out.mp4": ("VideoSink('out.mp4')", VideoSink),
    "out.mkv": ("VideoSink('out.mkv')", VideoSink),
    "out.jsonl": ("JsonSink('out.jsonl')", JsonSink),
    "masks": ("MaskSink('masks')", MaskSink),
    "recording": ("RecordSink('recording', stand_in())", _record),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_second_run_is_refused_until_the_first_is_killed(tmp_path, name):
    made, sink = OUTPUTS[name]
    with results.process(HOLD.format(hold=f"sink = {made}; sink.open(results.stream())"), tmp_path) as process:
        assert process.stdout.readline() == b"held\n"
        kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(
            SinkError, match=r"is being written by another run.*: stop that run, or name another output"
        ) as told:
            sink(tmp_path / name).open(results.stream())
        if os.path.exists("/proc/locks") and re.search(r"process \d+", str(told.value)):  # noqa: PTH110
            assert f"process {process.pid}" in str(told.value)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept
        process.kill()
    if name == "recording":
        with pytest.raises(SinkError, match="holds a recording already"):
            sink(tmp_path / name).open(results.stream())
        return
    again = sink(tmp_path / name)
    again.open(results.stream())
    again.close()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".") or "lock" in path.name]


def test_a_reserved_report_is_refused_and_leaves_nothing(tmp_path):
    hold = "reserve(Path('report.json'))"
    (tmp_path / "report.json").write_bytes(b"older")
    with results.process(HOLD.format(hold=hold), tmp_path) as process:
        assert process.stdout.readline() == b"held\n"
        for write in (reserve, lambda path: write_atomically(path, b"new")):
            with pytest.raises(SinkError, match="is being written by another run"):
                write(tmp_path / "report.json")
        process.kill()
    assert (tmp_path / "report.json").read_bytes() == b"older"
    reserve(tmp_path / "report.json")
    write_atomically(tmp_path / "report.json", b"new")
    assert (tmp_path / "report.json").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_what_was_reserved_and_not_written_goes(tmp_path):
    reserve(tmp_path / "a.json", None, tmp_path / "b.json")
    release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("bench", "synthetic:vessel?frames=20", "--out", "held"),
        ("bench", "synthetic:vessel?frames=20", "--json", "held.json"),
        ("bench", "--kernels", "--quick", "--json", "held.json"),
        ("bench", "loop", "--json", "held.json"),
        ("eval", "carotid", ".", "--json", "held.json"),
        ("gate", "carotid", "carotid", ".", "--json", "held.json"),
    ],
)
def test_a_command_is_refused_before_its_work(tmp_path, monkeypatch, arguments):
    from typer.testing import CliRunner

    from rtseg.cli.app import app

    hold = "make_folder(Path('held')); lock_folder(Path('held')); reserve(Path('held.json'))"
    monkeypatch.chdir(tmp_path)
    with results.process(HOLD.format(hold=hold), tmp_path) as process:
        assert process.stdout.readline() == b"held\n"
        done = CliRunner().invoke(app, list(arguments))
        process.kill()
    assert done.exit_code == 1
    assert "is being written by another run" in " ".join(done.output.split())
    assert not list((tmp_path / "held").iterdir())


def test_a_training_is_refused(tmp_path):
    with results.process(HOLD.format(hold="make_folder(Path('runs')); lock_folder(Path('runs'))"), tmp_path) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(SinkError, match="is being written by another run"), locked_folder(tmp_path / "runs"):
            pass
        process.kill()
    assert (tmp_path / "runs").is_dir()


def test_one_run_may_write_twice_into_a_folder(tmp_path):
    first, second = MaskSink(tmp_path), MaskSink(tmp_path, "npz")
    first.open(results.stream())
    second.open(results.stream())
    second.close()
    second.close()
    with results.process(HOLD.format(hold="MaskSink('.').open(results.stream())"), tmp_path) as process:
        assert process.stdout.read() == b""
    first.close()
    lock_folder(tmp_path).release()


def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch, caplog):
    def refused(file):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("rtseg.output.file_lock._lock_exclusively", refused)
    sink = JsonSink(tmp_path / "out.jsonl")
    sink.open(results.stream())
    sink.close()
    assert "cannot be locked (No locks available): start no other run" in caplog.text
    assert (tmp_path / "out.jsonl").read_bytes()


def test_a_held_file_is_not_truncated(tmp_path):
    (tmp_path / "a").write_bytes(b"kept")
    with open(tmp_path / "a", "ab", opener=opener), pytest.raises(SinkError, match=r"another run|this same run"):
        open(tmp_path / "a", "wb", opener=opener)  # noqa: SIM115
    assert (tmp_path / "a").read_bytes() == b"kept"
