"""Tests the CPU time shares against a simulated /proc/stat."""

import os
from pathlib import Path

import pytest

import rtseg.bench.line.cpu_share
from rtseg.bench.line.cpu_share import CpuShare

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that adds CPU seconds: of this process, of all processes, stolen and idle."""
    seconds = {"own": 5.0, "busy": 100.0, "stolen": 3.0, "idle": 700.0}
    (tmp_path / "proc").mkdir()

    def passes(**more):
        for name, lasted in more.items():
            seconds[name] += lasted
        busy, stolen, idle = (round(seconds[name] * TICKS) for name in ("busy", "stolen", "idle"))
        (tmp_path / "proc/stat").write_text(f"cpu  {busy - 6} 1 2 {idle - 4} 4 1 2 {stolen} 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")

    monkeypatch.setattr(rtseg.bench.line.cpu_share, "process_time", lambda: seconds["own"])
    passes()
    passes.root = tmp_path
    return passes


def test_shares_of_several_turns_add_up_and_the_time_between_does_not(machine):
    found = CpuShare(machine.root)
    for own, others, stolen, idle in [(4, 1, 1, 4), (2, 1, 0, 7)]:
        found.begin()
        machine(own=own, busy=own + others, stolen=stolen, idle=idle)
        found.end()
        machine(busy=50, stolen=50)
    assert found.shares() == {"own": 0.3, "others": 0.1, "stolen": 0.05, "idle": 0.55}


def test_nothing_is_made_up_where_nothing_is_told(tmp_path, machine):
    silent = CpuShare(tmp_path / "elsewhere")
    silent.begin()
    silent.end()
    assert silent.shares() is None
    (machine.root / "proc/stat").write_text("cpu 1 2 3\n")
    short = CpuShare(machine.root)
    short.begin()
    short.end()
    short.end()
    assert short.shares() is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="Linux tells, others do not")
def test_this_process_is_seen_to_work():
    found = CpuShare()
    found.begin()
    ended = os.times().elapsed + 0.5
    while os.times().elapsed < ended:
        sum(range(1000))
    found.end()
    shares = found.shares()
    assert sum(shares.values()) == pytest.approx(1, abs=0.001)
    assert shares["own"] > 0
