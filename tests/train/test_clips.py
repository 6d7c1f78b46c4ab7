"""Tests training clips: exact masks, smooth motion, reproducibility, and an intact first frame."""

import numpy as np
import pytest

from rtseg.evaluation.dataset import open_dataset
from rtseg.train.augment import Speckle, border, degrade
from rtseg.train.clips import ClipSampler, TrainingClip, join_side_by_side, render_frame
from rtseg.train.config import DataConfig
from rtseg.train.motion import Pulse, SimulatedMotion, similarity
from rtseg.train.still_image import StillImage, load_still

SIZE = (64, 64)
DATA = DataConfig("unread", (), zoom=0.15, joined=0.5)
ASIS = similarity(0.0, 1.0, (0, 0), (0, 0))


def disc(n=64, centre=(32.0, 28.0), radius=12.0):
    y, x = np.mgrid[:n, :n]
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    return StillImage("disc", np.where(inside, 0, 200).astype(np.uint8), (255 * inside[None]).astype(np.uint8))


def test_image_and_truth_move_as_one():
    motion = SimulatedMotion(SIZE, ASIS, np.random.default_rng(3), drift=1.5, elastic=2.0)
    for time in (0.0, 7.0, 19.0):
        image, truth = render_frame(disc(), motion, time, Pulse((32.0, 28.0), 12.0, 0.2, 0.05, 0.3))
        seen = image[4:-4, 4:-4]  # outside of the still is black
        assert np.mean((seen < 100) != (truth[0, 4:-4, 4:-4] > 0.5)) < 0.002


def test_no_motion_is_the_still_itself():
    motion = SimulatedMotion(SIZE, ASIS, np.random.default_rng(0), drift=0.0, elastic=0.0)
    image, truth = render_frame(disc(), motion, 11.0, None)
    assert np.array_equal(image, disc().image)
    assert np.array_equal(truth, disc().truth / np.float32(255))


def test_motion_is_smooth():
    motion = SimulatedMotion(SIZE, ASIS, np.random.default_rng(5), drift=1.5, elastic=2.0)
    x, y = np.array([motion.maps(time) for time in range(40)]).swapaxes(0, 1)
    speed = np.hypot(np.diff(x, axis=0), np.diff(y, axis=0)).max()
    assert 0.01 < speed < 1.5  # pixels a frame
    folded = np.diff(x, axis=2).min()
    assert folded > 0, "the picture folds over itself"


def test_a_pulse_widens_the_vessel_and_leaves_the_rest():
    pulse = Pulse((32.0, 28.0), 12.0, 0.2, 0.05, 0.0)
    motion = SimulatedMotion(SIZE, ASIS, np.random.default_rng(0), 0.0, 0.0)
    widths = [render_frame(disc(), motion, time, pulse)[1].sum() for time in range(21)]
    assert widths[0] == pytest.approx(disc().truth.sum() / 255, rel=1e-3)
    assert max(widths) > 1.15 * widths[0]
    assert widths[20] == pytest.approx(widths[0], rel=1e-3)  # one beat later
    x, _ = motion.maps(5.0, pulse)
    assert abs(x[60, 60] - 60) < 0.2 < 1 < abs(x[28, 44] - 44)


def test_the_same_seed_draws_the_same_clip_and_another_does_not(dataset_folder):
    sampler = ClipSampler(open_dataset(dataset_folder), 1, SIZE, DATA, 0.5)
    one, same, other = (sampler.draw(np.random.default_rng(seed), 5) for seed in (7, 7, 8))
    assert np.array_equal(one.frames, same.frames)
    assert np.array_equal(one.truth, same.truth)
    assert not np.array_equal(one.frames, other.frames)


def test_clips_keep_their_ranges(dataset_folder):
    sampler = ClipSampler(open_dataset(dataset_folder), 1, SIZE, DATA, 0.5)
    for seed in range(30):
        clip = sampler.draw(np.random.default_rng(seed), 5)
        assert (clip.frames.shape, clip.truth.shape) == ((5, *SIZE), (5, 1, *SIZE))
        assert (clip.frames.dtype, clip.truth.dtype) == (np.float32, np.float32)
        assert clip.frames.min() >= 0
        assert clip.frames.max() <= 255
        assert clip.truth.min() >= 0
        assert clip.truth.max() <= 1


def test_a_clip_of_one_frame_is_never_spoilt(dataset_folder):
    sampler = ClipSampler(open_dataset(dataset_folder), 1, SIZE, DATA, 1.0)
    assert sampler.draw(np.random.default_rng(0), 1).frames.shape == (1, *SIZE)


def test_joined_scenes_keep_their_columns_and_their_truth():
    shape = 64, 400
    dark, bright = (np.full((2, *shape), grey, np.uint8) for grey in (10, 200))
    clip = join_side_by_side(
        TrainingClip(dark, np.zeros((2, 1, *shape))), TrainingClip(bright, np.ones((2, 1, *shape))), np.random.default_rng(1)
    )
    assert clip.frames.dtype == np.uint8
    assert np.ptp(clip.frames, axis=1).max() == 0  # whole columns
    assert (clip.frames[0, 0, :8] == 10).all()
    assert (clip.frames[0, 0, -8:] == 200).all()
    assert np.abs((clip.frames - 10) / 190 - clip.truth[:, 0]).max() < 0.003


def test_sparse_clips_follow_the_scan_in_order(dataset_folder):
    sampler = ClipSampler(open_dataset(dataset_folder), 1, SIZE, DATA, 1.0)
    orders = [
        tuple(int(one.truth[0].any(0).argmax()) for one in sampler._subject(np.random.default_rng(seed), 3))
        for seed in range(20)
    ]
    assert all(list(order) == sorted(order) for order in orders)  # the dataset's discs move to the right over time
    assert any(len(set(order)) == 3 for order in orders)


def test_a_still_keeps_the_share_of_each_class(dataset_folder):
    case = open_dataset(dataset_folder)[0]
    small = load_still(case, 1)
    assert small.truth.shape == (1, 320, 267)
    assert small.truth.mean() / 255 == pytest.approx(case.labels(1).mean(), rel=0.02)


def test_speckle_decorrelates_step_by_step():
    rng = np.random.default_rng(0)
    speckle = Speckle(rng, SIZE, 0.2)
    first, *rest = (speckle.next(rng).ravel() for _ in range(12))
    near, far = (np.corrcoef(first, other)[0, 1] for other in (rest[0], rest[-1]))
    assert first.mean() == pytest.approx(1, abs=0.02)
    assert near > far + 0.1


def test_every_degradation_changes_the_frame_within_its_range():
    picture = np.tile(np.linspace(0, 255, 64, dtype=np.float32), (64, 1))
    for seed in range(40):
        spoilt = degrade(picture, np.random.default_rng(seed), (32.0, 32.0))
        assert spoilt.dtype == np.float32
        assert 0 <= spoilt.min() < spoilt.max() <= 255
        assert np.abs(spoilt - picture).mean() > 0.2  # gray levels


def test_a_border_leaves_most_of_the_picture():
    shares = [border(np.random.default_rng(seed), SIZE).mean() for seed in range(50)]
    assert min(shares) > 0.4
    assert max(shares) <= 1
