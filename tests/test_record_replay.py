"""A recording survives, hides names, and replays to the same masks bit for bit."""

import json
import os
import signal
import threading
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import results
import screens

from rtseg.cli import main
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError, SinkError, SourceError, SourceNotFound
from rtseg.frame import Frame, Life, Origin, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.recorded import CoveredSession, ReplayedSession
from rtseg.result import Result
from rtseg.sector import FixedSector, Guard
from rtseg.session import Session
from rtseg.sinks import record
from rtseg.sinks.record import RecordSink
from rtseg.sources import open_source
from rtseg.sources.recording import LINES
from rtseg.sources.replay import Replay
from rtseg.temporal import STEADY
from rtseg.trace import LatencyTrace

SHAPE = (240, 320)
FAN = screens.fan(SHAPE, (150, 5), 0.5, 45, 220)
SMALL = screens.rectangle((200, 320), 30, 40, 150, 180)
LIVE = StreamInfo(*SHAPE, 25.0, live=True)
PERIOD_NS = 40_000_000
ORIGIN = Origin(
    "Probe",
    123,
    -5,
    (0.1, 0.2),
    tuple(tuple(float(4 * i + j) for j in range(4)) for i in range(4)),
    {"AToB": ((1.0,) * 4,) * 4},
)


@pytest.fixture
def engine(tiny):
    made = OpenVinoEngine(tiny)
    yield made
    made.close()


def scene():
    """Frames of a live screen in which everything happens: drops, a pause, a cut, another size, colours."""
    shown = [screens.screen(FAN, seed) for seed in range(16)]
    shown += [255 - screens.screen(FAN, 40 + seed, letters=False) for seed in range(3)]
    shown += [screens.screen(SMALL, seed) for seed in range(4)]
    shown += [np.repeat(screens.screen(SMALL, 20 + seed)[..., None], 3, axis=2) // (1, 1, 2) for seed in range(3)]
    now_ns, index = 7_000_000_000, 0
    for number, image in enumerate(shown):
        now_ns += 5_000_000_000 if number == 9 else PERIOD_NS
        index += 3 if number == 5 else 1
        yield Frame(np.ascontiguousarray(image.astype(np.uint8)), index, now_ns, ORIGIN if number == 2 else None)


def recorded(folder, session, frames, info=LIVE, keep_surroundings=False, reset_at=None):
    """Record what a pipeline would, without its threads: the results, and the sink."""
    sink, made, guard = RecordSink(folder, session, keep_surroundings=keep_surroundings), [], Guard()
    session.warm_up(info)
    sink.open(info)
    for number, frame in enumerate(frames):
        if number == reset_at:
            session.reset("the user asked")
        segmentation = session.step(frame)
        shown = frame if keep_surroundings else guard.cover(frame, session.sector)
        made.append(Result(shown, segmentation, LatencyTrace(frame.captured_ns)))
        wait_for_room(sink)
        sink.write(made[-1])
    sink.close()
    return made, sink


def wait_for_room(sink):
    until(lambda: not sink._worker.full)


def until(condition):
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)


def lines(folder):
    return [json.loads(line) for line in (folder / LINES).read_text().splitlines()]


@pytest.mark.parametrize("kept", [False, True], ids=["covered", "surroundings kept"])
def test_a_replay_gives_the_same_masks_bit_for_bit(tmp_path, engine, kept):
    session = (Session if kept else CoveredSession)(engine, temporal=STEADY)
    made, _ = recorded(tmp_path, session, scene(), keep_surroundings=kept, reset_at=14)
    again = ReplayedSession(engine, temporal=STEADY)
    replay = Replay(tmp_path, "fast")
    again.warm_up(replay.info)
    for frame, before in zip(replay, made, strict=True):
        after = again.step(frame)
        np.testing.assert_array_equal(after.labels, before.segmentation.labels)
        assert (after.life, after.reason) == (before.segmentation.life, before.segmentation.reason)
        assert after.confidence == before.segmentation.confidence
        assert (frame.index, frame.origin) == (before.frame.index, before.frame.origin)
        np.testing.assert_array_equal(frame.image, before.frame.image)
    assert (again.equal, again.different) == (len(made), 0)
    lives = {result.segmentation.life for result in made}
    assert {Life.NEW, Life.GAP, Life.LIVE} <= lives
    assert any(result.segmentation.reason == "the user asked" for result in made)
    assert any(result.segmentation.labels.any() for result in made)


def test_another_threshold_is_noticed(tmp_path, engine):
    recorded(tmp_path, CoveredSession(engine), scene())
    again = ReplayedSession(engine, threshold=0.95)
    for frame in Replay(tmp_path, "fast"):
        again.step(frame)
    assert again.different


def test_the_network_sees_no_more_than_the_recording_keeps(tmp_path, engine):
    """Without that, the letters in the corners of the box would have changed the masks."""
    seen = []
    session = CoveredSession(engine)
    fit = session._fit_input
    session._fit_input = lambda image, *rest: seen.append(image) or fit(image, *rest)
    made, _ = recorded(tmp_path, session, list(scene())[:8])
    shown = [result.frame.image for result in made if result.segmentation.life is not Life.LOST]
    assert len(seen[1:]) == len(shown) > 4  # the first one is the warm-up
    for image, kept in zip(seen[1:], shown, strict=True):
        np.testing.assert_array_equal(image, kept)


def test_names_are_black_unless_they_are_asked_for(tmp_path, engine):
    frames = list(scene())[:6]
    recorded(tmp_path / "covered", CoveredSession(engine), frames)
    recorded(tmp_path / "kept", Session(engine), frames, keep_surroundings=True)
    for frame, covered, kept in zip(frames, Replay(tmp_path / "covered"), Replay(tmp_path / "kept"), strict=True):
        assert frame.image[:20].max() > 200
        assert not covered.image[:20].any()
        np.testing.assert_array_equal(kept.image, frame.image)
    assert [lines(tmp_path / name)[0]["surroundings"] for name in ("covered", "kept")] == [False, True]


def test_a_sector_that_is_set_while_it_runs_is_taken(tmp_path, engine):
    session = CoveredSession(engine)
    session.step(Frame(screens.screen(FAN, 1), 0, 0))
    session.locator = FixedSector((60, 40, 100, 200))
    session.step(Frame(screens.screen(FAN, 2), 1, 0))
    assert session.sector.box == (60, 40, 100, 200)


def small_frames(count, step_ns=PERIOD_NS):
    image = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    return [Frame(image + np.uint8(i), i, 1_000 + i * step_ns) for i in range(count)]


def stand_in():
    """A session whose sector is the frame."""
    return SimpleNamespace(sector=FixedSector((0, 0, 48, 64)).observe(small_frames(1)[0])[0])


def write(sink, frames, live=True):
    sink.open(StreamInfo(48, 64, 25.0, live))
    for frame in frames:
        sink.write(results.result(frame.image, index=frame.index, captured_ns=frame.captured_ns))


def small_recording(folder, count=5, step_ns=PERIOD_NS):
    sink = RecordSink(folder, stand_in())
    write(sink, small_frames(count, step_ns), live=False)
    sink.close()
    return folder


def test_the_original_pace_is_kept(tmp_path):
    folder = small_recording(tmp_path, 4, 60_000_000)
    then = [line["captured_ns"] for line in lines(folder)[1:-1]]
    now = [frame.captured_ns for frame in Replay(folder)]
    assert all(b - now[0] >= a - then[0] for a, b in zip(then, now, strict=True))
    assert all(b > a for a, b in pairwise([frame.captured_ns for frame in Replay(folder, "fast")]))


def test_a_replay_is_closed_from_another_thread_while_it_waits(tmp_path):
    replay = Replay(small_recording(tmp_path, 2, 3_600_000_000_000))
    given = []
    thread = threading.Thread(target=lambda: given.extend(replay))
    thread.start()
    until(lambda: replay._frames.gi_frame is not None and replay._frames.gi_frame.f_lineno and not replay._lock.locked())
    replay.close()
    replay.close()
    thread.join(60)
    assert not thread.is_alive()
    assert len(given) <= 1


def test_info_is_that_of_the_stream_but_never_dropped_from(tmp_path, engine):
    recorded(tmp_path, CoveredSession(engine), list(scene())[:3])
    replay = open_source(f"replay:{tmp_path}", spacing_mm=(0.1, 0.3))
    assert replay.info == StreamInfo(*SHAPE, 25.0, live=False, spacing_mm=(0.1, 0.3), frames=3)
    assert replay.was_live
    replay.close()


def test_a_recorder_that_falls_behind_drops_and_says_so(tmp_path, monkeypatch):
    go_on, add = threading.Event(), record._Archive.add
    monkeypatch.setattr(record._Archive, "add", lambda *a: go_on.wait(60) and add(*a))
    sink = RecordSink(tmp_path, stand_in())
    write(sink, small_frames(30))  # comes back although nothing is written
    assert sink.dropped >= 30 - record._DEPTH - 1
    go_on.set()
    until(lambda: not sink._worker.full)
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
            until(lambda: sink.broken or not sink._worker.full)
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
sys.path.insert(0, {tests!r})
from test_record_replay import RecordSink, stand_in, StreamInfo, results, small_frames
sink = RecordSink("recording", stand_in())
sink.open(StreamInfo(48, 64, 25.0))
image = small_frames(1)[0].image
for index in range(10**9):
    sink.write(results.result(image + index % 200, index=index, captured_ns=index * 1_000_000))
"""


def test_what_was_recorded_survives_a_kill(tmp_path, caplog):
    with results.process(FOREVER.format(tests=str(Path(__file__).parent)), tmp_path) as process:
        path = tmp_path / "recording" / LINES
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
    (tmp_path / LINES).write_bytes(header)
    with pytest.raises(SourceError, match="record again with rtseg run --record"):
        Replay(tmp_path)


def test_a_header_with_impossible_figures(tmp_path):
    head = lines(small_recording(tmp_path / "good"))[0]
    for name, value in (("fps", 0), ("fps", "x"), ("height", 10**9), ("width", -1), ("spacing_mm", [1])):
        (tmp_path / LINES).write_text(json.dumps(head | {"stream": head["stream"] | {name: value}}) + "\n")
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
    written = (folder / LINES).read_bytes().splitlines(keepends=True)
    (folder / LINES).write_bytes(b"".join([*written[:4], line, *written[5:]]))
    frames = iter(Replay(folder, "fast"))
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match="go on with the frames before it"):
        next(frames)


@pytest.mark.parametrize("change", [{"kind": "star"}, {"outline": [[0, 0], [900, 0], [0, 40]]}])
def test_a_sector_outside_its_frame(tmp_path, engine, change):
    folder = small_recording(tmp_path)
    head, first, *_ = lines(folder)
    (folder / LINES).write_text("".join(json.dumps(line) + "\n" for line in (head, first | change)))
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
    clip = Path(str(record.__file__)).parents[1] / "sources" / "clips" / "carotid.mp4"
    (folder / "pictures-0.mkv").write_bytes(clip.read_bytes())
    with pytest.raises(SourceError, match="not what rtseg recorded"):
        list(Replay(folder, "fast"))


def test_memory_of_a_replay_stays_that_of_a_frame(tmp_path):
    sink = RecordSink(tmp_path, stand_in())
    image = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    sink.open(StreamInfo(256, 256, 25.0))
    for index in range(100):  # 6.5 MB
        sink.write(results.result(image, index=index, captured_ns=index))
    sink.close()
    replay = Replay(tmp_path, "fast")
    tracemalloc.start()
    try:
        assert sum(1 for _ in replay) == 100
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_no_thread_and_no_file_is_left(tmp_path):
    files = Path("/proc/self/fd")
    before = len(list(files.iterdir()))
    replay = Replay(small_recording(tmp_path), "fast")
    next(iter(replay))
    replay.close()
    assert list(replay) == []
    assert len(list(files.iterdir())) == before
    assert "rtseg-record" not in {thread.name for thread in threading.enumerate()}


def test_through_a_pipeline(tmp_path, engine):
    source = open_source("synthetic:vessel?height=96&width=128&frames=12")
    session = CoveredSession(engine)
    with_it = Pipeline(source, session, RecordSink(tmp_path, session))
    labels = [result.segmentation.labels for result in with_it]
    again = ReplayedSession(engine)
    for result, before in zip(Pipeline(Replay(tmp_path, "fast"), again), labels, strict=True):
        np.testing.assert_array_equal(result.segmentation.labels, before)
    assert again.equal == 12


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["rtseg", "run", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr()
    return left.value.code or 0, " ".join((told.out + told.err).split())


def test_as_a_command(tmp_path, tiny, monkeypatch, capsys):
    folder = tmp_path / "recording"
    source = "synthetic:vessel?height=96&width=128&frames=8"
    code, told = run(monkeypatch, capsys, source, "--model", tiny, "--record", folder)
    assert (code, lines(folder)[-1]) == (0, {"end": True, "frames": 8, "unrecorded": 0})
    code, told = run(monkeypatch, capsys, f"replay:{folder}?pace=fast", "--model", tiny)
    assert code == 0
    assert "8 of 8 masks are those of the recording, bit for bit" in told
    code, told = run(monkeypatch, capsys, f"replay:{folder}", "--model", tiny, "--sector", "off")
    assert code == 1
    assert "leave --sector out" in told
