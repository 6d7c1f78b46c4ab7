"""Test the overlay: colors and their place, legible text, and an unchanged frame."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import results

from rtseg.cycle_state import CycleMark, CycleState
from rtseg.errors import ConfigError, ImageError
from rtseg.frame import Life
from rtseg.kernels import inner_contour
from rtseg.overlay import OKABE_ITO, Overlay
from rtseg.sinks.view.live_stats import LiveStats

AMBER = (255, 200, 60)
PLAIN = {"legend": False, "latency": False, "notice": False}
LETTERED = {"legend": False, "latency": True, "notice": False}


def _grey(height, width, value=100):
    return np.full((height, width), value, np.uint8)


def _has(picture, colour):
    return bool((picture == colour).all(axis=2).any())


def test_fill_contour_and_background():
    image = np.random.default_rng(0).integers(0, 256, (90, 120), np.uint8)
    picture = Overlay(opacity=0.5, contour=2, **PLAIN).draw(results.result(image))
    rgb = np.repeat(image[..., None], 3, 2)
    np.testing.assert_array_equal(picture[30, 40:80], [OKABE_ITO[0]] * 40)
    np.testing.assert_allclose(picture[45, 60], (rgb[45, 60] + np.array(OKABE_ITO[0])) / 2, atol=1)
    picture[30:60, 40:80] = rgb[30:60, 40:80]
    np.testing.assert_array_equal(picture, rgb)


@pytest.mark.parametrize(("oldest_ms", "late"), [(None, False), (20.0, False), (10.0, True)])
def test_a_mask_that_is_too_old_is_faded_and_marked(oldest_ms, late):
    shown = results.result(_grey(90, 120))  # 12.3 ms old
    plain = Overlay(opacity=1.0, **PLAIN).draw(shown)
    picture = Overlay(opacity=1.0, oldest_ms=oldest_ms, **PLAIN).draw(shown)
    assert (plain[45, 60] == OKABE_ITO[0]).all()
    assert (picture[45, 60] == OKABE_ITO[0]).all() is np.bool_(not late)
    assert _has(picture, AMBER) is late
    assert late is not np.array_equal(picture, plain)


@pytest.mark.parametrize(("max_age_ms", "late"), [(None, False), (20, False), (10, True)])
def test_the_age_of_the_pipeline_holds_unless_the_overlay_has_its_own(max_age_ms, late):
    shown = replace(results.result(_grey(90, 120)), max_age_ns=max_age_ms and max_age_ms * 1_000_000)  # 12.3 ms old
    assert _has(Overlay(opacity=1.0, **PLAIN).draw(shown), AMBER) is late
    assert _has(Overlay(opacity=1.0, oldest_ms=1.0, **PLAIN).draw(shown), AMBER)
    assert not _has(Overlay(opacity=1.0, oldest_ms=1000.0, **PLAIN).draw(shown), AMBER)


def test_grey_and_rgb_are_drawn_alike():
    image = np.random.default_rng(1).integers(0, 256, (100, 100), np.uint8)
    colour = np.repeat(image[..., None], 3, 2)
    np.testing.assert_array_equal(Overlay().draw(results.result(image)), Overlay().draw(results.result(colour)))


def test_the_frame_is_never_written_to():
    image = np.random.default_rng(2).integers(0, 256, (100, 100, 3), np.uint8)
    before, labels = image.copy(), results.square((100, 100))
    for array in (image, labels):
        array.setflags(write=False)
    picture = Overlay().draw(results.result(image, labels))
    assert not np.may_share_memory(picture, image)
    np.testing.assert_array_equal(image, before)
    with pytest.raises(ImageError, match="give an array of its own"):
        Overlay().draw(results.result(before), out=before)


def test_a_mask_of_another_frame_is_refused():
    with pytest.raises(ImageError, match=r"\(48, 64\).*\(100, 100\)"):
        Overlay().draw(results.result(_grey(100, 100), np.zeros((48, 64), np.uint8)))


def test_out_is_used_and_a_steady_stream_allocates_nothing_large():
    overlay, shown = Overlay(), results.result(np.full((400, 500, 3), 90, np.uint8))
    out = np.empty((400, 500, 3), np.uint8)
    assert overlay.draw(shown, out) is out
    tracemalloc.start()
    for _ in range(3):
        overlay.draw(shown, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes / 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (63, 63), (64, 64), (65, 3000), (128, 128), (721, 1279)])
@pytest.mark.parametrize("life", [Life.LIVE, Life.LOST])
def test_any_size_can_be_drawn(shape, life):
    shown = results.result(_grey(*shape), np.zeros(shape, np.uint8), life=life, reason="no speckle " * 30, dropped=10**9)
    picture = Overlay(0.0).draw(shown)
    assert picture.shape == (*shape, 3)
    assert (picture != 100).any() == (min(shape) >= 64)  # smaller frames get no text


@pytest.mark.parametrize("value", [0, 60, 128, 255])
def test_letters_can_be_read_on_any_grey(value):
    foot = Overlay(**LETTERED).draw(results.result(_grey(300, 300, value), _grey(300, 300, 0)))[-13:, :30]
    assert foot.max() == 255
    assert np.median(foot) <= 64


def test_letters_grow_with_the_frame():
    heights = []
    for side in (128, 720, 2160):
        picture = Overlay(**LETTERED).draw(results.result(_grey(side, side, 255), _grey(side, side, 0)))
        heights.append(np.count_nonzero(picture[:, 0, 0] < 255))
    assert heights == sorted(set(heights))
    assert heights[0] >= 12  # pixels: the smallest legible height
    assert heights[2] / heights[1] == pytest.approx(3, rel=0.15)


def test_lines_are_broken_to_the_width_of_a_small_frame():
    shown = results.result(
        _grey(128, 128, 255), _grey(128, 128, 0), life=Life.LOST, reason="the probe has been lifted off the skin"
    )
    picture = Overlay(legend=False).draw(shown)
    assert (picture[:, -1] == 255).all()
    assert (picture[:30] == 255).all()


@pytest.mark.parametrize("life", [Life.NEW, Life.CUT, Life.GAP, Life.LOST])
def test_what_became_of_the_memory_is_shown_at_once(life):
    overlay = Overlay(**LETTERED)
    alive = overlay.draw(results.result(_grey(200, 200)))
    other = overlay.draw(results.result(_grey(200, 200), life=life, reason="because"))
    assert _has(other, AMBER)
    assert not _has(alive, AMBER)


def test_each_state_has_a_word_of_its_own():
    states = (Life.NEW, Life.CUT, Life.GAP, Life.LOST)
    pictures = [Overlay(**LETTERED).draw(results.result(_grey(200, 200), life=life)) for life in states]
    assert len({picture.tobytes() for picture in pictures}) == len(states)


def test_frozen_is_shown_once_a_hold_is_longer_than_a_grabber_repeating_frames():
    overlay = Overlay(**LETTERED)
    lives = [Life.HELD] * 14 + [Life.LIVE] + [Life.HELD] * 16
    shown = [_has(overlay.draw(results.result(_grey(200, 200), life=life)), AMBER) for life in lives]
    assert shown == [False] * 29 + [True] * 2


def test_the_notice_stands_on_the_first_hundred_frames():
    overlay, shown = Overlay(legend=False), results.result(_grey(100, 300))
    pictures = [overlay.draw(shown).tobytes() for _ in range(102)]
    assert len(set(pictures[:100])) == 1
    assert pictures[99] != pictures[100] == Overlay(legend=False, notice=False).draw(shown).tobytes()


def test_latency_and_drops_are_shown():
    def drawn(**options):
        return Overlay(**LETTERED).draw(results.result(_grey(100, 300), **options)).tobytes()

    late = results.result(_grey(100, 300))
    late.trace.add("infer", 0, 99_900_000)
    assert len({drawn(), drawn(dropped=1), drawn(dropped=2), Overlay(**LETTERED).draw(late).tobytes()}) == 4
    assert _grey(100, 300)[0, 0] == Overlay(**PLAIN).draw(results.result(_grey(100, 300)))[-1, 0, 0]


def test_the_legend_names_colour_and_area():
    labels = results.square((200, 200))
    overlay = Overlay(0.0, 0, legend=True, latency=False, notice=False, palette=[(255, 0, 0), (0, 255, 0)])

    def drawn(labels, **options):
        return overlay.draw(results.result(_grey(200, 200, 0), labels, classes=("lumen", "wall"), **options))

    both = drawn(labels)
    assert _has(both[:60], (255, 0, 0))
    assert _has(both[:60], (0, 255, 0))
    larger, in_mm = np.maximum(labels, results.square((200, 200)).T), drawn(labels, spacing_mm=(0.1, 0.1))
    larger[0, -1] = 1
    assert len({both.tobytes(), drawn(larger).tobytes(), in_mm.tobytes(), drawn(labels * 0).tobytes()}) == 4


def test_more_classes_than_there_is_room_for():
    names = tuple(f"class {i}" for i in range(254))
    labels = np.arange(200 * 200, dtype=np.uint64).reshape(200, 200).astype(np.uint8) % 255
    few = Overlay(0.0, 0).draw(results.result(_grey(200, 200, 255), labels, classes=names))
    more = Overlay(0.0, 0).draw(results.result(_grey(200, 200, 255), labels, classes=names[:100]))
    assert (few != more).any()  # "+ 245 more" and "+ 91 more"


@pytest.mark.parametrize("name", ["", "Ärterie", "血管", "a\x00b\nc", "\ud800", "%s {0}", "x" * 5000])
def test_hostile_names_and_reasons_are_drawn(name):
    shown = results.result(_grey(200, 200), classes=(name,), life=Life.LOST, reason=name)
    assert Overlay().draw(shown).shape == (200, 200, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opacity": 1.5}, "the opacity is 1.5: give a value from 0 to 1"),
        ({"opacity": float("nan")}, "the opacity is nan"),
        ({"contour": -1}, "the contour's width is -1: give a value"),
        ({"palette": []}, "give one for each class"),
        ({"palette": [(1, 2)]}, "give one for each class"),
        ({"palette": [(0, 0, 256)]}, "each 0 to 255"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ConfigError, match=message):
        Overlay(**options)


def test_an_unfamiliar_mask_is_dashed_gray_and_not_filled():
    labels = np.zeros((300, 160), np.uint8)
    labels[30:110, 40:120] = 1
    image = np.full((300, 160), 20, np.uint8)
    overlay = Overlay(0.5, 2, legend=False, latency=False, notice=False)
    drawn = overlay.draw(results.result(image, labels, familiarity=0.2))[:150]  # above the text
    rim = inner_contour(labels, 2)[:150] > 0
    assert (drawn[~rim] == 20).all()  # neither area nor color
    shown = (drawn[rim] == 150).all(1)
    assert 0.3 < shown.mean() < 0.7  # dashes
    assert (drawn[rim][~shown] == 20).all()
    filled = overlay.draw(results.result(image, labels, familiarity=0.8))[:150]
    assert (filled[60, 80] != 20).all()


def test_an_unfamiliar_picture_is_named_and_its_measures_are_not_shown():
    image = np.full((480, 640), 20, np.uint8)
    overlay = Overlay(latency=False, notice=False)
    named = overlay.draw(results.result(image, familiarity=0.2))
    assert (named[240:] != 20).any(axis=2).sum() > 500  # the words at the bottom
    assert (named[:40, :200] == 20).all()  # no legend


def test_dashes_show_where_the_contour_runs_in_each_direction():
    labels = np.zeros((200, 200), np.uint8)
    labels[20:160, 20:160] = 1
    image = np.zeros((200, 200), np.uint8)
    drawn = Overlay(0, 1, legend=False, latency=False, notice=False).draw(results.result(image, labels, familiarity=0.0))
    for line in (drawn[20, 20:160, 0], drawn[20:160, 20, 0], drawn[20:160, 159, 0]):
        assert 0.3 < (line > 0).mean() < 0.7


def test_an_answer_in_doubt_stands_on_the_picture_and_on_the_page():
    image = np.full((480, 640), 20, np.uint8)
    result = results.result(image)
    doubted = replace(result, segmentation=replace(result.segmentation, doubt="lumen fills the sector"))
    overlay = Overlay(latency=False, notice=False)
    assert (overlay.draw(result)[400:] == 20).all()
    drawn = overlay.draw(doubted)
    amber = (drawn[400:].astype(int) == (255, 200, 60)).all(axis=2)
    assert amber.sum() > 300  # the words at the bottom
    stats = LiveStats()
    stats.open(results.stream())
    stats.add(doubted)
    assert stats.snapshot()["doubt"] == "lumen fills the sector"


def test_the_heart_rate_and_the_newest_moments_stand_on_the_picture_and_on_the_page():
    mark = CycleMark("ED", 104, 3.5, 98.0)
    result = results.result(np.full((480, 640), 20, np.uint8))
    beating = replace(result, segmentation=replace(result.segmentation, cycle=CycleState("area", 72.4, 0.2, (), {"ED": mark})))
    overlay = Overlay(latency=False, notice=False)
    assert (overlay.draw(beating)[:60] != 20).any(axis=2).sum() > (overlay.draw(result)[:60] != 20).any(axis=2).sum() + 200
    stats = LiveStats()
    stats.add(beating)
    assert stats.snapshot()["cycle"] == {"heart_rate": 72.4, "phase": 0.2, "latest": {"ED": 104}}
    stats.add(result)
    assert stats.snapshot()["cycle"] is None
