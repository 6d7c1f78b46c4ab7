"""A replay of a recording gives the same masks bit for bit, at the original rate."""

import base64
import json
import threading
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import networks
import numpy as np
import pytest
import results
import screens
from made import FAN, LIVE, SHAPE, lines, recorded, scene, small_recording, stand_in, wait_for_room
from sources.memory import reads_in_little_memory
from waiting import until

from rtseg.cli import main
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import SourceError
from rtseg.frame import Frame, Life, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.replay import RedactedSession, ReplayedSession
from rtseg.result import Result
from rtseg.session.network_input import network_input
from rtseg.session.sector import FixedSector, Redactor
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources import open_source
from rtseg.sources.files.replay import Replay
from rtseg.trace import LatencyTrace


@pytest.mark.parametrize("kept", [False, True], ids=["covered", "surroundings kept"])
def test_a_replay_gives_the_same_masks_bit_for_bit(tmp_path, engine, kept):
    session = (Session if kept else RedactedSession)(engine, temporal=DEFAULT_TEMPORAL)
    made, _ = recorded(tmp_path, session, scene(), keep_surroundings=kept, reset_at=14)
    again = ReplayedSession(engine, temporal=DEFAULT_TEMPORAL)
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


def test_that_a_mask_was_carried_on_is_told_once(tmp_path, engine):
    frames = [replace(frame, damage="a packet was lost" * (6 < frame.index < 10)) for frame in scene()]
    made, _ = recorded(tmp_path, RedactedSession(engine, temporal=DEFAULT_TEMPORAL), frames)
    before = [result.segmentation.reason for result in made]
    assert sum("a packet was lost: carried" in reason for reason in before) > 1
    for temporal in (DEFAULT_TEMPORAL, None):
        again = ReplayedSession(engine, temporal=temporal)
        after = [again.step(frame).reason for frame in Replay(tmp_path, "fast")]
        assert after == before if temporal else not any("carried" in reason for reason in after)


def test_another_threshold_is_noticed(tmp_path, engine):
    recorded(tmp_path, RedactedSession(engine), scene())
    again = ReplayedSession(engine, threshold=0.95)
    for frame in Replay(tmp_path, "fast"):
        again.step(frame)
    assert again.different


def test_the_network_sees_no_more_than_the_recording_keeps(tmp_path, engine, monkeypatch):
    """Check the network's input: letters in the corners of the sector's box, which are not recorded, must not reach it."""
    seen = []
    session = RedactedSession(engine)
    monkeypatch.setattr(
        "rtseg.session.frame_segmenter.network_input",
        lambda engine, image, *rest: seen.append(image) or network_input(engine, image, *rest),
    )
    made, _ = recorded(tmp_path, session, list(scene())[:8])
    shown = [result.frame.image for result in made if result.segmentation.life is not Life.LOST]
    assert len(seen[1:]) == len(shown) > 4  # the first one is the warm-up
    for image, kept in zip(seen[1:], shown, strict=True):
        np.testing.assert_array_equal(image, kept)


def test_names_are_black_unless_they_are_asked_for(tmp_path, engine):
    frames = list(scene())[:6]
    recorded(tmp_path / "covered", RedactedSession(engine), frames)
    recorded(tmp_path / "kept", Session(engine), frames, keep_surroundings=True)
    for frame, covered, kept in zip(frames, Replay(tmp_path / "covered"), Replay(tmp_path / "kept"), strict=True):
        assert frame.image[:20].max() > 200
        assert not covered.image[:20].any()
        np.testing.assert_array_equal(kept.image, frame.image)
    assert [lines(tmp_path / name)[0]["surroundings"] for name in ("covered", "kept")] == [False, True]


def test_a_sector_that_is_set_while_it_runs_is_taken(tmp_path, engine):
    session = RedactedSession(engine)
    session.step(Frame(screens.screen(FAN, 1), 0, 0))
    session.locator = FixedSector((60, 40, 100, 200))
    session.step(Frame(screens.screen(FAN, 2), 1, 0))
    assert session.sector.box == (60, 40, 100, 200)


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
    recorded(tmp_path, RedactedSession(engine), list(scene())[:3])
    replay = open_source(f"replay:{tmp_path}", spacing_mm=(0.1, 0.3))
    assert replay.info == StreamInfo(*SHAPE, 25.0, live=False, spacing_mm=(0.1, 0.3), frames=3)
    assert replay.was_live
    replay.close()


def test_memory_of_a_replay_stays_that_of_a_frame(tmp_path):
    sink = RecordSink(tmp_path, stand_in())
    image = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    sink.open(StreamInfo(256, 256, 25.0))
    for index in range(100):  # 6.5 MB
        sink.write(results.result(image, index=index, captured_ns=index))
    sink.close()
    replay = Replay(tmp_path, "fast")
    reads_in_little_memory(replay, 100)


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
    session = RedactedSession(engine)
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


def test_what_was_written_into_the_states_is_replayed(tmp_path, prompted):
    engine = OpenVinoEngine(prompted)
    session, made = RedactedSession(engine), []
    point = np.random.default_rng(3).normal(0, 2, networks.PROMPTED_STATES[1].shape).astype(np.float32)
    sink, guard = RecordSink(tmp_path, session), Redactor()
    session.warm_up(LIVE)
    sink.open(LIVE)
    for number, frame in enumerate(scene()):
        if number in (3, 4, 12):
            session.write("point_in", point * number)
        if number == 6:
            session.write("gain_in", np.full((1, 1, 1, 1), 0.3))
        segmentation = session.step(frame)
        made.append(Result(guard.redact(frame, session.sector), segmentation, LatencyTrace(frame.captured_ns)))
        wait_for_room(sink)
        sink.write(made[-1])
    sink.close()
    written = [[write["name"] for write in line["writes"]] for line in lines(tmp_path) if "index" in line]
    assert [number for number, names in enumerate(written) if names] == [3, 4, 6, 12]
    again, replay = ReplayedSession(engine), Replay(tmp_path, "fast")
    again.warm_up(replay.info)
    for frame, before in zip(replay, made, strict=True):
        np.testing.assert_array_equal(again.step(frame).labels, before.segmentation.labels)
    assert (again.equal, again.different) == (len(made), 0)
    engine.close()


@pytest.mark.parametrize(
    "write",
    [
        {"name": "point_in", "shape": [0], "zlib": ""},
        {"name": "point_in", "shape": [1 << 30], "zlib": ""},
        {"name": "point_in", "shape": [4], "zlib": "AAAA"},
        {"name": "point_in", "shape": [4], "zlib": "???"},
        {"name": "point_in", "shape": [2], "zlib": base64.b64encode(zlib.compress(bytes(4))).decode()},
        {"name": "point_in", "shape": [1], "zlib": base64.b64encode(zlib.compress(bytes(1 << 20))).decode()},
        {"name": "point_in"},
        7,
        [{"name": "point_in", "shape": [1], "zlib": base64.b64encode(zlib.compress(bytes(4))).decode()}] * 17,
    ],
)
def test_what_was_written_and_is_damaged_is_refused(tmp_path, write):
    small_recording(tmp_path)
    first, *rest = (tmp_path / "frames.jsonl").read_text().splitlines()
    damaged = json.loads(rest[1]) | {"writes": write if isinstance(write, list) else [write]}
    (tmp_path / "frames.jsonl").write_text("\n".join([first, rest[0], json.dumps(damaged), *rest[2:]]) + "\n")
    with pytest.raises(SourceError, match="not one of a recording"):
        list(Replay(tmp_path, "fast"))
