"""Tests that answers which only look like masks are refused, and that the background is found where it is."""

from dataclasses import replace
from pathlib import Path

import made_networks as made
import numpy as np
import pytest
import torch
from torch import nn

from rtseg.engines.adopt.answer_certainty import follows_brightness, median_probability
from rtseg.engines.adopt.answer_check import _sector_picture
from rtseg.engines.adopt.examination import examine_network
from rtseg.engines.adopt.instance_masks import class_logits
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import load_engine
from rtseg.errors import ModelError
from rtseg.kernels.network.fit import letterbox

STATED = StatedFacts(mean=(0.0,), std=(255.0,))


class Heads(nn.Module):
    """Gives a mask and another answer that is computed after it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blobs, self.deep, self.other = made.Blobs(1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, channels, 1)

    def forward(self, x: torch.Tensor):
        features = torch.relu(self.blobs.mix(torch.relu(self.blobs.smooth(x))))
        return self.blobs.head(features), self.other(torch.relu(self.deep(torch.relu(self.deep(features)))))


class Instances(nn.Module):
    """Gives rows and planes."""

    def __init__(self, rows: int, values: int, planes: int) -> None:
        super().__init__()
        self.planes, self.values, self.rows = nn.Conv2d(1, planes, 4, stride=4), nn.Linear(planes, values), rows

    def forward(self, x: torch.Tensor):
        planes = self.planes(x)
        return self.values(planes.mean((2, 3)))[:, None].repeat(1, self.rows, 1), planes


def spatial_softmax(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(2).softmax(2).reshape(x.shape)


REFUSED = {
    "log-sigmoid": (lambda: made.Blobs(1, end=nn.functional.logsigmoid), "values of -inf to 0"),
    "two sigmoids": (lambda: made.Blobs(1, end=lambda x: x.sigmoid().sigmoid()), "values of 0.5 to 0.73"),
    "a drawn picture": (lambda: made.Blobs(3, end=torch.tanh), "as networks do that draw a picture: say --activation none"),
    "a heat map": (lambda: made.Blobs(2, end=spatial_softmax), "of which 3072 values add up to 1"),
    "softmax without its background": (lambda: made.Blobs(3, end=lambda x: x.softmax(1)[:, 1:]), "name the classes"),
    "a border left out": (lambda: made.Blobs(1, end=lambda x: x[:, :, 6:-6, 8:-8]), "leaves out its border"),
    "features": (lambda: made.Blobs(1, end=lambda x: x.repeat(1, 32, 1, 1)), "which may be features"),
    "noise inside": (lambda: made.Blobs(1, end=lambda x: x + torch.randn_like(x)), "from random numbers"),
    "a picture beside a mask": (lambda: Heads(3), "of which several may be the mask"),
    "a picture of one channel": (lambda: made.Blobs(1, end=torch.tanh), "say --activation tanh if it segments"),
    "levels of a mask": (lambda: made.Blobs(2, end=lambda x: 255 * x.argmax(1).to(torch.uint8)), "gives uint8"),
    "queries with masks": (lambda: Instances(10, 3, 10), "gives instances"),
    "YOLO after NMS": (lambda: Instances(30, 10, 4), "gives instances .* without NMS"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_only_looks_like_a_mask_is_refused(form, tmp_path):
    network, complaint = REFUSED[form]
    path = made.export(network(), tmp_path / "net.onnx", output_names=None)
    with pytest.raises(ModelError, match=complaint):
        examine_network(path, STATED)


def test_an_output_of_another_name_is_not_taken_for_the_mask(tmp_path):
    path = made.export(Heads(1), tmp_path / "net.onnx", output_names=["mask", "edge_map"])
    found = examine_network(path, STATED)
    assert found.spec.logits_output == "mask"
    assert "edge_map by name no mask" in found.answer.why


def labels_of(path, facts: StatedFacts) -> np.ndarray:
    engine, found = load_engine(path, spec=facts, trusted=True), []
    for image in made.pictures():
        x = fill_input(engine.spec, image, letterbox((0, 0, *image.shape), engine.spec.size))
        logits = engine.infer(x, engine.initial_state())[0]
        found.append((logits[0, 0] > 0).astype(int) if logits.shape[1] == 1 else logits[0].argmax(0))
    engine.close()
    return np.stack(found)


@pytest.mark.parametrize("end", [lambda x: x.flip(1).softmax(1), lambda x: x.flip(1), lambda x: x.flip(1).argmax(1)])
def test_a_background_that_is_not_first_is_refused_until_it_is_named(end, tmp_path):
    network = made.Blobs(2, end=end)
    path = made.export(network, tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"'class 1' in 100% of .* as in lumen,background"):
        load_engine(path, spec=STATED, trusted=True)
    ours = labels_of(path, replace(STATED, classes=("lumen", "background")))
    assert (ours == np.stack(made.truth_of(network)(made.pictures()))).mean() > 0.999


def test_a_channel_of_the_background_is_refused(tmp_path):
    path = made.export(made.Blobs(1, end=lambda x: torch.sigmoid(-x)), tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="the probability of what it segments"):
        load_engine(path, spec=STATED, trusted=True)


def test_the_rows_of_yolov5_give_the_masks_of_those_of_yolov8():
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(8, 40, (6, 4)), rng.uniform(0, 1, (6, 2)), rng.normal(size=(6, 3))], 1).astype(
        np.float32
    )
    prototypes = rng.normal(size=(1, 3, 12, 16)).astype(np.float32)
    newer = class_logits(boxes.T[None], prototypes, 2, made.SIZE)
    rows = np.insert(boxes, 4, 0.5, axis=1)
    rows[:, 5:7] *= 2
    assert np.array_equal(class_logits(rows[None], prototypes, 2, made.SIZE), newer)
    assert (newer[0].argmax(0) > 0).any()


def test_yolov5_is_recognized_with_all_of_its_classes(tmp_path):
    places = 3 * (6 * 8 + 3 * 4 + 1 * 2)
    path = made.export(Instances(places, 5 + 2 + 4, 4), tmp_path / "net.onnx", output_names=["rows", "planes"])
    spec = examine_network(path, STATED).spec
    assert (spec.activation, len(spec.classes), spec.prototypes) == ("yolo", 2, "planes")


class Denoiser(nn.Module):
    """Gives its picture back, smoothed, as levels or after a sigmoid."""

    def __init__(self, end=None) -> None:
        super().__init__()
        self.smooth, self.end = nn.Conv2d(1, 1, 3, padding=1, bias=False), end
        nn.init.constant_(self.smooth.weight, 1 / 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.smooth(x)) if self.end else self.smooth(x)


def both_negative() -> nn.Module:
    """Return a network with a sigmoid's logits for each of two classes, which are negative nearly everywhere."""
    network = made.Blobs(2)
    with torch.no_grad():
        network.head.weight[0] = network.head.weight[1]
        network.head.bias.copy_(torch.tensor([-10.5, -13.0]))
    return network


ANSWERS = {
    "a denoised picture": (Denoiser, "gives its picture back"),
    "a denoised picture, sigmoid": (
        lambda: Denoiser(lambda x: x.clamp(0.03, 0.97).logit().sigmoid()),
        "gives its picture back",
    ),
    "upside down": (lambda: made.Blobs(1, end=lambda x: x.flip(2)), "answers upside down"),
    "mirrored labels": (lambda: made.Blobs(2, end=lambda x: x.flip(3).argmax(1, keepdim=True)), "answers mirrored"),
    "turned": (lambda: made.Blobs(1, end=lambda x: x.flip(2, 3).sigmoid()), "turned by 180 degrees"),
    "a sigmoid for each class": (both_negative, "say --multi-label --classes"),
    "background last of three": (lambda: made.Blobs(3, end=lambda x: x[:, [1, 2, 0]].argmax(1)), "background at its place"),
    "background between two": (lambda: made.Blobs(3, end=lambda x: x[:, [1, 0, 2]].softmax(1)), "background at its place"),
    "a dark class turned round": (lambda: Dark(end=lambda x: torch.sigmoid(-x)), "say --classes background,class 1"),
}


class Dark(made.Blobs):
    """Segments what is dark."""

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return -super().logits(x) - 10


@pytest.mark.parametrize("form", ANSWERS)
def test_an_answer_that_is_misread_is_refused_at_load(form, tmp_path):
    network, complaint = ANSWERS[form]
    path = made.export(network(), tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=complaint):
        load_engine(path, spec=STATED, trusted=True)


def test_the_background_of_three_channels_is_read_where_it_is_named(tmp_path):
    path = made.export(made.Blobs(3, end=lambda x: x[:, [1, 2, 0]].argmax(1)), tmp_path / "net.onnx")
    ours = labels_of(path, replace(STATED, classes=("bright", "dark", "background")))
    assert (ours == np.stack(made.truth_of(made.Blobs(3))(made.pictures()))).mean() > 0.999


@pytest.mark.filterwarnings("ignore")
def test_a_file_in_training_mode_is_refused(tmp_path):
    network = nn.Sequential(nn.BatchNorm2d(1), made.Blobs(1)).train()
    path, mode = tmp_path / "net.onnx", torch.onnx.TrainingMode.TRAINING
    torch.onnx.export(network, torch.rand(1, 1, *made.SIZE), str(path), dynamo=False, training=mode, do_constant_folding=False)
    with pytest.raises(ModelError, match=r"training mode .* after network.eval"):
        examine_network(path, STATED)


def test_an_only_output_that_is_named_otherwise_is_refused(tmp_path):
    path = made.export(made.Blobs(1), tmp_path / "net.onnx", output_names=["depth"])
    with pytest.raises(ModelError, match="say --output depth if it is one"):
        examine_network(path, STATED)
    assert examine_network(path, replace(STATED, output="depth")).spec.logits_output == "depth"


def embedding(channels: int, end=None) -> nn.Module:
    """Return an untrained network."""
    torch.manual_seed(channels)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, channels, 1)]
    return Ended(nn.Sequential(*layers), end)


class Ended(nn.Module):
    """Applies a function to a network's answer."""

    def __init__(self, network: nn.Module, end=None) -> None:
        super().__init__()
        self.network, self.end = network, end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.network(x)) if self.end else self.network(x)


class Residual(nn.Module):
    """Gives the noise of its picture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - nn.functional.avg_pool2d(x, 3, 1, 1)


def contrast(gain: float) -> nn.Module:
    return Ended(nn.AvgPool2d(3, 1, 1), lambda x: torch.sigmoid(gain * (x - 0.5)))


UNSURE = {
    "an embedding of one channel": lambda: embedding(1),
    "of two": lambda: embedding(2),
    "of three": lambda: embedding(3),
    "of three, of length 1": lambda: embedding(3, lambda x: nn.functional.normalize(x, dim=1)),
    "of two, softmax": lambda: embedding(2, lambda x: x.softmax(1)),
    "little contrast": lambda: contrast(2),
    "a standardized picture": lambda: Ended(nn.AvgPool2d(3, 1, 1), lambda x: (x - 0.3) / 0.25),
    "noise of the picture": Residual,
}


@pytest.mark.parametrize("form", UNSURE)
def test_an_answer_that_is_sure_of_nothing_is_refused(form, tmp_path):
    path = made.export(UNSURE[form](), tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"is sure of nothing in 'y'.*or say --activation"):
        load_engine(path, spec=STATED, trusted=True)


@pytest.mark.parametrize("facts", [{"activation": "none"}, {"classes": ("background", "lumen")}], ids=str)
def test_the_user_may_say_that_it_segments(facts, tmp_path, monkeypatch):
    monkeypatch.setattr("rtseg.engines.adopt.answer_check._check_place", lambda *_: None)
    monkeypatch.setattr("rtseg.engines.adopt.answer_check._check_exclusive", lambda *_: None)
    monkeypatch.setattr("rtseg.engines.adopt.answer_check._check_background", lambda *_: None)
    path = made.export(embedding(2), tmp_path / "net.onnx")
    load_engine(path, spec=replace(STATED, **facts), trusted=True).close()


@pytest.mark.parametrize("gain", [8, 20])
def test_an_answer_that_is_brightness_is_told(gain, tmp_path, caplog):
    path = made.export(contrast(gain), tmp_path / "net.onnx")
    load_engine(path, spec=STATED, trusted=True).close()
    assert "by the brightness of its picture alone" in caplog.text


def test_the_shipped_networks_are_sure_and_see_more_than_brightness():
    zoo = Path(__file__).parents[3] / "engines" / "zoo"
    for path in sorted(zoo.glob("*-int8.onnx")):
        engine = load_engine(path)
        image, inside = _sector_picture(engine.spec.size)
        x = fill_input(engine.spec, image, letterbox((0, 0, *image.shape), engine.spec.size))
        logits = np.array(engine.infer(x, engine.initial_state())[0])[0]
        engine.close()
        assert median_probability(logits) > 0.99, path
        assert follows_brightness(logits, image, inside) < 0.9, path


def test_logarithms_of_probabilities_are_no_sigmoids(tmp_path):
    path = made.export(made.Blobs(2, end=lambda x: x.log_softmax(1)), tmp_path / "net.onnx")
    ours = labels_of(path, STATED)
    assert (ours == np.stack(made.truth_of(made.Blobs(2))(made.pictures()))).mean() > 0.999
