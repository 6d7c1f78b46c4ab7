"""A missing or damaged recording is refused, with its name in the error."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from made import lines, small_recording

from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.frame import Frame
from rtseg.replay import ReplayedSession
from rtseg.sinks.recording import sink
from rtseg.sources import open_source
from rtseg.sources.files.recording import FRAMES_FILE
from rtseg.sources.files.replay import Replay


def test_a_replayed_session_wants_a_recording(engine):
    with pytest.raises(SourceError, match="give it those of replay:FOLDER"):
        ReplayedSession(engine).step(Frame(np.zeros((48, 64), np.uint8), 0, 0))


def test_what_is_no_recording(tmp_path):
    with pytest.raises(SourceNotFound, match="does not exist"):
        open_source(f"replay:{tmp_path}")
    with pytest.raises(ConfigError, match="replay a folder with"):
        open_source(f"replay:{tmp_path}?pace=slow")
    with pytest.raises(ConfigError, match="knows no option 'speed'"):
        open_source(f"replay:{tmp_path}?speed=2")
    with pytest.raises(ConfigError, match="leave --fps out"):
        open_source(f"replay:{tmp_path}", fps=10)


@pytest.mark.parametrize("header", [b"", b"[]\n", b"{}\n", b"\xff\xfe\n", b'{"recording": 2, "stream": {}}\n', b"[" * 9999])
def test_a_broken_header(tmp_path, header):
    (tmp_path / FRAMES_FILE).write_bytes(header)
    with pytest.raises(SourceError, match="record again with rtseg run --record"):
        Replay(tmp_path)


def test_a_header_with_impossible_figures(tmp_path):
    head = lines(small_recording(tmp_path / "good"))[0]
    for name, value in (("fps", 0), ("fps", "x"), ("height", 10**9), ("width", -1), ("spacing_mm", [1])):
        (tmp_path / FRAMES_FILE).write_text(json.dumps(head | {"stream": head["stream"] | {name: value}}) + "\n")
        with pytest.raises(SourceError, match="record again"):
            Replay(tmp_path)


BROKEN_LINES = [
    b"\n",
    b"null\n",
    b'{"index": 3}\n',
    b'{"index": 1e999, "place": [0, 3]}\n',
    b"{" * 100_000 + b"\n",
]


@pytest.mark.parametrize("line", BROKEN_LINES, ids=range(len(BROKEN_LINES)))
def test_a_broken_line_comes_after_the_frames_before_it(tmp_path, line):
    folder = small_recording(tmp_path)
    written = (folder / FRAMES_FILE).read_bytes().splitlines(keepends=True)
    (folder / FRAMES_FILE).write_bytes(b"".join([*written[:4], line, *written[5:]]))
    frames = iter(Replay(folder, "fast"))
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match="go on with the frames before it"):
        next(frames)


@pytest.mark.parametrize("change", [{"kind": "star"}, {"outline": [[0, 0], [900, 0], [0, 40]]}])
def test_a_sector_outside_its_frame(tmp_path, engine, change):
    folder = small_recording(tmp_path)
    head, first, *_ = lines(folder)
    (folder / FRAMES_FILE).write_text("".join(json.dumps(line) + "\n" for line in (head, first | change)))
    with pytest.raises(SourceError, match="record again"):
        ReplayedSession(engine).step(next(iter(Replay(folder, "fast"))))


@pytest.mark.parametrize("pictures", [None, b"", os.urandom(5000)], ids=["missing", "empty", "noise"])
def test_pictures_that_are_not_there(tmp_path, pictures, caplog):
    folder = small_recording(tmp_path)
    path = folder / "pictures-0.mkv"
    path.unlink() if pictures is None else path.write_bytes(pictures)
    frames, error = [], ""
    try:
        frames = list(Replay(folder, "fast"))
    except SourceError as raised:
        error = str(raised)
    assert not frames
    assert "does not exist" in error if pictures is None else "cannot be read on" in caplog.text


def test_another_video_in_its_place(tmp_path):
    folder = small_recording(tmp_path / "a")
    clip = Path(str(sink.__file__)).parents[2] / "sources" / "files" / "clips" / "carotid.mp4"
    (folder / "pictures-0.mkv").write_bytes(clip.read_bytes())
    with pytest.raises(SourceError, match="not what rtseg recorded"):
        list(Replay(folder, "fast"))
