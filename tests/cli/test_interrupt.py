"""Ctrl-C, a polite kill and a full disk: what was written is kept, and the exit says so."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest
import waiting

ENDLESS = "synthetic:vessel?height=64&width=96"


def _started(tiny: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rtseg.cli", "run", ENDLESS, "--model", str(tiny), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")  # noqa: PTH110
def test_a_full_disk_is_one_line(tiny: Path):
    process = _started(tiny, "--json", "/dev/full")
    _, complained = process.communicate(timeout=120)
    assert process.returncode == 1
    assert complained.startswith("error: ")
    assert "/dev/full" in complained
    assert len(complained.strip().splitlines()) == 1
