"""A recording survives a slow disk, a full disk and a killed process."""

import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import results
from made import PERIOD_NS, lines, small_frames, small_recording, stand_in, write
from waiting import until

from rtseg.errors import SinkError
from rtseg.frame import Frame, StreamInfo
from rtseg.sinks.recording import sink as recording_sink
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources.files.recording import FRAMES_FILE
from rtseg.sources.files.replay import Replay


def test_a_recorder_that_falls_behind_drops_and_says_so(tmp_path, monkeypatch):
    go_on, add = threading.Event(), recording_sink._RecordingFiles.add
    monkeypatch.setattr(recording_sink._RecordingFiles, "add", lambda *a: go_on.wait(60) and add(*a))
    sink = RecordSink(tmp_path, stand_in())
    write(sink, small_frames(30))  # returns although nothing is written
    assert sink.dropped >= 30 - recording_sink._QUEUE_DEPTH - 1
    go_on.set()
    until(lambda: not sink._worker.is_full)
    last = small_frames(31)[-1]
    sink.write(results.result(last.image, index=last.index, captured_ns=last.captured_ns))
    sink.close()
    written = lines(tmp_path)
    assert sum(line["unrecorded"] for line in written[1:-1]) == sink.dropped == written[-1]["unrecorded"]
    indices = [frame.index for frame in Replay(tmp_path, "fast")]
    assert indices[-1] == 30
    assert len(indices) == 31 - sink.dropped


def test_a_file_waits_for_its_recorder(tmp_path):
    small_recording(tmp_path, 60)
    assert [frame.index for frame in Replay(tmp_path, "fast")] == list(range(60))


def noise(count):
    rng = np.random.default_rng(0)
    return [Frame(rng.integers(0, 256, (48, 64), np.uint8), i, i * PERIOD_NS) for i in range(count)]


def test_a_full_disk_ends_the_recording_and_not_the_stream(tmp_path, caplog):
    sink = RecordSink(tmp_path, stand_in())
    sink.open(StreamInfo(48, 64, 25.0, live=True))
    with results.largest_file(20_000):
        for frame in noise(40):
            sink.write(results.result(frame.image, index=frame.index, captured_ns=frame.captured_ns))
            until(lambda: sink.broken or not sink._worker.is_full)
        sink.close()
    assert "free some space" in sink.broken
    assert caplog.text.count("the recording ends") == 1
    survived = list(Replay(tmp_path, "fast"))
    assert 2 < len(survived) < 12
    for frame, original in zip(survived, noise(40), strict=False):
        np.testing.assert_array_equal(frame.image, original.image)
    assert "rtseg-record" not in {thread.name for thread in threading.enumerate()}


def test_a_full_disk_is_an_error_where_nothing_is_lost_by_it(tmp_path):
    sink = RecordSink(tmp_path, stand_in())
    with results.largest_file(20_000), pytest.raises(SinkError, match=r"cannot be written.*free some space"):
        write(sink, noise(60), live=False)
    with results.largest_file(20_000), pytest.raises(SinkError):
        sink.close()


FOREVER = """
import sys
sys.path[:0] = {tests!r}
from made import RecordSink, stand_in, StreamInfo, results, small_frames
sink = RecordSink("recording", stand_in())
sink.open(StreamInfo(48, 64, 25.0))
image = small_frames(1)[0].image
for index in range(10**9):
    sink.write(results.result(image + index % 200, index=index, captured_ns=index * 1_000_000))
"""


def test_what_was_recorded_survives_a_kill(tmp_path, caplog):
    with results.process(FOREVER.format(tests=[str(folder) for folder in Path(__file__).parents[:2]]), tmp_path) as process:
        path = tmp_path / "recording" / FRAMES_FILE
        until(lambda: path.exists() and path.read_bytes().count(b"\n") > 60)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    written = path.read_bytes().count(b"\n") - 1
    frames = list(Replay(path.parent, "fast"))
    assert written - 2 <= len(frames) <= written
    image = small_frames(1)[0].image
    for frame in frames:
        np.testing.assert_array_equal(frame.image, image + frame.index % 200)
    assert "was not finished" in caplog.text


def test_a_recording_is_not_written_over(tmp_path):
    small_recording(tmp_path)
    with pytest.raises(SinkError, match="holds a recording already: name another folder"):
        RecordSink(tmp_path, stand_in()).open(results.stream())
    assert len(list(Replay(tmp_path, "fast"))) == 5


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="name a folder you may write to"):
        RecordSink(tmp_path / "file" / "under", stand_in()).open(results.stream())
    with pytest.raises(SinkError, match=r"call open\(info\) first"):
        RecordSink(tmp_path, stand_in()).write(results.result())
