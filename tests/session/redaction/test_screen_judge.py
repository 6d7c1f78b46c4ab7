"""Test that letters are black in the frame in which they come up, whatever stands behind them."""

import numpy as np
import pytest
import screens
from session.redaction.lettered import BoxSearch, HeldSearch, write
from waiting import until

from rtseg.session.redaction.screen_judge import ScreenJudge

SIZE = (240, 320)
WORDS = ("DOE, J.", "Dist 2.1 cm", "7")


def judge_of(frames, search=None):
    judge = ScreenJudge(*SIZE, search or BoxSearch())
    for frame in frames:
        judge.judge(frame)
    return judge


def tissue(count, start=0):
    return [screens.speckle(SIZE, start + i) for i in range(count)]


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize("shade", [255, 235])
def test_letters_that_come_up_over_living_tissue_are_black_at_once(text, shade):
    search = BoxSearch()
    judge = judge_of(tissue(60), search)
    lettered, ink = write(screens.speckle(SIZE, 60), text, (100, 120), shade, 0.6, 2)
    search.box = (0, 0, *SIZE)  # a search that may follow finds them
    assert (judge.judge(lettered)[ink] > 0).mean() < 0.1


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize(("ground", "shade"), [(0, 230), (230, 20), (60, 110)])
def test_letters_that_come_up_on_a_still_screen_are_black_at_once(text, ground, shade):
    search = BoxSearch()
    judge = judge_of([np.full(SIZE, ground, np.uint8)] * 12, search)
    lettered, ink = write(np.full(SIZE, ground, np.uint8), text, (100, 120), shade)
    search.box = (0, 0, *SIZE)
    assert not judge.judge(lettered)[ink].any()


def test_letters_that_change_are_not_shown_beside_the_box_of_the_earlier_ones():
    blank = np.zeros(SIZE, np.uint8)
    short, _ = write(blank, "12", (100, 120))
    longer, ink = write(blank, "12.345", (100, 120))
    search = BoxSearch((105, 98, 20, 30))
    judge = judge_of([short] * 12, search)
    search.box = (100, 90, 30, 90)
    assert not judge.judge(longer)[ink].any()


def test_living_tissue_is_shown_though_no_search_has_seen_this_very_frame():
    search = BoxSearch()
    judge = judge_of(tissue(60), search)
    searches = search.searches
    shown = [judge.judge(picture) for picture in tissue(20, 60)]
    assert search.searches - searches <= 5
    assert np.mean(shown) > 0.97 * 255


def test_letters_that_a_search_overlooks_now_and_then_stay_black():
    box = (100, 90, 30, 90)
    search = BoxSearch(box)
    judge = ScreenJudge(*SIZE, search)
    for index, picture in enumerate(tissue(60)):
        search.box = None if index else box  # found once, in the first frame
        if search.searches >= 4:
            break
        assert not judge.judge(picture)[100:130, 90:180].any()


def test_a_search_gets_the_newest_frames():
    search = BoxSearch()
    judge_of(tissue(40), search)
    assert search.seen[0][0] == 1
    assert search.seen[-1][0] == 6


def slides(count, frames):
    """Return a slide show: some pictures of large structures, each shown for some frames."""
    rng = np.random.default_rng(5)
    shades = [np.kron(rng.integers(20, 200, (4, 5)), np.ones((60, 64))).astype(np.uint8) for _ in range(count)]
    return [shade for shade in shades for _ in range(frames)]


def test_no_search_sees_two_pictures_of_a_slide_show():
    class HistorySearch(BoxSearch):
        def find(self, pictures, extent):
            assert all(np.array_equal(picture, pictures[-1]) for picture in pictures)
            return super().find(pictures, extent)

    search = HistorySearch()
    shown = list(map(ScreenJudge(*SIZE, search).judge, slides(6, 5)))
    assert search.searches >= 6
    assert np.mean(shown) == 255


def test_letters_of_the_scene_before_are_gone_after_a_cut_and_black_until_it_is_searched():
    search = BoxSearch((100, 90, 30, 90))
    first, second = slides(2, 1)
    judge = judge_of([first] * 8, search)
    search.box = (10, 10, 30, 90)
    shown = judge.judge(second)
    assert not shown[10:40, 10:100].any()
    assert shown[100:130, 90:180].all()


def test_a_search_that_began_before_a_cut_shows_nothing_of_the_scene_after_it():
    search = HeldSearch()
    judge = ScreenJudge(*SIZE, search, at_once=False)
    first, second = slides(2, 1)
    judge.judge(first)
    assert not judge.judge(second).any()
    search.go.release()
    until(lambda: search.searches)
    for _ in range(3):
        assert not judge.judge(second).any()
    search.go.release(100)
    until(lambda: judge.judge(second).all())
    judge.close()
