"""Tests of `rtseg run --view`, `--window` and `rtseg demo` as far as they work without a browser or display."""

import re
import subprocess
import sys
import urllib.request

import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.cli.options.display import DisplayOptions
from rtseg.errors import ConfigError
from rtseg.sinks import ViewSink, WindowSink
from rtseg.sources import open_source
from rtseg.sources.playback import PacedSource

WAIT_S = 60
SMALL = "synthetic:vessel?height=96&width=128&fps=50"
SHORT = f"{SMALL}&frames=3"


def test_the_page_is_served_while_the_stream_runs_and_ctrl_c_ends_it():
    command = [sys.executable, "-m", "rtseg.cli", "run", SMALL, "--model", "carotid-int8", "--view", "--view-at", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            url = next(
                found[1] for line in process.stdout if (found := re.search(r"watch it at (http://127.0.0.1:\d+/)", line))
            )
            with urllib.request.urlopen(f"{url}figures", timeout=WAIT_S) as answer:
                assert answer.status == 200
            process.send_signal(2)
            assert "stopped" in process.stdout.read()
            assert process.wait(WAIT_S) == 130
        finally:
            process.kill()


def test_sinks_for_those_who_watch():
    assert [type(sink) for sink in DisplayOptions(True, "127.0.0.1:0", True).sinks(0.4)] == [ViewSink, WindowSink]
    assert DisplayOptions(view_at="8000").sinks(0.4) == []


@pytest.mark.parametrize("where", ["", "host:", ":8000", "8000:host", "127.0.0.1:70000", "-1"])
def test_a_place_that_is_none(where):
    with pytest.raises(ConfigError, match="is no place for a page: give HOST:PORT"):
        DisplayOptions(True, where).sinks(0.4)


def test_a_recording_that_is_watched_keeps_its_pace_and_may_begin_again():
    assert isinstance(DisplayOptions().playback_source(SHORT, open_source(SHORT), at_its_pace=True), PacedSource)
    plain = open_source(SHORT)
    assert DisplayOptions().playback_source(SHORT, plain, at_its_pace=False) is plain
    repeated = iter(DisplayOptions(repeat=True).playback_source(SHORT, plain, at_its_pace=False))
    assert [next(repeated).index for _ in range(7)] == list(range(7))


def test_a_live_source_is_played_as_it_comes():
    live = PacedSource(open_source(SHORT))
    assert DisplayOptions(repeat=True).playback_source(SHORT, live, at_its_pace=True) is live


def test_the_network_is_refused_without_a_password():
    pytest.importorskip("gradio", reason="the demo needs gradio: pip install 'rtseg[demo]'")
    done = CliRunner().invoke(app, ["demo", "--host", "0.0.0.0"])
    assert done.exit_code == 1
    assert "give --auth NAME:PASSWORD" in done.output
