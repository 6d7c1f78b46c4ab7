"""Test that an array, a text or a list where an object is expected is refused in one line that says what to give."""

from pathlib import Path

import numpy as np
import pytest

import rtseg
from rtseg.errors import RtsegError, WrongArgument

PICTURE = np.zeros((48, 64), np.uint8)


@pytest.fixture(scope="module")
def session(tiny: Path):
    engine = rtseg.load_engine(tiny, threads=1)
    yield rtseg.Session(engine)
    engine.close()


@pytest.fixture
def source():
    return rtseg.open_source("synthetic:vessel?height=48&width=64&frames=2")


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("carotid", "is not the text 'carotid': load it by rtseg.load_engine(MODEL)"),
        (None, "is not None: load it"),
        (PICTURE, "is not an array of shape (48, 64), uint8: load it"),
        (rtseg.Session, "is not the class Session, which lacks spec"),
    ],
    ids=["text", "None", "array", "class"],
)
def test_what_is_no_engine(engine, words):
    with pytest.raises(WrongArgument, match=r"^the engine of a session") as told:
        rtseg.Session(engine)
    assert words in str(told.value)


@pytest.mark.parametrize("frame", [PICTURE, "frame.png", None, [PICTURE]], ids=["array", "text", "None", "list"])
def test_what_is_no_frame(session, frame):
    with pytest.raises(WrongArgument, match=r"the frame of a step is not .*rtseg\.Frame\(image, index, time"):
        session.step(frame)


@pytest.mark.parametrize("wrong", ["clip:carotid", PICTURE, 0])
def test_what_is_no_source(session, wrong):
    with pytest.raises(WrongArgument, match=r"the source of a pipeline is not .*rtseg\.open_source"):
        rtseg.Pipeline(wrong, session)


def test_what_is_no_session(session, source):
    with pytest.raises(WrongArgument, match=r"the session of a pipeline is not .*rtseg\.Session\(engine\)"):
        rtseg.Pipeline(source, "carotid")


@pytest.mark.parametrize("sink", ["out.mp4", Path("out.mp4"), [], None])
def test_what_is_no_sink(session, source, sink):
    with pytest.raises(WrongArgument, match=r"a sink of a pipeline is not .*rtseg\.VideoSink"):
        rtseg.Pipeline(source, session, sink)


@pytest.mark.parametrize("uri", [0, PICTURE, None])
def test_what_is_no_address(uri):
    with pytest.raises(WrongArgument, match=r"the address of a source is not .*camera:0"):
        rtseg.open_source(uri)


@pytest.mark.parametrize("model", [0, PICTURE, None])
def test_what_is_no_model(model):
    with pytest.raises(WrongArgument, match=r"the model of an engine is not .*shipped model's name"):
        rtseg.load_engine(model)


def test_what_is_no_prompt_and_no_overlay(session, tmp_path):
    with pytest.raises(WrongArgument, match=r"a prompt is not .*rtseg\.Prompt"):
        session.prompt((10, 20))
    with pytest.raises(WrongArgument, match=r"the overlay of a video is not .*rtseg\.Overlay"):
        rtseg.VideoSink(tmp_path / "out.mp4", 0.4)


def test_it_is_an_error_of_rtseg_and_a_type_error():
    assert issubclass(WrongArgument, RtsegError)
    assert issubclass(WrongArgument, TypeError)


def test_a_path_is_an_address(tmp_path):
    with pytest.raises(rtseg.RtsegError, match=r"missing\.mp4 does not exist"):
        rtseg.open_source(tmp_path / "missing.mp4")


def test_a_password_in_a_wrong_argument_is_not_told(session):
    with pytest.raises(WrongArgument) as told:
        rtseg.Pipeline("rtsp://me:secret@host/live", session)
    assert "secret" not in str(told.value)
