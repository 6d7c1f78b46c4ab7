"""A scene that stands still is judged every third frame, anything else at once; nothing is named later than the third frame."""

from dataclasses import replace
from pathlib import Path

import calibrations
import networks
import numpy as np
import pytest
from session.streams import frame_of

from rtseg.engines.load import load_engine
from rtseg.frame import Frame, Life
from rtseg.session import familiarity_monitor
from rtseg.session.familiarity import FamiliarityJudge
from rtseg.session.lifecycle import LifecycleLimits
from rtseg.session.session import Session

BRIGHT, DARK = 240, 60


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Collect the judgements that are made."""
    found: list[float | None] = []
    judge = FamiliarityJudge.judge

    def counting(self: FamiliarityJudge, *arrays: object) -> float | None:
        found.append(judge(self, *arrays))
        return found[-1]

    monkeypatch.setattr(FamiliarityJudge, "judge", counting)
    return found


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Return a session that holds no frame and spoils none, so that the network sees each."""
    path = networks.recurrent(tmp_path / "tiny.onnx", networks.spec(familiarity=calibrations.brightness()))
    limits = LifecycleLimits(held_share=0, spoilt_frames=0)
    return Session(load_engine(path, trusted=True), limits=limits, temporal=None)


def speckled(index: int, value: float = BRIGHT, spread: float = 3) -> Frame:
    frame = frame_of(index, round(value))
    noise = np.random.default_rng(index).normal(0, spread, frame.image.shape)
    return replace(frame, image=np.clip(frame.image + noise, 0, 255).astype(np.uint8))


def test_a_still_scene_is_judged_every_third_frame(session: Session, judged: list[float | None]) -> None:
    found = [session.step(speckled(index)) for index in range(40)]
    searched = 11  # frames in which the sector may still change, which are judged at once
    assert all(segmentation.life is Life.LIVE for segmentation in found[1:])
    assert all(segmentation.familiarity is not None for segmentation in found)
    assert len(judged) <= searched + (40 - searched) / familiarity_monitor.INTERVAL + 1


def test_a_picture_that_changes_at_once_is_judged_at_once(session: Session) -> None:
    found = [session.step(speckled(index, DARK if index == 30 else BRIGHT)) for index in range(31)]
    assert not found[29].is_unfamiliar
    assert found[30].familiarity < found[29].familiarity


def test_a_picture_that_changes_slowly_is_named_by_the_third_frame(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = [*[BRIGHT] * 20, *np.arange(BRIGHT, DARK, -2.0), *np.arange(DARK, BRIGHT, 2.0)]
    found = [session.step(speckled(index, level)).is_unfamiliar for index, level in enumerate(levels)]
    monkeypatch.setattr(familiarity_monitor, "INTERVAL", 1)
    path = networks.recurrent(tmp_path / "each.onnx", networks.spec(familiarity=calibrations.brightness()))
    each = Session(load_engine(path, trusted=True), limits=LifecycleLimits(held_share=0, spoilt_frames=0), temporal=None)
    expected = [each.step(speckled(index, level)).is_unfamiliar for index, level in enumerate(levels)]
    assert (min(expected), max(expected)) == (False, True)
    for index, one in enumerate(found):
        assert one in expected[max(0, index - 2) : index + 1], f"frame {index}"


def test_another_stream_or_setting_is_judged_at_once(session: Session, judged: list[float | None]) -> None:
    for index in range(30):
        session.step(speckled(index))
    for change in (
        lambda: session.reset("another patient"),
        lambda: setattr(session, "settings", replace(session.settings, threshold=0.4)),
    ):
        while True:  # up to the frame after a judgement, which is not judged by itself
            before = len(judged)
            session.step(speckled(index := index + 1))
            if len(judged) > before:
                break
        change()
        session.step(speckled(index := index + 1))
        assert len(judged) == before + 2
