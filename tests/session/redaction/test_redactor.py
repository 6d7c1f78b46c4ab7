"""Test what each mode of redaction lets through, with searches that the test controls."""

from dataclasses import replace

import numpy as np
import pytest
import screens
from session.redaction.lettered import BoxSearch, BrokenSearch, HeldSearch
from waiting import until

from rtseg.errors import ConfigError
from rtseg.frame import Frame
from rtseg.session.redaction import RedactionMode, Redactor, parse_redaction
from rtseg.session.sector.shape import Sector, SectorKind, box_sector, unknown_sector, whole_sector

SIZE = (96, 128)
BOX = (16, 16, 64, 96)
NAME = (40, 40, 10, 50)  # where the searches of these tests find letters


def still(count=1, start=0):
    return [Frame(np.full(SIZE, 200, np.uint8), start + i, 0) for i in range(count)]


def living(count, start=0):
    return [Frame(screens.speckle(SIZE, start + i), start + i, 0) for i in range(count)]


def uncertain(box=BOX):
    found = box_sector(box, SIZE)
    return Sector(SectorKind.LINEAR, SIZE, found.outline, 0.6)


def run(redactor, frames, sector, **options):
    return [redactor.redact(frame, sector, **options).image for frame in frames]


def counts(redactor):
    state = redactor.state
    return state.mode, state.sector, state.withheld, state.exposed


def inside(box):
    mask = np.zeros(SIZE, bool)
    mask[box[0] : box[0] + box[2], box[1] : box[1] + box[3]] = True
    return mask


def test_letters_are_black_while_the_sector_is_unknown_and_the_rest_is_shown():
    redactor = Redactor(search=BoxSearch(NAME))
    for image in run(redactor, still(3), unknown_sector(SIZE)):
        assert not image[inside(NAME)].any()
        assert (image[~inside(NAME)] == 200).all()
    assert counts(redactor) == ("auto", "unknown", 0, 0)


def test_no_sector_found_is_no_reason_to_expose_the_frame():
    redactor = Redactor(search=BoxSearch(NAME))
    (image,) = run(redactor, still(), whole_sector(SIZE))
    assert not image[inside(NAME)].any()
    assert counts(redactor) == ("auto", "unknown", 0, 0)


def test_strict_shows_nothing_while_the_sector_is_unknown():
    search = BoxSearch()
    redactor = Redactor("strict", search=search)
    assert not any(image.any() for image in run(redactor, still(2), unknown_sector(SIZE)))
    assert not any(image.any() for image in run(redactor, still(2), whole_sector(SIZE)))
    assert counts(redactor) == ("strict", "unknown", 4, 0)
    assert not search.searches


def test_strict_blacks_letters_over_the_ultrasound():
    redactor = Redactor(RedactionMode.STRICT, search=BoxSearch((26, 26, 10, 20)))  # in the sector's box
    for image in run(redactor, living(20), box_sector(BOX, SIZE)):
        assert not image[~inside(BOX)].any()
        assert not image[26:36, 26:46].any()
        assert image[inside(BOX)].any()
    assert counts(redactor) == ("strict", "known", 0, 0)


def test_a_sector_of_high_confidence_is_searched_until_it_is_confirmed_only():
    search = BoxSearch((26, 26, 10, 20))
    redactor = Redactor(search=search)
    assert not any(image[26:36, 26:46].any() for image in run(redactor, living(10), box_sector(BOX, SIZE)))
    searches = search.searches
    for image, frame in zip(run(redactor, frames := living(3), box_sector(BOX, SIZE)), frames, strict=True):
        np.testing.assert_array_equal(image[inside(BOX)], frame.image[inside(BOX)])
        assert not image[~inside(BOX)].any()
    assert (search.searches - searches, counts(redactor)) == (0, ("auto", "known", 0, 0))


def test_a_live_sector_of_high_confidence_is_withheld_until_a_search_has_ended():
    search = HeldSearch()
    redactor = Redactor(search=search)
    redactor.begin(live=True)
    assert not any(image.any() for image in run(redactor, living(15), box_sector(BOX, SIZE)))
    assert (search.searches, counts(redactor)) == (0, ("auto", "known", 15, 0))

    def is_shown():
        (image,) = run(redactor, living(1), box_sector(BOX, SIZE))
        return (image[inside(BOX)] > 0).all()

    search.go.release(100)
    until(is_shown)
    redactor.close()


@pytest.mark.parametrize("confidence", [0.97, 0.6])
def test_letters_that_the_outline_cuts_stay_black(confidence):
    name = (10, 40, 12, 50)  # six rows of it inside the sector's outline, which is too large
    redactor = Redactor(search=BoxSearch(name))
    found = replace(uncertain(), confidence=confidence)
    for image in run(redactor, living(40), found):
        assert not image[inside(name)].any()
    assert image[30:70, 30:100].all()


def test_a_live_sector_that_is_found_while_the_frame_is_searched_is_shown_at_once_without_the_letters():
    search = HeldSearch(NAME)
    redactor = Redactor(search=search)
    redactor.begin(live=True)
    search.go.release(100)
    until(lambda: shows(redactor, 200))
    for image in run(redactor, still(8), box_sector(BOX, SIZE)):
        assert not image[inside(NAME) | ~inside(BOX)].any()
        assert (image[inside(BOX) & ~inside(NAME)] == 200).all()
    withheld = redactor.state.withheld
    (image,) = run(redactor, still(3), box_sector(BOX, SIZE))[-1:]
    assert (image[inside(BOX)] == 200).all()  # confirmed
    assert redactor.state.withheld == withheld
    redactor.close()


def test_letters_in_an_uncertain_sector_stay_black_after_the_searches_have_ended():
    search = BoxSearch((26, 26, 10, 20))
    redactor = Redactor(search=search)
    images = run(redactor, living(40), uncertain())
    assert not any(image[26:36, 26:46].any() or image[~inside(BOX)].any() for image in images)
    searches = search.searches
    run(redactor, living(40, 40), uncertain())
    assert search.searches == searches  # an old sector costs nothing more


@pytest.mark.parametrize("mode", ["auto", "strict"])
@pytest.mark.parametrize("sector", [whole_sector(SIZE), box_sector(BOX, SIZE)], ids=["off", "box"])
def test_nothing_inside_a_stated_sector_is_redacted(mode, sector):
    search = BoxSearch(NAME)
    redactor = Redactor(mode, search=search)
    (image,) = run(redactor, still(), sector, is_stated=True)
    np.testing.assert_array_equal(image > 0, sector.mask())
    assert (search.searches, counts(redactor)) == (0, (mode, "stated", 0, 0))


def test_off_counts_what_it_exposes():
    redactor = Redactor("off", search=BoxSearch(NAME))
    (frame,) = still()
    assert redactor.redact(frame, unknown_sector(SIZE)) is frame
    assert counts(redactor) == ("off", "unknown", 0, 1)


@pytest.mark.parametrize(
    "sector", [unknown_sector(SIZE), whole_sector(SIZE, 1.0), uncertain()], ids=["unknown", "whole", "box"]
)
def test_a_search_that_fails_withholds_everything_and_says_so_once(sector, caplog):
    redactor = Redactor(search=BrokenSearch())
    assert not any(image.any() for image in run(redactor, living(40), sector))
    assert redactor.state.withheld == 40
    (record,) = caplog.records
    assert record.getMessage() == "the search for text failed, so that what it would judge stays black: no detector"


def shows(redactor, value):
    """Return whether most pixels of a still frame have a value."""
    return (run(redactor, still(), unknown_sector(SIZE))[0] == value).mean() > 0.5


def test_a_live_stream_is_withheld_until_a_search_has_looked_and_never_blocked():
    search = HeldSearch(NAME)
    redactor = Redactor(search=search)
    redactor.begin(live=True)
    assert not any(image.any() for image in run(redactor, still(5), unknown_sector(SIZE)))
    assert (redactor.state.withheld, search.searches) == (5, 0)
    search.go.release()
    until(lambda: shows(redactor, 200))
    (image,) = run(redactor, still(), unknown_sector(SIZE))
    assert not image[inside(NAME)].any()
    assert (image[~inside(NAME)] == 200).all()
    search.go.release(100)
    redactor.close()


def test_what_changes_in_a_live_stream_is_withheld_and_the_rest_is_shown():
    search = HeldSearch()
    redactor = Redactor(search=search)
    redactor.begin(live=True)
    search.go.release()
    until(lambda: shows(redactor, 200))
    menu = np.full(SIZE, 200, np.uint8)
    menu[40:56:2, 64:100] = 0
    (image,) = run(redactor, [Frame(menu, 9, 0)], unknown_sector(SIZE))
    assert not image[40:56, 64:100].any()
    assert (image[:24] == 200).all()
    search.go.release(100)
    redactor.close()


def test_a_file_is_redacted_alike_in_every_run():
    frames = [*living(12), *still(3, 12), *living(6, 15)]
    first, again = (run(Redactor(search=BoxSearch(NAME)), frames, unknown_sector(SIZE)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_color_and_gray_frames_of_one_stream():
    redactor = Redactor(search=BoxSearch(NAME))
    gray = np.full(SIZE, 200, np.uint8)
    for picture in (gray, np.dstack([gray] * 3), gray):
        (image,) = run(redactor, [Frame(picture, 0, 0)], unknown_sector(SIZE))
        assert not image[inside(NAME)].any()
        assert (image[~inside(NAME)] == 200).all()


def test_another_size_is_judged_anew():
    redactor = Redactor(search=BoxSearch())
    run(redactor, still(2), unknown_sector(SIZE))
    small = redactor.redact(Frame(np.full((40, 60), 9, np.uint8), 2, 0), unknown_sector((40, 60)))
    assert (small.image == 9).all()


@pytest.mark.parametrize("mode", ["auto", "strict", "off"])
def test_a_mode_by_name(mode):
    assert parse_redaction(mode).value == mode


@pytest.mark.parametrize("text", ["", "on", "AUTO", "auto,strict"])
def test_an_unknown_mode_is_refused(text):
    with pytest.raises(ConfigError, match="is no way to redact: give auto, strict or off"):
        parse_redaction(text)
