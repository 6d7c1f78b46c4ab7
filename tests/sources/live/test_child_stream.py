"""Tests that a protocol unknown to PyAV is read through a program, which ends with the link."""

import logging
import os
import signal
import sys
import time
from contextlib import closing
from itertools import islice

import pytest
from sources.links import link_threads, wait_until
from sources.streams import transport_stream

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.live import child_stream
from rtseg.sources.live.child_stream import ChildPipe, srt_command

SECRET = "geheim"
ADDRESS = f"srt://127.0.0.1:9000?passphrase={SECRET}&mode=caller"

PROGRAM = """#!{python}
import os, sys, time
open({log!r}, "a").write(repr((os.getpid(), sys.argv[1:])) + chr(10))
data = open({stream!r}, "rb").read()
sys.stderr.write("connecting to " + next(one for one in sys.argv if one.startswith("srt:")) + chr(10))
sys.stderr.write("x" * {words})
for start in range(0, len(data), 188 * 40):
    sys.stdout.buffer.write(data[start : start + 188 * 40])
    sys.stdout.flush()
    time.sleep({pause})
{end}
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return install(name, ...), which makes a program that writes a stream the only one on the path."""
    stream, log = tmp_path / "stream.ts", tmp_path / "log"
    stream.write_bytes(transport_stream(60))

    def install(name="ffmpeg", end="time.sleep(600)", words=0, pause=0.01):
        path = tmp_path / name
        text = PROGRAM.format(python=sys.executable, log=str(log), stream=str(stream), words=words, pause=pause, end=end)
        path.write_text(text)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return lambda: [eval(line) for line in log.read_text().splitlines()]

    return install


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("name", ["ffmpeg", "srt-live-transmit"])
def test_srt_is_read_through_the_program_that_is_found(program, name, caplog):
    calls = program(name)
    with caplog.at_level(logging.DEBUG), closing(open_source(ADDRESS)) as source:
        assert [frame.index for frame in islice(source, 20)] == list(range(20))
        ((pid, arguments),) = calls()
        assert _is_alive(pid)
        assert ADDRESS in arguments
        reasons = [event.reason for event in source.events]
    assert not _is_alive(pid)
    wait_until(lambda: not link_threads())
    assert SECRET not in caplog.text + repr(reasons)


def test_a_program_that_ends_is_a_lost_link_and_is_started_again(program):
    calls = program(end="")
    with closing(open_source(ADDRESS)) as source:
        frames = list(islice(source, 90))
        assert source.reconnects >= 1
    assert len(frames) == 90
    assert all(not _is_alive(pid) for pid, _ in calls())


def test_a_program_that_ignores_its_end_is_killed(program, monkeypatch):
    monkeypatch.setattr(child_stream, "_STOP_S", 0.2)
    calls = program(end="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", pause=0)
    source = open_source(ADDRESS)
    next(iter(source))
    time.sleep(0.5)
    source.close()
    wait_until(lambda: not _is_alive(calls()[0][0]))


def test_many_words_do_not_block_the_program(program):
    program(words=1 << 20)
    with closing(open_source(ADDRESS)) as source:
        assert len(list(islice(source, 30))) == 30


def test_what_the_program_reports_is_in_the_error_without_secrets(tmp_path, monkeypatch):
    path = tmp_path / "ffmpeg"
    path.write_text('#!/bin/sh\necho "$@: Connection refused" >&2\nexit 1\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(SourceError, match=r"ffmpeg: .*Connection refused") as error:
        open_source(ADDRESS)
    assert SECRET not in str(error.value)


def test_a_program_that_says_nothing_ends_in_time():
    with closing(ChildPipe([sys.executable, "-c", "import time; time.sleep(600)"], "srt", 0.3, 0.3)) as pipe:
        assert pipe.read(100) == b""


def test_an_address_is_one_argument_whatever_it_holds(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    address = "srt://host:1?streamid=a b;$(touch x)`id`'\""
    assert address in srt_command(address)


def test_a_program_that_cannot_be_started_is_one_error():
    with pytest.raises(SourceError, match="cannot be started"):
        ChildPipe(["/nowhere/ffmpeg"], "srt", 1, 1)


def test_without_a_program_both_are_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceError, match="install `ffmpeg` or `srt-live-transmit`"):
        open_source(ADDRESS)


def test_signals_of_the_terminal_reach_rtseg_alone(program):
    calls = program()
    with closing(open_source(ADDRESS)) as source:
        next(iter(source))
        assert os.getpgid(calls()[0][0]) != os.getpgid(0)
        assert signal.getsignal(signal.SIGINT) is not None
