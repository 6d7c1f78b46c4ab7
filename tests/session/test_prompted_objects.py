"""Test that a session follows what is pointed at, by name, and refuses what cannot be followed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import trackers
from session.streams import air
from trackers import blobs

from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life, Segmentation, StreamInfo
from rtseg.session.lifecycle import LifecycleLimits
from rtseg.session.prompts import Prompt
from rtseg.session.sector import FixedSector, WholeFrame
from rtseg.session.session import Session
from rtseg.session.tracking import NOTHING_FOLLOWED

LEFT, RIGHT = (12, 8), (60, 8)  # corners of two blobs
ON_LEFT, ON_RIGHT = Prompt(points=((20, 16),)), Prompt(points=((68, 16),))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("trackers")
    return [trackers.tracker(folder / f"track-{count}.onnx", count) for count in (1, 4)]


@pytest.fixture
def session(files: list[Path]) -> Iterator[Session]:
    engine = OpenVinoEngine(files[0])
    yield Session(engine)
    engine.close()


@pytest.fixture
def several(files: list[Path]) -> Iterator[Session]:
    engine = OpenVinoEngine(files[1])
    yield Session(engine)
    engine.close()


def _stream(session: Session, first: int, count: int, *corners: tuple[int, int]) -> Segmentation:
    """Step through some frames, and return the last segmentation."""
    return [session.step(blobs(first + place, *corners)) for place in range(count)][-1]


def test_nothing_is_segmented_until_something_is_pointed_at(session: Session) -> None:
    session.warm_up(StreamInfo(*trackers.SIZE, 25.0))
    found = _stream(session, 0, 3, LEFT, RIGHT)
    assert found.objects == session.objects == {}
    assert found.classes == ()
    assert not found.labels.any()
    assert NOTHING_FOLLOWED in found.reason
    assert found.familiarity is None


def test_what_is_pointed_at_is_followed_by_name(session: Session) -> None:
    _stream(session, 0, 3, LEFT, RIGHT)
    session.prompt(ON_LEFT, "tumor")
    found = _stream(session, 3, 4, LEFT, RIGHT)
    assert found.classes == session.classes == ("tumor",)
    assert found.objects is not None
    tumor = found.objects["tumor"]
    assert not tumor.lost
    assert tumor.confidence > 0.9
    assert tumor.area_px == np.count_nonzero(found.labels) == pytest.approx(trackers.BLOB**2, rel=0.2)
    assert tumor.centroid == pytest.approx((15.5, 19.5), abs=1)
    assert tumor.box is not None
    assert tumor.box[:2] == pytest.approx((8, 12), abs=1)
    for step in range(8):
        found = session.step(blobs(7 + step, (12 + 3 * step, 8), (76, 40)))
    assert found.mask("tumor")[16, 12 + 3 * 7 + 8]
    assert not found.mask("tumor")[48, 84]


def test_a_prompt_before_the_first_frame_holds_for_it(session: Session) -> None:
    session.prompt(ON_RIGHT)
    found = session.step(blobs(0, LEFT, RIGHT))
    assert found.labels[16, 68] == 1
    assert found.labels[16, 20] == 0


def test_a_held_picture_is_segmented_again_with_the_prompt(session: Session) -> None:
    frame = blobs(0, LEFT, RIGHT)
    session.step(frame)
    session.prompt(ON_LEFT)
    held = session.step(replace(frame, index=1))
    assert held.life is Life.HELD
    assert held.labels[16, 20] == 1
    again = session.step(replace(frame, index=2))
    assert again.life is Life.HELD
    assert again.labels is held.labels
    assert again.objects == held.objects


def test_the_prompt_is_in_the_state_for_one_frame_alone(session: Session) -> None:
    session.step(blobs(0, LEFT))
    session.prompt(ON_LEFT)
    written = []
    for index in range(1, 5):
        session.step(blobs(index, LEFT))
        written.append({name: bool(values.any()) for name, values in session.writes.newest.items()})
    assert written == [{"prompt_in": True}, {"prompt_in": False}, {}, {}]


def test_a_second_prompt_of_a_name_corrects_it_from_there(session: Session) -> None:
    session.prompt(ON_LEFT, "node")
    _stream(session, 0, 3, LEFT, RIGHT)
    session.prompt(Prompt(points=((68, 16),), other_points=((20, 16),)), "node")
    found = _stream(session, 3, 2, LEFT, RIGHT)
    assert found.classes == ("node",)
    assert found.mask("node")[16, 68]
    assert not found.mask("node")[16, 20]


def test_what_does_not_belong_can_be_taken_away_alone(session: Session) -> None:
    session.prompt(Prompt(points=((20, 16), (68, 16))), "both")
    assert _stream(session, 0, 3, LEFT, RIGHT).mask("both")[16, [20, 68]].all()
    session.prompt(Prompt(other_points=((68, 16),)), "both")
    found = session.step(blobs(3, LEFT, RIGHT))
    assert found.mask("both")[16, 20]
    assert not found.mask("both")[16, 68]


def test_several_objects_have_labels_of_their_own(several: Session) -> None:
    several.step(blobs(0, LEFT, RIGHT))
    several.prompt(ON_RIGHT, "b")
    several.prompt(ON_LEFT, "a")
    found = _stream(several, 1, 3, LEFT, RIGHT)
    assert found.classes == ("b", "a")
    assert (found.labels[16, 68], found.labels[16, 20]) == (1, 2)
    assert min(found.confidence) > 0.9
    several.forget("b")
    found = _stream(several, 4, 1, LEFT, RIGHT)
    assert found.classes == ("a",)
    assert found.labels[16, 20] == 1
    assert found.labels[16, 68] == 0
    several.prompt(ON_LEFT, "c")  # in the place of b, whose mask it must not inherit
    found = _stream(several, 5, 1, LEFT, RIGHT)
    assert found.classes == ("a", "c")
    assert found.labels[16, 68] == 0


def test_a_forgotten_object_is_not_segmented_any_more(session: Session) -> None:
    session.prompt(ON_LEFT)
    _stream(session, 0, 2, LEFT, RIGHT)
    session.forget("object")
    found = session.step(blobs(2, LEFT, RIGHT))
    assert not found.labels.any()
    assert found.objects == {}
    session.prompt(ON_RIGHT, "other")
    assert _stream(session, 3, 2, LEFT, RIGHT).labels[16, [20, 68]].tolist() == [0, 1]


def test_a_lost_object_loses_its_mask_and_is_found_again(session: Session) -> None:
    session.prompt(ON_LEFT)
    _stream(session, 0, 5, LEFT, RIGHT)
    states = [session.step(blobs(5 + step, RIGHT)) for step in range(5)]
    lost = [one.objects["object"].lost for one in states if one.objects]
    assert lost[-1]
    assert not states[-1].labels.any()
    gone = states[-1].objects
    assert gone is not None
    assert (gone["object"].area_px, gone["object"].centroid, gone["object"].box) == (None, None, None)
    found = _stream(session, 10, 4, LEFT, RIGHT)
    assert found.objects is not None
    assert not found.objects["object"].lost
    assert found.labels[16, 20] == 1


def test_without_contact_all_objects_are_lost_and_found_again(session: Session) -> None:
    session.prompt(ON_LEFT)
    _stream(session, 0, 3, LEFT)
    without = session.step(air(3))
    assert without.life is Life.LOST
    assert without.objects is not None
    assert without.objects["object"].lost
    found = _stream(session, 4, 3, LEFT)
    assert found.objects is not None
    assert not found.objects["object"].lost


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(points=((200, 10),)), "outside the picture of 96x64"),
        (Prompt(points=((-1, 10),)), "outside the picture"),
        (Prompt(box=(300, 300, 10, 10)), "outside the picture"),
        (Prompt(mask=np.ones((10, 12), bool)), "the mask is 12x10 and the picture 96x64"),
        (Prompt(other_points=((20, 16),)), "has no mask to take anything from"),
    ],
)
def test_a_prompt_beside_the_picture_is_refused_and_does_no_harm(session: Session, prompt: Prompt, message: str) -> None:
    session.step(blobs(0, LEFT, RIGHT))
    with pytest.raises(ConfigError, match=message):
        session.prompt(prompt, "wrong")
    session.prompt(ON_LEFT, "right")  # the only place is still free
    assert _stream(session, 1, 2, LEFT, RIGHT).classes == ("right",)


def test_an_object_is_measured_by_its_name_until_it_is_lost(files: list[Path]) -> None:
    engine = OpenVinoEngine(files[0])
    session = Session(engine, locator=WholeFrame(), spacing_mm=0.5, measures=["area"])
    session.prompt(ON_LEFT, "cyst")
    shown = [session.step(blobs(index, LEFT, RIGHT)) for index in range(3)][-1]
    (area,) = shown.measures
    assert (area.name, area.classes) == ("area", ("cyst",))
    assert area.value == shown.area_px("cyst") * 0.25 > 0
    gone = [session.step(blobs(index, RIGHT)) for index in range(3, 9)][-1]
    assert gone.objects is not None
    assert gone.objects["cyst"].lost
    assert (gone.measures[0].value, gone.measures[0].withheld) == (None, "no cyst is in the picture")
    engine.close()


def test_a_jump_to_a_neighbor_is_lost_and_the_object_is_found_where_it_was(files: list[Path]) -> None:
    engine = OpenVinoEngine(files[0])
    session = Session(engine, limits=LifecycleLimits(cut_dissimilarity=1, certain_cut_dissimilarity=2))
    session.prompt(ON_LEFT)
    dim = [blobs(index, (35, 8) if 3 <= index < 9 else LEFT, RIGHT, level=170) for index in range(12)]
    states = [session.step(frame) for frame in dim]
    assert Life.CUT not in {one.life for one in states}
    assert [one.objects["object"].lost for one in states if one.objects] == [False] * 3 + [True] * 7 + [False] * 2
    assert not any(one.labels.any() for one in states[3:10])
    assert states[-1].labels[16, 20] == 1
    engine.close()


def _sector_session(session: Session) -> Session:
    """Return the session with a sector that fills the left half of the picture."""
    session.locator = FixedSector((0, 0, 64, 48))
    return session


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(points=((68, 16),)), "the point 68,16 lies outside the ultrasound, which fills 48x64 pixels from 0,0"),
        (Prompt(points=((20, 16),), other_points=((68, 16),)), "outside the ultrasound"),
        (Prompt(strokes=(((60, 10), (70, 10), (80, 10)),)), "outside the ultrasound"),
        (Prompt(box=(60, 8, 10, 10)), "outside the ultrasound"),
        (Prompt(mask=np.arange(96) > 60 * np.ones((64, 1))), "the mask lies outside the ultrasound"),
    ],
)
def test_what_lies_outside_the_sector_is_refused(session: Session, prompt: Prompt, message: str) -> None:
    _sector_session(session).step(blobs(0, LEFT, RIGHT))
    with pytest.raises(ConfigError, match=message):
        session.prompt(prompt)
    assert not session.step(blobs(1, LEFT, RIGHT)).labels.any()


def test_a_click_into_a_sector_lands_where_it_was_made(session: Session) -> None:
    session.locator = FixedSector((4, 50, 40, 40))
    session.step(blobs(0, LEFT, RIGHT))
    session.prompt(ON_RIGHT)
    found = _stream(session, 1, 2, LEFT, RIGHT)
    assert found.objects is not None
    assert found.objects["object"].centroid == pytest.approx((15.5, 67.5), abs=1)


def test_black_is_refused_but_fluid_beside_tissue_is_not(session: Session) -> None:
    session.locator = WholeFrame()
    image = blobs(0, LEFT, RIGHT).image.copy()
    image[:, 48:] = 0
    image[20:30, 20:30] = 0  # as a vessel
    session.step(Frame(image, 0, 0))
    with pytest.raises(ConfigError, match="the point 80,40 lies on black"):
        session.prompt(Prompt(points=((80, 40),)))
    session.prompt(Prompt(points=((25, 25),)))


def test_without_contact_nothing_can_be_pointed_at(session: Session) -> None:
    session.step(air(0))
    with pytest.raises(ConfigError, match="no contact"):
        session.prompt(ON_LEFT)
    session.prompt(ON_LEFT, at=2)
    assert not session.step(air(1)).labels.any()
    with pytest.raises(ConfigError, match="no contact"):
        session.step(air(2))
    assert session.step(air(3)).objects == {}
    session.prompt(ON_LEFT, at=4)
    assert session.step(blobs(4, LEFT)).labels.any()


def test_a_prompt_is_not_used_in_another_view_than_it_was_made_in(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    _stream(session, 0, 3, LEFT, RIGHT)
    session.prompt(ON_LEFT)
    session.reset("another patient")
    assert session.step(blobs(3, LEFT, RIGHT)).objects == {}
    assert "the view changed before the prompt for 'object' could be used" in caplog.text
    assert session.refused_prompts == ["the view changed before the prompt for 'object' could be used: point at it again"]
    assert session.prompt_refusals == 1
    session.prompt(ON_LEFT)
    assert session.step(blobs(4, LEFT, RIGHT)).labels.any()


def test_after_a_cut_the_object_is_lost_until_it_is_found_by_its_first_prompt(session: Session) -> None:
    session.prompt(ON_LEFT)
    _stream(session, 0, 3, LEFT)
    session.reset("another view")
    states = [session.step(blobs(3 + step, LEFT)) for step in range(3)]
    assert [one.objects["object"].lost for one in states if one.objects] == [True, False, False]


def test_a_damaged_frame_takes_no_prompt_and_changes_no_state(session: Session) -> None:
    _stream(session, 0, 2, LEFT)
    session.prompt(ON_LEFT)
    damaged = replace(blobs(2, LEFT), damage="a packet was lost")
    assert session.step(damaged).objects == {}
    assert session.step(blobs(3, LEFT)).labels.any()
    session.step(replace(blobs(4, LEFT), damage="a packet was lost"))
    with pytest.raises(ConfigError, match="is damaged"):
        session.prompt(ON_LEFT)


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 300, 7])
def test_a_name_that_cannot_be_shown_is_refused(session: Session, name: str) -> None:
    with pytest.raises(ConfigError, match="an object is named"):
        session.prompt(ON_LEFT, name)


def test_more_objects_than_the_network_follows_are_refused(several: Session) -> None:
    several.step(blobs(0, LEFT, RIGHT))
    refused = 0
    for number in range(50):
        try:
            several.prompt(ON_LEFT, f"object {number}")
        except ConfigError as error:
            refused += "'tracker' follows 4 objects, object 0, object 1, object 2, object 3" in str(error)
    assert refused == 46
    assert len(_stream(several, 1, 2, LEFT, RIGHT).classes) == 4
    with pytest.raises(ConfigError, match="no object 'x' to forget: give one of object 0"):
        several.forget("x")


def test_a_network_of_classes_refuses_prompts(tiny: Path) -> None:
    engine = OpenVinoEngine(tiny)
    session = Session(engine)
    with pytest.raises(ConfigError, match="'tiny' segments lumen and follows nothing"):
        session.prompt(ON_LEFT)
    assert session.objects == {}
    engine.close()


def test_from_many_threads_prompts_are_taken_one_by_one(several: Session) -> None:
    _stream(several, 0, 2, LEFT, RIGHT)
    errors: list[Exception] = []

    def click(name: str, prompt: Prompt) -> None:
        try:
            for _ in range(30):
                several.prompt(prompt, name)
        except ConfigError as error:
            errors.append(error)

    threads = [Thread(target=click, args=(name, prompt)) for name, prompt in (("a", ON_LEFT), ("b", ON_RIGHT)) * 2]
    for thread in threads:
        thread.start()
    for index in range(2, 20):
        several.step(blobs(index, LEFT, RIGHT))
    for thread in threads:
        thread.join()
    found = _stream(several, 20, 2, LEFT, RIGHT)
    assert not errors
    assert sorted(found.classes) == ["a", "b"]
    assert found.mask("a")[16, 20]
    assert found.mask("b")[16, 68]


def test_after_a_failover_the_object_is_lost_and_another_click_follows_it(files: list[Path]) -> None:
    first = OpenVinoEngine(files[0])
    engine = FailoverEngine([("first", lambda: first), ("next", lambda: OpenVinoEngine(files[0]))])
    session = Session(engine)
    session.prompt(ON_LEFT)
    _stream(session, 0, 4, LEFT)
    first.close()  # the next run fails
    states = [session.step(blobs(4 + step, LEFT)) for step in range(4)]
    assert states[-1].objects is not None
    assert states[-1].objects["object"].lost
    assert not states[0].labels.any()
    session.prompt(ON_LEFT)
    assert session.step(blobs(9, LEFT)).labels[16, 20] == 1
    engine.close()
