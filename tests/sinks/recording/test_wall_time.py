"""A replay's JSON lines carry the wall-clock time of the recording, whatever the time of the replay."""

import json

import numpy as np
import pytest
import results
from made import lines, stand_in

from rtseg.engines.load import load_engine
from rtseg.frame import Frame, Origin
from rtseg.pipeline import Pipeline
from rtseg.replay import RedactedSession, ReplayedSession
from rtseg.sinks import JsonSink
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources.files.recording import FRAMES_FILE
from rtseg.sources.files.replay import Replay

WALL_NS = 1_000_000_000_000_000_000  # in 2001


class Clip:
    """Yields five frames with the source's own times."""

    def __init__(self):
        self.info = results.stream(64, 96, 50.0)

    def __iter__(self):
        for index in range(5):
            yield Frame(np.full((64, 96), 40 * index, np.uint8), index, 1_000 + index, Origin("Probe", timestamp_ns=index))

    def close(self):
        pass


def _times(path):
    frames = [json.loads(line) for line in path.read_text().splitlines()][1:]
    return [(line["captured_at"], line["source_ns"]) for line in frames]


@pytest.fixture
def recording(tmp_path, tiny, monkeypatch):
    """Record five frames in 2001, with their JSON lines; return the folder of both."""
    monkeypatch.setattr("rtseg.wall_clock.time_ns", lambda: WALL_NS)
    monkeypatch.setattr("rtseg.wall_clock.perf_counter_ns", lambda: 1_000)
    session = RedactedSession(load_engine(tiny))
    Pipeline(Clip(), session, RecordSink(tmp_path / "rec", session), JsonSink(tmp_path / "live.jsonl")).run()
    monkeypatch.undo()
    return tmp_path


def test_a_replay_gives_the_wall_clock_and_source_times_of_its_recording(recording, tiny):
    Pipeline(Replay(recording / "rec", "fast"), ReplayedSession(load_engine(tiny)), JsonSink(recording / "again.jsonl")).run()
    assert _times(recording / "again.jsonl") == _times(recording / "live.jsonl")
    assert _times(recording / "live.jsonl")[:2] == [("2001-09-09T01:46:40.000000Z", 0), ("2001-09-09T01:46:40.000000Z", 1)]
    assert [line["wall_ns"] for line in lines(recording / "rec")[1:-1]] == [WALL_NS + index for index in range(5)]


def test_a_replay_that_is_recorded_again_keeps_the_first_time(recording, tiny):
    session = ReplayedSession(load_engine(tiny))
    Pipeline(Replay(recording / "rec", "fast"), session, RecordSink(recording / "copy", session)).run()
    assert [line["wall_ns"] for line in lines(recording / "copy")[1:-1]] == [WALL_NS + index for index in range(5)]


def test_a_recording_of_before_is_read_and_its_times_are_unknown(recording, tiny):
    path = recording / "rec" / FRAMES_FILE
    written = lines(recording / "rec")
    for line in written:
        line.pop("wall_ns", None)
    path.write_text("".join(json.dumps(line) + "\n" for line in written))
    Pipeline(Replay(recording / "rec", "fast"), ReplayedSession(load_engine(tiny)), JsonSink(recording / "again.jsonl")).run()
    assert _times(recording / "again.jsonl") == [(None, index) for index in range(5)]


def test_a_sink_that_gets_no_wall_clock_time_records_none(tmp_path):
    sink = RecordSink(tmp_path, stand_in())
    sink.open(results.stream())
    sink.write(results.result())
    sink.close()
    assert lines(tmp_path)[1]["wall_ns"] is None
