"""Tests the prefetching of clips: reproducible batches, and no thread left."""

import threading

import numpy as np
import pytest

from rtseg.train.clips import TrainingClip
from rtseg.train.loader import ClipLoader


class RandomClipSampler:
    """Draws clips of one random number; optionally, the third draw fails."""

    def __init__(self, broken=False):
        self.drawn, self.broken = 0, broken

    def draw(self, rng, length):
        self.drawn += 1
        if self.broken and self.drawn == 3:
            raise ValueError("a broken picture")
        return TrainingClip(np.full((length, 4, 4), rng.random(), np.float32), np.zeros((length, 1, 4, 4), np.float32))


def test_batches_are_of_their_step_wherever_the_loader_starts():
    with ClipLoader(RandomClipSampler(), (3, 2), 1, 0, 5) as loader:
        whole = [batch.frames for batch in loader]
    with ClipLoader(RandomClipSampler(), (3, 2), 1, 3, 5) as loader:
        rest = [batch.frames for batch in loader]
    assert [batch.shape for batch in whole] == [(2, 3, 4, 4)] * 5
    assert np.array_equal(whole[3:], rest)
    assert len({batch[0, place, 0, 0] for batch in whole for place in range(3)}) == 15


def test_the_thread_ends_with_the_loader_and_works_no_further_than_it_may():
    sampler = RandomClipSampler()
    with ClipLoader(sampler, (1, 2), 1, 0, 10**6) as loader:
        next(iter(loader))
    loader.close()
    assert sampler.drawn < 20
    assert not [thread for thread in threading.enumerate() if thread.name == "rtseg-clips"]


def test_an_error_in_the_thread_is_raised_where_the_batches_are_read():
    with (
        ClipLoader(RandomClipSampler(broken=True), (1, 2), 1, 0, 5) as loader,
        pytest.raises(ValueError, match="a broken picture"),
    ):
        list(loader)
