"""Tests the warnings about answers that look misread while a stream runs."""

from contextlib import closing

import networks
import numpy as np
import pytest

from rtseg.frame import Frame
from rtseg.pipeline import Pipeline
from rtseg.session.answer_guard import FIRST_FRAMES, AnswerGuard
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session


class ProbableEngine:
    """Gives one answer for every frame, whatever it sees."""

    spec = networks.spec(states=())

    def __init__(self, value: float) -> None:
        self.value = value

    def initial_state(self) -> tuple:
        return ()

    def upload(self, image):
        return image

    def infer(self, x, state):
        return np.full((1, 1, *networks.SIZE), self.value, np.float32), state

    def download(self, labels):
        return np.asarray(labels)

    def close(self) -> None: ...


def frames(count: int, period_ms: int = 100):
    rng = np.random.default_rng(0)
    for index in range(count):
        yield Frame(rng.integers(0, 256, networks.SIZE, np.uint8), index, index * period_ms * 1_000_000 + 5)


def session(value: float) -> Session:
    return Session(ProbableEngine(value), locator=WholeFrame(), temporal=None)


def test_probabilities_in_place_of_logits_are_told_once(caplog):
    running = session(0.3)
    for frame in frames(3 * FIRST_FRAMES, period_ms=1):
        running.step(frame)
    (told,) = running.warnings
    assert "lie in 0..1" in told
    assert "rtseg adopt" in told
    assert caplog.text.count("lie in 0..1") == 1
    assert "all answers lie in 0..1" in running.step(next(frames(1))).doubt


def test_logits_are_not_told():
    running = session(-3.0)
    for frame in frames(2 * FIRST_FRAMES):
        running.step(frame)
    assert running.warnings == []


def test_a_class_that_fills_the_sector_for_a_second_is_told():
    running = session(5.0)
    told, doubts = [], []
    for frame in frames(20):
        doubts.append(running.step(frame).doubt)
        told.append(len(running.warnings))
    assert told[9] == 0
    assert told[15] == 1
    assert doubts[9] == ""
    assert all("lumen fills the sector" in doubt for doubt in doubts[15:])
    assert "'lumen' has filled more than 98% of the sector" in running.warnings[0]


def test_the_doubt_ends_when_the_class_fills_the_sector_no_longer():
    running = session(5.0)
    for frame in frames(20):
        running.step(frame)
    running._engine.value = -5.0
    assert running.step(next(frames(1))).doubt == ""


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_class_that_does_not_fill_it_is_not_told(share):
    guard, labels = AnswerGuard("net", []), np.zeros((40, 40), np.uint8)
    labels[: int(40 * share)] = 1
    for second in range(5):
        guard.check_labels(labels, (0, 0, 40, 40), ("lumen",), second * 1_000_000_000)
    assert guard.warnings == []


def test_the_report_holds_the_warnings(tmp_path):
    from rtseg.sources import open_source

    running = session(0.3)
    with closing(open_source("clip:carotid")) as source:
        pipeline = Pipeline(source, running)
        pipeline.run()
    assert "lie in 0..1" in pipeline.report.to_json()["warnings"][0]
