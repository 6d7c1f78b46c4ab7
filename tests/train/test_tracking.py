"""Tests the training of a tracker: its clips, its prompts, a short training that resumes, and its export."""

import networks
import numpy as np
import pytest
from torch import nn

from rtseg.engines.load import load_engine
from rtseg.engines.tracker_states import TrackerStates
from rtseg.errors import ConfigError, DatasetError
from rtseg.evaluation.dataset import open_dataset
from rtseg.train.config import DataConfig
from rtseg.train.tracking.drawn_prompts import draw_prompt
from rtseg.train.tracking.object_clips import MIN_AREA_PX, ObjectClip, ObjectSampler
from rtseg.train.tracking.quantizing import _prompted, quantize_tracker
from rtseg.train.tracking.tracking_config import read_tracking_config
from rtseg.train.tracking.training import TrackerTraining, export_tracker, read_tracker_checkpoint, train_tracker, write_weights

SIZE = (64, 64)


@pytest.fixture
def tracking(tmp_path, config):
    def write(**settings):
        values = {"minutes": 0.02, "batch": 1, "clip": 3, "clock": '"cpu"', **settings}
        lines = "\n".join(f"{name} = {value}" for name, value in values.items())
        path = tmp_path / "track.toml"
        path.write_text(f'name = "track"\ndata = ["{config(1)}"]\nsize = [64, 64]\n[schedule]\n{lines}\n')
        return path

    return write


def test_a_clip_begins_with_its_object_and_a_prompt_on_it(dataset_folder):
    sampler = ObjectSampler(open_dataset(dataset_folder), ("vessel",), SIZE, DataConfig("", ()), 0.3)
    absent = 0
    for seed in range(25):
        clip = sampler.draw_object(np.random.default_rng(seed), 5)
        assert clip.truth[0].sum() >= MIN_AREA_PX
        assert clip.prompts[0, 0].max() > 0
        assert clip.prompts.shape == (5, 2, 32, 32)
        absent += sum(not plane.any() for plane in clip.truth)
    assert 5 < absent < 80


def test_prompts_lie_on_the_object_and_what_is_other_beside_it():
    truth = np.zeros(SIZE, np.float32)
    truth[20:44, 16:40] = 1
    kinds, shares = set(), []
    for seed in range(80):
        belongs, other = draw_prompt(truth, np.random.default_rng(seed))
        inside = truth[::2, ::2] > 0
        shares.append((belongs * inside).sum() / belongs.sum())
        assert (other * inside).sum() < 0.3 * other.sum() if other.any() else True
        kinds.add((round(float(belongs.max()), 1), bool(other.any()), belongs.sum() > 100))
    assert min(shares) > 0.3  # a point at the border covers what lies beyond it
    assert np.mean(shares) > 0.85
    assert len(kinds) >= 4


def test_a_dataset_without_objects_is_refused(dataset_folder):
    sampler = ObjectSampler(open_dataset(dataset_folder), ("vessel",), SIZE, DataConfig("", ()), 0.0)
    sampler._scans = [[type(one)(one.subject, one.image, 0 * one.truth) for one in group] for group in sampler._scans]
    with pytest.raises(DatasetError, match="no picture shows an object"):
        sampler.draw_object(np.random.default_rng(0), 2)


def test_a_training_runs_resumes_and_is_exported(tracking, tmp_path):
    out = tmp_path / "run"
    checkpoint = train_tracker(tracking(), out)
    config, values = read_tracker_checkpoint(checkpoint)
    assert config == read_tracking_config(tmp_path / "track.toml")
    assert values["step"] == len(values["losses"]) > 0
    assert train_tracker(tmp_path / "track.toml", out, resume=True) == checkpoint
    with pytest.raises(ConfigError, match=r"last\.pt is there"):
        train_tracker(tmp_path / "track.toml", out)
    assert export_tracker(checkpoint, tmp_path / "track.onnx") < 1e-2
    engine = load_engine(tmp_path / "track.onnx")
    assert engine.spec.states[0].role == "prompt"
    engine.close()
    with pytest.raises(ConfigError, match="give 1 to"):
        export_tracker(checkpoint, tmp_path / "none.onnx", objects=0)


def test_the_norms_keep_their_statistics_from_a_share_of_the_training_on(tracking):
    """A network that was only trained by the statistics of its batches followed nothing in use."""
    training = TrackerTraining(read_tracking_config(tracking()))
    training.network.train()
    norm = next(module for module in training.network.modules() if isinstance(module, nn.BatchNorm2d))
    frames, truth = np.zeros((2, 1, 64, 64), np.uint8), np.zeros((2, 1, 1, 64, 64), np.float32)
    clip = ObjectClip(frames, truth, np.zeros((2, 1, 2, 32, 32), np.float32), np.zeros((2, 1), np.int64))
    before = norm.running_mean.clone()
    training.loss(clip)
    assert not norm.running_mean.equal(before)
    training.seconds, before = 0.02 * 60 * 0.5, norm.running_mean.clone()
    training.loss(clip).backward()
    assert norm.running_mean.equal(before)
    assert norm.weight.grad is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"minutes": 0}, "minutes and batch are above 0"),
        ({"clip": 1}, "clip above 1"),
        ({"learning_rate": 0.0}, "learning_rate are above 0"),
        ({"mood": 1}, "no setting 'mood'"),
    ],
)
def test_settings_that_cannot_be_are_refused(tracking, settings, message):
    with pytest.raises(ConfigError, match=message):
        read_tracking_config(tracking(**settings))


def test_a_training_starts_from_weights(tracking, tmp_path):
    first = TrackerTraining(read_tracking_config(tracking()))
    first.save(tmp_path / "last.pt")
    write_weights(tmp_path / "last.pt", tmp_path / "start.pt")
    path = tracking()
    path.write_text('start = "start.pt"\n' + path.read_text().replace("seed = 1", ""))
    train_tracker(path, tmp_path / "run")
    _, values = read_tracker_checkpoint(tmp_path / "run" / "last.pt")
    key = next(name for name in values["network"] if name.endswith("weight"))
    assert (values["network"][key] - first.network.state_dict()[key]).abs().max() < 0.05
    (tmp_path / "start.pt").write_bytes(b"none")
    with pytest.raises(ConfigError, match="holds no weights of this tracker"):
        train_tracker(path, tmp_path / "again")


def test_no_checkpoint_of_a_tracker(tmp_path):
    (tmp_path / "last.pt").write_bytes(b"not torch")
    with pytest.raises(ConfigError, match="no checkpoint of a tracker"):
        read_tracker_checkpoint(tmp_path / "last.pt")


def test_a_file_that_follows_nothing_is_not_quantized(tracking, tmp_path):
    with pytest.raises(ConfigError, match="follows no objects"):
        quantize_tracker(tracking(), networks.recurrent(tmp_path / "tiny.onnx"), tmp_path / "int8.onnx")


def test_all_objects_of_a_calibration_get_the_prompts_of_a_clip():
    states = TrackerStates("prompt_in", "pinned_in", (3, 1, 1, 1), 8, (3, 2, 32, 32))
    prompts = np.zeros((2, 2, 32, 32), np.float32)
    prompts[0, 0, 3, 4] = 1
    clip = ObjectClip(np.full((2, 64, 64), 300.2), np.zeros((2, 1, 64, 64), np.float32), prompts, np.zeros(2, np.int64))
    first, second = _prompted(clip, states)
    assert first.image.max() == 255
    assert first.writes["prompt_in"][:, 0, 3, 4].tolist() == [1, 1, 1]
    assert not second.writes["prompt_in"].any()
