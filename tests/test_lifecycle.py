"""What each frame means for the memory."""

import numpy as np

from rtseg.frame import Frame, Life
from rtseg.lifecycle import Lifecycle, LifecycleLimits


def _frame(index: int, height: int = 4) -> Frame:
    return Frame(np.zeros((height, 5), np.uint8), index, 0)


def _lives(*frames: Frame) -> list[Life]:
    lifecycle = Lifecycle(LifecycleLimits(gap_frames=3))
    return [lifecycle.observe(frame)[0] for frame in frames]


def test_first_frame_is_new_and_the_stream_goes_on():
    assert _lives(_frame(0), _frame(1), _frame(2)) == [Life.NEW, Life.LIVE, Life.LIVE]


def test_another_size_is_new():
    assert _lives(_frame(0), _frame(1, height=6)) == [Life.NEW, Life.NEW]


def test_few_drops_are_borne_and_many_are_a_gap():
    assert _lives(_frame(0), _frame(4), _frame(9)) == [Life.NEW, Life.LIVE, Life.GAP]


def test_a_source_that_begins_again_is_new():
    assert _lives(_frame(0), _frame(1), _frame(0)) == [Life.NEW, Life.LIVE, Life.NEW]


def test_the_reason_is_said():
    lifecycle = Lifecycle()
    lifecycle.observe(_frame(0))
    assert lifecycle.observe(_frame(100)) == (Life.GAP, "99 frames lost")
    assert lifecycle.observe(_frame(101, height=9)) == (Life.NEW, "size changed from 5x4 to 5x9")


def test_forgetting_makes_the_next_frame_the_first():
    lifecycle = Lifecycle()
    lifecycle.observe(_frame(0))
    lifecycle.forget()
    assert lifecycle.observe(_frame(1))[0] is Life.NEW
