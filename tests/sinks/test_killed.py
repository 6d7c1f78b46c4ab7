"""A killed process loses at most half a second of the stream, at every frame rate, and its files can be opened."""

import json
from pathlib import Path

import av
import cv2
import pytest
import results

from rtseg.frame import StreamInfo  # noqa: F401  used by the child processes
from rtseg.sinks import JsonSink, MaskSink, VideoSink  # noqa: F401
from rtseg.sources.files.replay import Replay

pytestmark = pytest.mark.attack

SUFFIXES = [".mp4", ".mov", ".mkv"]
CLIP = """
import itertools, results, test_killed
sink = test_killed.sink_of("clip{suffix}")
sink.open(test_killed.StreamInfo(48, 64, {fps}))
for index in itertools.count():
    sink.write(test_killed.noise(index))
    print(index, flush=True)
"""


def sink_of(path):
    return VideoSink(path)


def noise(index):
    return results.result(index=index)


def _frames(path):
    """Decode the frames of a clip whose end is missing."""
    count = 0
    with av.open(str(path)) as clip:
        try:
            for _ in clip.decode(video=0):
                count += 1
        except av.InvalidDataError:
            pass
    return count


def _killed(code, folder, frames):
    """Kill a process after it has written that many frames; return the number of frames that it wrote."""
    with results.process(code, folder) as process:
        for _ in range(frames):
            assert process.stdout.readline()
        process.kill()
        return frames + len(process.stdout.read().splitlines())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("fps", [2.0, 5.0, 10.0, 25.0, 60.0])
def test_a_killed_clip_lacks_half_a_second(tmp_path, suffix, fps):
    written = _killed(CLIP.format(suffix=suffix, fps=fps), tmp_path, int(6 * fps) + 2)
    assert written - _frames(tmp_path / f"clip{suffix}") <= fps / 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_clip_killed_in_its_first_frames_can_be_opened(tmp_path, suffix):
    code = CLIP.format(suffix=suffix, fps=25.0).replace("itertools.count()", "range(8)") + "import time; time.sleep(600)"
    assert _killed(code, tmp_path, 8) == 8
    with av.open(str(tmp_path / f"clip{suffix}")) as clip:
        assert (clip.streams.video[0].width, clip.streams.video[0].height) == (64, 48)


RECORDING = """
import itertools, sys
sys.path[:0] = {tests!r}
from made import RecordSink, stand_in, StreamInfo, results, small_frames
sink = RecordSink("recording", stand_in())
sink.open(StreamInfo(48, 64, {fps}))
image = small_frames(1)[0].image
for index in itertools.count():
    sink.write(results.result(image + index % 200, index=index, captured_ns=int(index / {fps} * 1e9)))
    print(index, flush=True)
"""


@pytest.mark.parametrize("fps", [2.0, 5.0, 10.0, 25.0])
@pytest.mark.parametrize("frames", [4, 40])
def test_a_killed_recording_lacks_half_a_second_and_is_replayed(tmp_path, fps, frames):
    tests = Path(__file__).parents[1]
    code = RECORDING.format(tests=[str(tests), str(tests / "sinks" / "recording")], fps=fps)
    written = _killed(code, tmp_path, frames)
    replayed = len(list(Replay(tmp_path / "recording", "fast")))
    assert written - replayed <= max(1, fps / 2)


WRITING = """
import itertools, results, test_killed
sink = test_killed.{sink}
sink.open(results.stream())
for index in itertools.count():
    sink.write(results.result(index=index))
    print(index, flush=True)
"""


def test_killed_lines_are_all_there_and_whole(tmp_path):
    written = _killed(WRITING.format(sink="JsonSink('lines.jsonl')"), tmp_path, 50)
    *lines, rest = (tmp_path / "lines.jsonl").read_bytes().split(b"\n")
    assert len([json.loads(line) for line in lines]) - 1 >= written
    assert isinstance(rest, bytes)


def test_killed_masks_are_all_there_and_whole(tmp_path):
    written = _killed(WRITING.format(sink="MaskSink('masks')"), tmp_path, 50)
    masks = sorted((tmp_path / "masks").glob("[0-9]*.png"))
    assert len(masks) >= written
    assert all(cv2.imread(str(mask), cv2.IMREAD_UNCHANGED) is not None for mask in masks)
    found = json.loads((tmp_path / "masks" / "manifest.json").read_text())
    assert found["complete"] is False
    named = [frame["file"] for frame in found["frames"]]
    assert len(named) - len(masks) in (0, 1)
    assert named[: len(masks)] == [mask.name for mask in masks]
    sink = MaskSink(tmp_path / "masks", overwrite=True)
    sink.open(results.stream())
    sink.write(results.result(index=3))
    sink.close()
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["000003.png", "manifest.json"]
