"""A replay refuses impossible times of a recording, and handles long gaps between frames."""

import json
import time

import pytest
from made import lines, small_recording
from sources.damage import drain
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.errors import ConfigError, SourceError
from rtseg.sources import open_source
from rtseg.sources.files.recording import FRAMES_FILE
from rtseg.sources.files.replay import Replay, without_gaps

pytestmark = pytest.mark.attack

HOUR_NS = 3_600_000_000_000


def changed(folder, number, **values):
    """Write a recording of five frames, and change values in the line of one of them."""
    written = lines(small_recording(folder))
    written[1 + number] |= values
    (folder / FRAMES_FILE).write_text("".join(json.dumps(line) + "\n" for line in written))
    return folder


IMPOSSIBLE = [
    {"captured_ns": 10**30},
    {"captured_ns": 1e300},
    {"captured_ns": float("nan")},
    {"captured_ns": float("inf")},
    {"captured_ns": -5},
    {"captured_ns": 2**63},
    {"captured_ns": 1},  # earlier than the previous frame
    {"index": -1},
    {"index": 10**30},
    {"place": [0, -1]},
    {"place": [0, 10**30]},
    {"place": [10**30, 0]},
    {"confidence": float("nan")},
    {"wall_ns": 2**63},
    {"wall_ns": -1},
    {"wall_ns": float("nan")},
    {"wall_ns": "noon"},
]


@pytest.mark.parametrize("values", IMPOSSIBLE, ids=str)
def test_a_time_that_cannot_be_is_refused_by_file_and_line(tmp_path, values):
    frames = iter(Replay(changed(tmp_path, 3, **values), "fast"))
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match=r"frames\.jsonl, line 5: .*go on with the frames before it"):
        next(frames)


def test_a_gap_is_waited_for_and_told(tmp_path, caplog, monkeypatch):
    waits = []
    replay = open_source(f"replay:{small_recording(tmp_path, 3, HOUR_NS)}")
    monkeypatch.setattr(replay._closed, "wait", waits.append)
    assert len(list(replay)) == 3
    assert caplog.text.count("has a gap of 3600.0 s before frame") == 2
    assert "--skip-gaps" in caplog.text
    assert max(waits) > 3500


@pytest.mark.parametrize("options", ["?gaps=skip", "?pace=fast"])
def test_a_gap_can_be_skipped(tmp_path, options, caplog):
    started = time.monotonic()
    assert len(list(open_source(f"replay:{small_recording(tmp_path, 3, HOUR_NS)}{options}"))) == 3
    assert time.monotonic() - started < 60
    assert ("it is skipped" in caplog.text) == ("gaps" in options)


def test_a_short_pause_is_no_gap(tmp_path, caplog):
    assert len(list(open_source(f"replay:{small_recording(tmp_path, 3)}?gaps=skip"))) == 3
    assert not caplog.text


def test_the_option_of_the_command(tiny, tmp_path):
    folder = small_recording(tmp_path / "a", 3, HOUR_NS)
    done = CliRunner().invoke(app, ["run", f"replay:{folder}", "--model", str(tiny), "--skip-gaps"])
    assert done.exit_code == 0, done.output
    assert "it is skipped" in done.output
    assert without_gaps("replay:x?pace=fast") == "replay:x?pace=fast&gaps=skip"
    with pytest.raises(ConfigError, match="for replay:FOLDER alone"):
        without_gaps("scan.mp4")
    with pytest.raises(ConfigError, match=r"\?gaps=wait or \?gaps=skip"):
        open_source(f"replay:{folder}?gaps=jump")


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_finished_recording_that_lacks_pictures_is_an_error(tmp_path, share):
    path = small_recording(tmp_path, 40) / "pictures-0.mkv"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    given, error = drain(Replay(tmp_path, "fast"))
    assert len(given) < 40
    assert f"is cut off or damaged: {len(given)} of its 40 frames could be read" in str(error)


def test_a_finished_recording_that_lacks_lines_is_an_error(tmp_path):
    written = (small_recording(tmp_path) / FRAMES_FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FRAMES_FILE).write_bytes(b"".join(written[:4] + written[-1:]))
    with pytest.raises(SourceError, match="3 of its 5 frames could be read"):
        list(Replay(tmp_path, "fast"))
