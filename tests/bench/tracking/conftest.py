"""Builds a clip of a disc that moves over noise, and followers with planted faults."""

import cv2
import numpy as np
import pytest

from rtseg.bench.tracking.clip import TrackingClip
from rtseg.bench.tracking.followers import TrackedMask

HEIGHT, WIDTH = 120, 200


def disc_clip(frames: int = 40, name: str = "disc", seed: int = 0, center: int = 88) -> TrackingClip:
    """Return a bright disc that moves by a pixel in three frames over speckle that moves with it."""
    rng = np.random.default_rng(seed)
    background = cv2.GaussianBlur(rng.uniform(20, 120, (HEIGHT, WIDTH + frames)).astype(np.float32), (0, 0), 1.5)
    images, truths = [], []
    for t in range(frames):
        shift = t // 3
        truth = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(truth, (center + shift, 60), 9, 1, -1)
        moved = background[:, frames - shift : frames - shift + WIDTH]
        images.append(np.where(truth > 0, 220, moved).astype(np.uint8))
        truths.append(truth > 0)
    return TrackingClip(name, tuple(images), tuple(truths))


class Planted:
    """Answers from the truth of the clip, as `answer` chooses."""

    def __init__(self, answer):
        self._answer = answer

    def start(self, clip, prompt):
        self._clip, self._next = clip, 0
        self.prompt = prompt
        return self.follow(clip.images[0])

    def follow(self, image):
        t, self._next = self._next, self._next + 1
        assert image is self._clip.images[t]
        return self._answer(self._clip, t)


def perfect(clip, t):
    """Return the truth, and say that it is lost where it is empty."""
    truth = clip.truths[t]
    return TrackedMask(truth, not truth.any())


def never_lost(clip, t):
    """Return the newest mask that was there, and never say that it is lost."""
    return TrackedMask(next(clip.truths[s] for s in range(t, -1, -1) if clip.truths[s].any()))


def always_lost(clip, t):
    """Return nothing."""
    return TrackedMask(np.zeros_like(clip.first), is_lost=True)


def jumping(clip, t):
    """Return the distractor from frame 10 on, where there is one."""
    return TrackedMask(clip.distractors[t]) if clip.distractors and t >= 10 else perfect(clip, t)


@pytest.fixture(scope="session")
def disc() -> TrackingClip:
    return disc_clip()
