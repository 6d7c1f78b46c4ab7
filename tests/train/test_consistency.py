"""Tests the losses that need no annotation: coherence along the motion, and a teacher; and the distance from the border."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from rtseg.engines.base import ModelSpec
from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import open_dataset
from rtseg.train.clip_flow import clip_motion
from rtseg.train.clips import ClipSampler
from rtseg.train.config import DataConfig, LossConfig, from_values
from rtseg.train.consistency import coherence_loss, distillation_loss
from rtseg.train.loader import ClipLoader
from rtseg.train.loss import segmentation_loss
from rtseg.train.step_clock import StepClock
from rtseg.train.teacher import TeacherEnsemble, open_teacher


def texture(seed=0, size=96):
    import cv2

    noise = np.random.default_rng(seed).integers(0, 255, (size, size)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)


def moving(step=4):
    """Return frames that move to the right by `step` pixels each, and logits of a mask that moves along."""
    frames = np.stack([np.roll(texture(), step * t, 1) for t in range(3)])
    logits = torch.full((3, 1, 1, 48, 48), -8.0)
    for t in range(3):
        logits[t, 0, 0, 16:32, 10 + step // 2 * t : 26 + step // 2 * t] = 8.0
    return frames, logits


def test_the_motion_of_a_clip_leads_back_to_the_frame_before():
    motion = clip_motion(moving()[0])
    assert motion.shape == (2, 3, 48, 48)
    inside = motion[:, :, 12:-12, 12:-12]
    assert np.median(inside[:, 0]) == pytest.approx(-2, abs=0.2)  # in pixels of half the size
    assert np.median(inside[:, 1]) == pytest.approx(0, abs=0.2)
    assert np.median(inside[:, 2]) > 0.8
    cut = clip_motion(np.stack([texture(0), texture(1)]))
    assert np.median(cut[0, 2]) < 0.5


def test_a_mask_that_moves_along_is_coherent_and_one_that_flickers_is_not():
    frames, along = moving()
    motion = torch.from_numpy(clip_motion(frames))[:, None]
    flickering = along.clone()
    flickering[1] = -8.0
    standing = along[:1].expand(3, -1, -1, -1, -1)
    coherent, still, broken = (coherence_loss(one, motion).item() for one in (along, standing, flickering))
    assert coherent < 0.3 * still < still < broken
    assert coherence_loss(along[:1], motion[:0]) == 0


def test_the_gradient_of_coherence_reaches_every_frame():
    frames, logits = moving()
    logits = (0.1 * logits).requires_grad_()
    coherence_loss(logits, torch.from_numpy(clip_motion(frames))[:, None]).backward()
    assert logits.grad.abs().amax((1, 2, 3, 4)).min() > 0


@pytest.mark.parametrize("classes", [1, 2])
def test_a_student_that_agrees_with_the_teacher_costs_least(classes):
    wanted = torch.rand(2, 1, classes, 8, 8) / classes
    full = torch.cat([1 - wanted.sum(2, keepdim=True), wanted], 2).clamp(min=1e-6)
    agreeing = torch.logit(wanted) if classes == 1 else full.log()
    other = agreeing + torch.randn(agreeing.shape)
    assert distillation_loss(agreeing, wanted) < distillation_loss(other, wanted)


@dataclass
class ConstantEngine:
    """Answers each frame with one logit, and counts its states."""

    logit: float
    spec: ModelSpec
    begun: int = 0

    def initial_state(self):
        self.begun += 1
        return 0

    def infer(self, x, state):
        assert x.shape == (1, 1, 32, 32)
        return np.full((1, 1, 16, 16), self.logit + state, np.float32), state + 1.0

    def download(self, answer):
        return answer

    def close(self):
        """Do nothing."""


def spec(**changes):
    values = {"name": "n", "size": (32, 32), "classes": ("a",), "mean": (0.0,), "std": (1.0,)}
    return ModelSpec(**{**values, **changes})


def test_a_teacher_is_the_mean_of_its_networks_each_with_its_memory():
    engines = [ConstantEngine(-2.0, spec()), ConstantEngine(1.0, spec())]
    soft = TeacherEnsemble(engines).soft_targets(np.zeros((3, 2, 32, 32), np.float32))
    assert soft.shape == (3, 2, 1, 16, 16)
    expected = [np.mean([1 / (1 + np.exp(-(logit + t))) for logit in (-2.0, 1.0)]) for t in range(3)]
    assert np.allclose(soft[:, 0, 0, 0, 0], expected, atol=1e-5)
    assert [engine.begun for engine in engines] == [2, 2]  # once for each clip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("b",)}, "finds b: name a network of a"),
        ({"size": (64, 64)}, r"takes \(64, 64\) and the training \(32, 32\)"),
        ({"mean": (0.0,) * 3, "std": (1.0,) * 3}, "does not take gray levels alone"),
    ],
)
def test_a_teacher_that_does_not_fit(monkeypatch, change, message):
    monkeypatch.setattr("rtseg.train.teacher.load_engine", lambda *_, **__: ConstantEngine(0.0, spec(**change)))
    monkeypatch.setattr("rtseg.train.teacher.model_path", lambda name: name)
    values = {"name": "n", "classes": ["a"], "size": [32, 32], "data": {"folder": "d", "held_out": []}}
    config = from_values({**values, "teacher": {"models": ["one.onnx"]}}, "here")
    with pytest.raises(ConfigError, match=message), open_teacher(config):
        pass


def test_wrong_pixels_far_from_the_border_cost_more():
    target = torch.zeros(1, 1, 1, 64, 64)
    target[..., 20:44, 20:44] = 1
    only = LossConfig(0, 0, 0, 0, surface=1.0)

    def cost(rows):
        logits = torch.where(target > 0, 20.0, -20.0)
        logits[..., rows, 30:34] *= -1
        return segmentation_loss(logits, target, only).item()

    right = segmentation_loss(torch.where(target > 0, 20.0, -20.0), target, only).item()
    near, far, hole = cost(slice(44, 48)), cost(slice(58, 62)), cost(slice(30, 34))
    assert right < near < far
    assert right < hole
    assert segmentation_loss(torch.full((1, 1, 1, 64, 64), 20.0), torch.zeros(1, 1, 1, 64, 64), only) == 0


def test_clips_hold_their_motion_where_it_is_wanted(dataset_folder):
    data = DataConfig("unread", ())
    sampler = ClipSampler(open_dataset(dataset_folder), ["lumen"], (64, 64), data, 0.5, with_motion=True)
    clips = [sampler.draw(np.random.default_rng(seed), 4) for seed in range(12)]
    assert all(clip.motion.shape == (3, 3, 32, 32) and np.isfinite(clip.motion).all() for clip in clips)
    assert any((clip.motion[:, 2] == 0).all((1, 2)).any() for clip in clips), "degraded frames have no confidence"
    with ClipLoader(sampler, (2, 4), 1, 0, 1) as loader:
        (batch,) = loader
    assert batch.motion.shape == (3, 2, 3, 32, 32)


def test_the_cpu_clock_counts_the_work_between_steps():
    counted = {}
    for kind in ("cpu", "wall"):
        clock = StepClock(kind)
        clock.start_step()
        clock.end_step()
        sum(range(2_000_000))
        clock.start_step()
        counted[kind] = clock.end_step()
    assert counted["cpu"] > 20 * counted["wall"]
