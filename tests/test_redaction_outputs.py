"""Test that every output shows redacted frames only, and says how they were redacted."""

import json
from contextlib import closing
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
import results
import screens
from session.redaction.lettered import write
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.load import load_engine
from rtseg.frame import Frame, StreamInfo
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.replay import RedactedSession
from rtseg.result import Redaction
from rtseg.session.sector import SectorFinder
from rtseg.session.session import Session
from rtseg.sinks import JsonSink
from rtseg.sinks.view.live_stats import LiveStats
from rtseg.sources import open_source
from rtseg.trace import LatencyReport

SIZE = (240, 320)
NAMES = (("DOE, JANE 1970-01-01", (20, 40)), ("ID 4711", (180, 150)), ("7", (60, 200)))


def desktop(count):
    """Return frames without ultrasound, (H, W, 3), and the pixels of their letters."""
    picture, ink = np.full((*SIZE, 3), 12, np.uint8), np.zeros(SIZE, bool)
    for text, place in NAMES:
        picture, letters = write(picture, text, place, (230, 230, 230), 0.6)
        ink |= letters
    return [picture.copy() for _ in range(count)], ink


class MadeSource:
    """Plays made pictures, as a file or live."""

    def __init__(self, pictures, live=False):
        self._pictures = pictures
        self.info = StreamInfo(*pictures[0].shape[:2], 25.0, live=live)

    def __iter__(self):
        return (Frame(picture, index, index) for index, picture in enumerate(self._pictures))

    def close(self):
        pass


@pytest.fixture(scope="module")
def screen_clip(tmp_path_factory):
    """Return a lossless clip of a screen without ultrasound, and the pixels of its letters."""
    path, (pictures, ink) = tmp_path_factory.mktemp("screen") / "screen.mkv", desktop(14)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", 25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "bgr0"
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode(None))
    return path, ink


def run(*arguments):
    done = CliRunner().invoke(app, ["run", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def pictures_of(uri):
    with closing(open_source(str(uri))) as source:
        return [frame.image if frame.image.ndim == 2 else frame.image.max(axis=2) for frame in source]


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_no_output_of_a_run_holds_a_letter(screen_clip, tmp_path, mode):
    path, ink = screen_clip
    out, lines, folder = tmp_path / "out.mp4", tmp_path / "lines.jsonl", tmp_path / "recording"
    said = run(path, "--model", "carotid", "--redact", mode, "--out", out, "--json", lines, "--record", folder, "--warmup", "0")
    for picture in pictures_of(f"replay:{folder}"):
        assert picture[ink].max() == 0
    inner = cv2.erode(ink.astype(np.uint8), np.ones((1, 1), np.uint8)) > 0
    inner[: SIZE[0] // 3, : SIZE[1] // 2] = inner[2 * SIZE[0] // 3 :] = False  # rtseg's own legend and state
    assert max(picture[inner].max() for picture in pictures_of(out)) < 60
    header, *frames = map(json.loads, lines.read_text().splitlines())
    withheld = 14 if mode == "strict" else 0
    assert header["redaction"] == {"mode": mode, "sector": "unknown", "withheld": withheld, "exposed": 0}
    assert [line["withheld"] for line in frames] == [mode == "strict"] * 14
    assert f"redaction {mode}, sector unknown: {withheld} frames withheld, 0 frames exposed" in said


@pytest.mark.parametrize("options", [("--redact", "off"), ("--keep-surroundings",)])
def test_what_the_user_wants_exposed_is_counted(screen_clip, tmp_path, options):
    path, ink = screen_clip
    lines, folder = tmp_path / "lines.jsonl", tmp_path / "recording"
    said = run(path, "--model", "carotid", *options, "--json", lines, "--record", folder)
    assert all(picture[ink].mean() > 100 for picture in pictures_of(f"replay:{folder}"))
    header = json.loads(lines.read_text().splitlines()[0])
    assert header["redaction"] == {"mode": "off", "sector": "unknown", "withheld": 0, "exposed": 14}
    assert "14 frames exposed, names and dates too" in said


def test_two_options_that_contradict_each_other_are_refused(screen_clip):
    done = CliRunner().invoke(app, ["run", str(screen_clip[0]), "--redact", "strict", "--keep-surroundings"])
    assert done.exit_code != 0
    said = " ".join(done.output.split())
    assert "--redact strict and --keep-surroundings contradict each other: give one of them" in said


def test_a_stated_sector_is_the_users_own_word(screen_clip, tmp_path):
    path, ink = screen_clip
    lines, folder = tmp_path / "lines.jsonl", tmp_path / "recording"
    run(path, "--model", "carotid", "--sector", "off", "--json", lines, "--record", folder)
    assert all(picture[ink].mean() > 100 for picture in pictures_of(f"replay:{folder}"))
    assert json.loads(lines.read_text().splitlines()[0])["redaction"]["sector"] == "stated"


def test_the_masks_of_a_redacted_recording_are_those_of_its_replay(screen_clip, tmp_path):
    run(screen_clip[0], "--model", "carotid", "--record", tmp_path / "recording")
    assert "14 of 14 masks are those of the recording, bit for bit" in run(
        f"replay:{tmp_path / 'recording'}", "--model", "carotid"
    )


@pytest.mark.parametrize("live", [False, True])
def test_the_network_of_a_recording_sees_what_is_recorded(live):
    pictures, _ = desktop(6)
    inside = screens.rectangle(SIZE, 60, 20, 60, 100)[..., None]
    moving = [np.where(inside, np.dstack([screens.speckle(SIZE, i)] * 3), one) for i, one in enumerate(pictures)]
    with closing(load_engine("carotid")) as engine:
        session = RedactedSession(engine, locator=SectorFinder())
        seen = []
        step = session._step
        session._step = lambda frame, trace, settings: seen.append(frame) or step(frame, trace, settings)
        for result in Pipeline(MadeSource(moving, live), session, policy="all"):
            assert result.frame is seen[-1]


def test_a_session_without_a_redactor_is_redacted_by_the_pipeline():
    pictures, ink = desktop(3)
    with closing(load_engine("carotid")) as engine:
        pipeline = Pipeline(MadeSource(pictures), Session(engine), redact="strict")
        assert not any(result.frame.image.any() for result in pipeline)
        assert pipeline.report.to_json()["redaction"] == {"mode": "strict", "sector": "unknown", "withheld": 3, "exposed": 0}
        for result in Pipeline(MadeSource(pictures), Session(engine)):
            assert not result.frame.image[ink].any()
            assert result.frame.image.any()


@pytest.mark.parametrize("uri", ["clip:carotid", "synthetic:vessel?height=96&width=128&frames=3"])
def test_a_source_that_states_its_ultrasound_is_shown_from_its_first_frame_without_a_search(uri, monkeypatch):
    monkeypatch.setattr(
        "rtseg.session.redaction.redactor.shared_detector", lambda threads: pytest.fail("a detector was loaded")
    )
    with closing(load_engine("carotid")) as engine:
        for kind in (Session, RedactedSession):
            pipeline = Pipeline(open_source(uri), kind(engine), redact="strict")
            for result, _ in zip(pipeline, range(3), strict=False):
                assert result.frame.image.any()
                assert (result.redaction.sector, result.redaction.withheld, result.redaction.exposed) == ("stated", 0, 0)


STATE = Redaction("auto", "known", 2, 0)


def result_with(redaction, index=0):
    return replace(results.result(np.zeros((200, 400), np.uint8), index=index), redaction=redaction)


def test_the_header_of_json_lines_ends_with_the_counts_of_all_frames(tmp_path):
    path = tmp_path / "lines.jsonl"
    sink = JsonSink(path)
    sink.open(results.stream())
    sink.write(result_with(replace(STATE, sector="unknown", withheld=1, is_withheld=True)))
    first = json.loads(path.read_text().splitlines()[0])  # as a killed process leaves it
    sink.write(result_with(replace(STATE, withheld=123456, exposed=654321), 1))
    sink.close()
    header, *frames = map(json.loads, path.read_text().splitlines())
    assert first["redaction"] == {"mode": "auto", "sector": "unknown", "withheld": 1, "exposed": 0}
    assert header["redaction"] == {"mode": "auto", "sector": "known", "withheld": 123456, "exposed": 654321}
    assert [line["withheld"] for line in frames] == [True, False]


def test_the_page_and_the_picture_say_how_frames_were_redacted():
    stats = LiveStats()
    stats.add(result_with(STATE))
    assert stats.snapshot()["redaction"] == {"mode": "auto", "sector": "known", "withheld": 2, "exposed": 0}
    drawings = [
        Overlay(notice=False, latency=False).draw(result_with(state))
        for state in (None, STATE, replace(STATE, is_withheld=True), replace(STATE, exposed=7))
    ]
    assert len({drawing.tobytes() for drawing in drawings}) == len(drawings)


def test_the_report_of_several_runs_adds_their_counts():
    reports = [LatencyReport(1) for _ in range(2)]
    for report in reports:
        report.redaction = STATE
    reports[0].merge(reports[1])
    assert reports[0].to_json()["redaction"]["withheld"] == 4
