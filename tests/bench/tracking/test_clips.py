"""Tests the scripted clips: what they show, and that their truth is right."""

import numpy as np
import pytest
from bench.tracking.conftest import HEIGHT, WIDTH, disc_clip

from rtseg.bench.tracking.clip import inner_centroid
from rtseg.bench.tracking.distractor import HIDDEN, with_distractors
from rtseg.bench.tracking.interruptions import AFTER_FRAMES, GONE_FRAMES, interrupt


def test_the_prompt_lies_on_an_object_with_a_hole():
    ring = np.zeros((40, 40), bool)
    ring[10:30, 10:30] = True
    ring[14:29, 12:28] = False
    x, y = inner_centroid(ring)
    assert ring[int(y), int(x)]
    assert inner_centroid(np.pad(np.ones((3, 5), bool), 4)) == (6.0, 5.0)


def test_a_short_clip_is_played_forwards_and_backwards():
    clip = disc_clip(frames=4)
    places = [next(t for t, one in enumerate(clip.images) if one is image) for image in clip.bounced(9).images]
    assert places == [0, 1, 2, 3, 2, 1, 0, 1, 2]


@pytest.mark.parametrize("kind", ["lift", "cut"])
def test_another_view_is_inserted_and_the_clip_goes_on(disc, kind):
    found = interrupt(disc, kind, np.random.default_rng(0), [disc_clip(name="other", seed=5)] if kind == "cut" else ())
    gone = range(found.interruption.start, found.interruption.end)
    assert len(gone) == GONE_FRAMES[kind]
    assert len(found.images) == len(found.truths) == gone.start + len(gone) + AFTER_FRAMES
    assert not any(found.truths[t].any() for t in gone)
    assert found.images[gone.start - 1] is disc.images[gone.start - 1]
    assert found.images[gone.stop] is disc.images[gone.start]
    assert all(np.abs(found.images[t].astype(int) - disc.images[0]).mean() > 5 for t in gone)


def test_air_pictures_change_from_frame_to_frame(disc):
    found = interrupt(disc, "lift", np.random.default_rng(0))
    start = found.interruption.start
    assert not np.array_equal(found.images[start], found.images[start + 1])


def test_a_distant_part_of_the_picture_never_shows_the_object(disc):
    for seed in range(4):
        found = interrupt(disc, "cut", np.random.default_rng(seed))
        view = found.images[found.interruption.start : found.interruption.end]
        assert max(int(image.max()) for image in view) < 200  # the disc is 220


def test_an_object_that_fills_the_picture_leaves_no_other_view():
    clip = disc_clip()
    whole = np.ones((HEIGHT, WIDTH), bool)
    assert interrupt(type(clip)("whole", clip.images, (whole,) * 40), "cut", np.random.default_rng(0)) is None


def test_a_shadow_covers_the_object_alone(disc):
    found = interrupt(disc, "occlusion", np.random.default_rng(0))
    start, end = found.interruption.start, found.interruption.end
    shown = disc.bounced(len(found.images))
    for t in (start, end - 1):
        assert found.images[t][shown.truths[t]].max() < 20
        assert np.abs(found.images[t][:, :40].astype(int) - shown.images[t][:, :40]).max() <= 1
        assert not found.truths[t].any()
    assert np.array_equal(found.images[end], shown.images[end])


def test_a_double_stands_beside_the_object_and_moves_with_it(disc):
    clips = list(with_distractors(disc))
    assert len(clips) == 8
    for clip in clips:
        shown = disc.bounced(len(clip.images))
        for t in (0, HIDDEN.start, len(clip.images) - 1):
            truth, double = shown.truths[t], clip.distractors[t]
            assert not (truth & double).any()
            assert np.count_nonzero(double) == np.count_nonzero(truth)
            assert np.median(clip.images[t][double]) == 220
            hidden = "hidden" in clip.name and t in HIDDEN
            assert np.median(clip.images[t][truth]) == (pytest.approx(7, abs=1) if hidden else 220)
            assert clip.truths[t].any() != hidden


def test_no_double_is_planted_where_none_fits():
    clip = disc_clip()
    wide = np.zeros((HEIGHT, WIDTH), bool)
    wide[20:100, 20:180] = True
    assert not list(with_distractors(type(clip)("wide", clip.images, (wide,) * 40)))
