"""Test the effect of another sector on the session's memory."""

import numpy as np
from session.streams import air, frame_of

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame, Life
from rtseg.session.lifecycle import LifecycleLimits
from rtseg.session.sector import FixedSector, Sector
from rtseg.session.sector.shape import box_sector, unknown_sector
from rtseg.session.session import Session


class _ScriptedLocator:
    """Returns scripted sectors and reasons, one for each frame."""

    def __init__(self, *said: tuple[Sector, str]) -> None:
        self._said, self.asked = iter(said), 0

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        self.asked += 1
        return next(self._said)

    def forget(self) -> None:
        pass


SEARCHED = unknown_sector((64, 96))
LEFT, LESS = box_sector((0, 0, 64, 80), (64, 96)), box_sector((0, 0, 60, 80), (64, 96))


def test_finding_the_first_sector_is_no_event_but_the_memory_starts_afresh(engine: OpenVinoEngine):
    script = _ScriptedLocator((SEARCHED, ""), (LEFT, ""), (LESS, ""), (LESS, ""))
    session, fresh = Session(engine, locator=script), Session(engine, locator=FixedSector((0, 0, 60, 80)))
    found = [session.step(frame_of(index, 200 - 20 * index)) for index in range(4)]
    assert [one.life for one in found] == [Life.NEW, Life.LIVE, Life.LIVE, Life.LIVE]
    assert [one.reason for one in found[1:]] == ["the sector is found: linear 80x64", "the sector is found: linear 80x60", ""]
    assert (session.counts.new, session.counts.live) == (1, 3)
    for index in (2, 3):
        np.testing.assert_array_equal(found[index].labels, fresh.step(frame_of(index, 200 - 20 * index)).labels)


def test_another_sector_is_new_and_looked_at_once(engine: OpenVinoEngine):
    script = _ScriptedLocator((LEFT, ""), (LEFT, ""), (LESS, "another depth"), (LESS, ""))
    session = Session(engine, locator=script)
    found = [session.step(frame_of(index, 200 - 20 * index)) for index in range(4)]
    assert [one.life for one in found] == [Life.NEW, Life.LIVE, Life.NEW, Life.LIVE]
    assert found[2].reason == "another depth"


def test_a_frozen_picture_has_no_other_sector_however_noisy(engine: OpenVinoEngine):
    script, rng = _ScriptedLocator((LEFT, ""), (LESS, "another depth")), np.random.default_rng(0)
    session = Session(engine, locator=script)
    first = frame_of(0)
    session.step(first)
    for index in range(1, 5):
        noisy = np.clip(first.image + rng.integers(-1, 2, first.image.shape), 0, 255).astype(np.uint8)
        assert session.step(Frame(noisy, index, 0)).life is Life.HELD
    assert (script.asked, session.sector) == (1, LEFT)
    assert session.step(frame_of(5, 150)).life is Life.NEW


def test_a_stream_that_begins_frozen_is_searched_all_the_same(engine: OpenVinoEngine):
    """Test a stream that begins frozen: it is searched, except in frames that a grabber repeats."""
    script = _ScriptedLocator((SEARCHED, ""), (SEARCHED, ""), (LEFT, ""))
    session = Session(engine, locator=script)
    found, asked = [], []
    for index in range(10):
        found.append(session.step(frame_of(index)))
        asked.append(script.asked)
    assert [one.life for one in found] == [Life.NEW] + [Life.HELD] * 9
    assert asked == [1] * 6 + [2, 3, 3, 3]
    assert session.sector == LEFT
    assert not found[7].labels[:, 80:].any()
    assert found[9].labels is found[7].labels


def test_a_sector_that_changed_without_contact_is_new_with_contact(engine: OpenVinoEngine):
    script = _ScriptedLocator((LEFT, ""), (LESS, "another depth"), (LESS, ""))
    session = Session(engine, locator=script, limits=LifecycleLimits(lost_frames=3))
    lives = [session.step(frame).life for frame in (frame_of(0), *map(air, range(1, 4)))]
    assert (lives[1:], script.asked) == ([Life.LOST] * 3, 1)  # the sector is not searched in a short loss of contact
    assert session.step(air(4)).life is Life.LOST
    again = session.step(frame_of(5))
    assert (again.life, again.reason, session.sector) == (Life.NEW, "another depth", LESS)
