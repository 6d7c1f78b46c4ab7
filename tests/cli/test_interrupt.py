"""Tests of signals, a killed process and a full disk: the outputs are kept, and the exit code tells the cause."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
import waiting

pytestmark = pytest.mark.attack

ENDLESS = "synthetic:vessel?height=64&width=96"


def _started(tiny: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rtseg.cli", "run", ENDLESS, "--model", str(tiny), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_finishes_every_file(how: signal.Signals, tiny: Path, tmp_path: Path):
    out, lines = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    process = _started(tiny, "--out", str(out), "--json", str(lines), "--warmup", "0")
    waiting.for_lines(lines, 40, process)
    process.send_signal(how)
    said, complained = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was written so far is kept" in complained
    assert "Traceback" not in complained
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    with av.open(out) as video:
        filmed = sum(1 for _ in video.decode(video=0))
    assert filmed - (len(rows) - 1) in (0, 1)  # the signal may come between the two sinks of one frame
    assert "p99" in said
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "out.jsonl"}


def test_what_was_ignored_at_the_start_stays_ignored(tiny: Path, tmp_path: Path):
    lines = tmp_path / "out.jsonl"
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); import rtseg.cli; rtseg.cli.main()"
    command = [sys.executable, "-c", code, "run", ENDLESS, "--model", str(tiny), "--json", str(lines)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waiting.for_lines(lines, 5, process)
    process.send_signal(signal.SIGHUP)
    waiting.for_lines(lines, lines.read_text().count("\n") + 20, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_closed_terminal_finishes_every_file(tiny: Path, tmp_path: Path):
    """Close the terminal, so that every write to it fails, and send the signal twice, as a closing terminal does."""
    out, lines = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "rtseg.cli", "run", ENDLESS, "--model", str(tiny), "--out", str(out), "--json", str(lines)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    waiting.for_lines(lines, 40, process)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 130
    with av.open(out) as video:
        filmed = sum(1 for _ in video.decode(video=0))
    assert filmed - (lines.read_text().count("\n") - 1) in (0, 1)


HANGING = """
import ctypes, time
from rtseg.cli.signals import handle_signals
handle_signals()
try:
    print("ready", flush=True)
    {work}
except KeyboardInterrupt:
    pass
print("first", flush=True)
while True:
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pass
"""
SLEEPS = "time.sleep(600)"
IN_A_LIBRARY = "c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128); c.pthread_mutex_lock(mutex)"  # locks it
IN_A_LIBRARY += "; c.pthread_mutex_lock(mutex)"  # deadlock: no Python handler runs any more


@pytest.mark.parametrize("work", [SLEEPS, IN_A_LIBRARY])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_ends_what_hangs(work: str, second: signal.Signals):
    process = subprocess.Popen([sys.executable, "-c", HANGING.format(work=work)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)  # until it hangs
    process.send_signal(signal.SIGTERM)
    if work == SLEEPS:
        assert process.stdout.readline() == "first\n"
    time.sleep(0.5)  # signals are counted in another thread than the printing one
    assert process.poll() is None
    process.send_signal(second)
    process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_killed_run_keeps_all_but_half_a_second_and_bars_nobody(suffix: str, tiny: Path, tmp_path: Path):
    out, lines = tmp_path / f"out{suffix}", tmp_path / "out.jsonl"
    wanted = ["--out", str(out), "--json", str(lines), "--warmup", "0"]
    process = _started(tiny, *wanted)
    waiting.for_lines(lines, 60, process)
    _, complained = _started(tiny, *wanted).communicate(timeout=60)
    assert "is being written by another run" in complained
    process.kill()
    process.communicate(timeout=60)
    header, *rows = [json.loads(line) for line in lines.read_text().splitlines()]
    with av.open(out) as video:
        filmed = sum(1 for _ in video.decode(video=0))
    assert len(rows) - filmed <= header["stream"]["fps"] / 2
    lines.unlink()  # so that the lines below come from the next run
    again = _started(tiny, *wanted)
    waiting.for_lines(lines, 5, again)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=60)
    assert again.returncode == 130


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")  # noqa: PTH110
def test_a_full_disk_is_one_line(tiny: Path):
    process = _started(tiny, "--json", "/dev/full")
    _, complained = process.communicate(timeout=120)
    assert process.returncode == 1
    assert complained.startswith("error: ")
    assert "/dev/full" in complained
    assert len(complained.strip().splitlines()) == 1
