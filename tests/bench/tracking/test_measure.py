"""Tests what the benchmark says about trackers whose faults are known."""

from dataclasses import replace

import numpy as np
import pytest
from bench.tracking.conftest import Planted, always_lost, disc_clip, jumping, never_lost, perfect

from rtseg.bench.tracking.followers import CopyFollower, TrackedMask
from rtseg.bench.tracking.measure import TrackingBench, scripted_interruptions
from rtseg.bench.tracking.report import clip_rows, pooled, summarize


def measured(answer, *clips, class_answer=None):
    compared = class_answer and Planted(class_answer)
    return TrackingBench(Planted(answer) if callable(answer) else answer, compared).measure(clips)


@pytest.fixture(scope="module")
def of_perfect(disc):
    return summarize(measured(perfect, disc, class_answer=never_lost))


def test_a_perfect_tracker_scores_one(of_perfect):
    assert of_perfect["track"] == of_perfect["lost_within_5"] == of_perfect["refound"] == 1
    assert of_perfect["false_lost"] == of_perfect["silent_jumps"] == 0
    assert of_perfect["ratio_to_class"] == 1
    assert of_perfect["over"]["track"] == {"clips": 1, "frames": 39}
    assert of_perfect["over"]["lost_within_5"] == {"events": 3, "not_followed_before": 0}  # a lift and two cuts
    assert of_perfect["over"]["refound"] == {"events": 4}  # and a shadow
    assert of_perfect["over"]["false_lost"] == {"frames": 39}
    assert of_perfect["over"]["silent_jumps"]["clips"] == 8  # four sides, hidden or not
    assert of_perfect["interruptions"]["cut"]["masks_while_gone"] == 0
    assert set(of_perfect["prompts"]) == {"point", "mask"}


def test_optical_flow_follows_what_moves_and_a_copy_does_not(of_perfect):
    assert of_perfect["flow"] > 0.95
    assert of_perfect["copy"] < 0.6


def test_a_tracker_that_copies_scores_as_the_copy(disc):
    figures = summarize(measured(CopyFollower(), disc))
    assert figures["track"] == figures["copy"]
    assert figures["ratio_to_class"] is None
    assert figures["class"] is None


def test_a_tracker_that_never_says_lost_is_counted(disc):
    figures = summarize(measured(never_lost, disc))
    assert figures["lost_within_5"] == 0
    assert figures["interruptions"]["lift"]["masks_while_gone"] == 1
    assert figures["track"] == 1
    assert figures["refound"] == 1


def test_a_tracker_that_is_always_lost_gains_nothing_by_it(disc):
    figures = summarize(measured(always_lost, disc))
    assert figures["false_lost"] == 1
    assert figures["track"] == 0
    assert figures["lost_within_5"] is None
    assert figures["refound"] is None
    assert figures["over"]["lost_within_5"] == {"events": 0, "not_followed_before": 3}


def test_a_tracker_that_jumps_is_counted_by_clip(disc):
    figures = summarize(measured(jumping, disc))
    assert figures["silent_jumps"] == figures["over"]["silent_jumps"]["clips"] == len(figures["jumped"]) == 8
    assert figures["track"] == 1


def test_a_tracker_that_is_lost_and_shows_a_mask_has_not_withdrawn_it(disc):
    def lost_with_mask(clip, t):
        return TrackedMask(never_lost(clip, t).mask, not clip.truths[t].any())

    assert summarize(measured(lost_with_mask, disc))["lost_within_5"] == 0


def test_both_prompts_reach_the_tracker(disc):
    prompts = []

    class Noting(Planted):
        def start(self, clip, prompt):
            prompts.append(prompt)
            return super().start(clip, prompt)

    TrackingBench(Noting(perfect)).measure([disc])
    assert prompts[0].points == ((88.0, 60.0),)
    assert np.array_equal(prompts[1].mask, disc.first)


def test_only_annotated_frames_are_scored(disc):
    sparse = replace(disc, truths=tuple(truth if t % 10 == 0 else None for t, truth in enumerate(disc.truths)))

    def wrong_between(clip, t):
        truth = clip.truths[t]
        return TrackedMask(np.ones_like(clip.first) if truth is None else truth, truth is not None and not truth.any())

    figures = summarize(measured(wrong_between, sparse))
    assert figures["track"] == 1
    assert figures["over"]["track"] == {"clips": 1, "frames": 3}


def test_results_of_groups_are_pooled(disc):
    groups = {"a": measured(perfect, disc), "b": measured(always_lost, disc_clip(name="other"))}
    figures = summarize(pooled(groups))
    assert figures["track"] == 0.5
    assert figures["over"]["false_lost"] == {"frames": 78}
    assert figures["false_lost"] == 0.5
    assert [row["clip"] for row in clip_rows(groups["a"])] == ["disc", "disc"]


def test_the_seed_alone_decides_what_is_scripted(disc):
    clips = [disc, disc_clip(name="other", seed=3, center=100)]
    first, again, other = ([one.interruption for one in scripted_interruptions(clips, 0, seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert [one.kind for one in first] == ["lift", "cut", "cut", "occlusion"]
