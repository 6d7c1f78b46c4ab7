"""Test that what was pointed at in a recorded stream is followed again in its replay, bit for bit."""

import json

import numpy as np
import pytest
import trackers
from made import LIVE, small_recording, wait_for_room
from trackers import blobs

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import SourceError
from rtseg.replay import RedactedSession, ReplayedSession
from rtseg.result import Result
from rtseg.session.lifecycle import LifecycleLimits
from rtseg.session.prompts import Prompt
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources.files.replay import Replay
from rtseg.trace import LatencyTrace


def _scene(index, gone):
    left = (12 + index % 3, 8) if index not in range(12, 20) else gone
    return blobs(index, *([left] if left else []), (60, 8), level=170)


@pytest.mark.parametrize("gone", [None, (35, 8)], ids=["lost", "jump"])
def test_objects_are_recorded_and_followed_again_bit_for_bit(tmp_path, gone):
    engine = OpenVinoEngine(trackers.tracker(tmp_path / "track.onnx", 4))
    session, made = RedactedSession(engine, limits=LifecycleLimits(cut_dissimilarity=1, certain_cut_dissimilarity=2)), []
    sink = RecordSink(tmp_path / "recorded", session)
    session.warm_up(LIVE)
    sink.open(LIVE)
    for index in range(32):
        if index == 3:
            session.prompt(Prompt(points=((20, 16),)), "left")
            session.prompt(Prompt(points=((68, 16),)), "right")
        if index == 6:
            session.prompt(Prompt(other_points=((80, 16),)), "right")
        if index == 25:
            session.forget("left")
        if index == 28:
            session.prompt(Prompt(box=(60, 8, 16, 16)), "third")
        frame = _scene(index, gone)
        segmentation = session.step(frame)
        made.append(Result(session.redactor.newest, segmentation, LatencyTrace(frame.captured_ns)))
        wait_for_room(sink)
        sink.write(made[-1])
    sink.close()
    assert [one.segmentation.objects["left"].lost for one in made[15:25]].count(True) >= 5
    again, replay = ReplayedSession(engine), Replay(tmp_path / "recorded", "fast")
    again.warm_up(replay.info)
    for frame, before in zip(replay, made, strict=True):
        found = again.step(frame)
        np.testing.assert_array_equal(found.labels, before.segmentation.labels)
        assert found.objects == before.segmentation.objects
        assert found.classes == before.segmentation.classes
    assert (again.equal, again.different) == (len(made), 0)
    engine.close()


@pytest.mark.parametrize("objects", [{"a": 99}, {"a": 0, "b": 0}, {"": 0}, {"a": "x"}, {str(i): i for i in range(70)}, 7])
def test_damaged_objects_are_refused(tmp_path, objects):
    small_recording(tmp_path)
    first, *rest = (tmp_path / "frames.jsonl").read_text().splitlines()
    damaged = json.loads(rest[1]) | {"objects": objects}
    (tmp_path / "frames.jsonl").write_text("\n".join([first, rest[0], json.dumps(damaged), *rest[2:]]) + "\n")
    with pytest.raises(SourceError, match="not one of a recording"):
        list(Replay(tmp_path, "fast"))
