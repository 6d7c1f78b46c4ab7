"""Tests that networks which MONAI trained on width before height get their pictures so, and that adopt refuses to guess."""

import json

import made_networks as made
import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureChannelFirst, LoadImage, NormalizeIntensity
from PIL import Image

from rtseg.engines.adopt.adoption import adopt
from rtseg.engines.adopt.network_source import opened_source
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.convert.monai_bundle import read_bundle
from rtseg.engines.convert.monai_transforms import picture_axes
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import load_engine
from rtseg.errors import ModelError
from rtseg.kernels.network.fit import letterbox


def labels_of(path, image) -> np.ndarray:
    engine = load_engine(path, trusted=True)
    x = fill_input(engine.spec, image, letterbox((0, 0, *image.shape), engine.spec.size))
    labels = engine.infer(x, engine.initial_state())[0][0].argmax(0)
    engine.close()
    return labels


@pytest.mark.filterwarnings("ignore:NvImgCodec")
def test_a_bundle_gives_the_labels_of_monai_itself(tmp_path):
    bundle, image = made.monai_bundle(tmp_path).path, made.pictures(1, made.SIZE)[0]
    Image.fromarray(image).save(tmp_path / "a.png")
    facts = read_bundle(bundle)[1]
    assert (facts.axes, facts.size) == ("wh", made.SIZE)
    with opened_source(bundle, None) as source:
        adopt(source, tmp_path / "out")
    network = read_bundle(bundle)[0].network
    prepare = Compose([LoadImage(image_only=True), EnsureChannelFirst(), NormalizeIntensity()])
    with torch.no_grad():
        theirs = network(prepare(tmp_path / "a.png")[None])[0].argmax(0).numpy().T  # MONAI saves it transposed again
    ours = labels_of(tmp_path / "out.onnx", image)
    assert (ours == theirs).mean() >= 0.999
    assert 0.02 < ours.mean() < 0.98


def test_masks_tell_that_the_sides_are_exchanged(tmp_path):
    network, images = made.Blobs(1), made.pictures()
    network.logits = lambda x: made.Blobs.logits(network, x) + 60 * (torch.linspace(0, 1, x.shape[-1]) - 0.6)  # right side only
    path = made.export(network, tmp_path / "net.onnx", example=torch.rand(1, 1, *made.SIZE[::-1]))
    pictures = []
    for image in images:
        with torch.no_grad():
            logits = network.logits(made.resized(image).transpose(-1, -2))[0, 0].T.numpy()
        mask = Image.fromarray((logits > 0).astype(np.uint8)).resize(image.shape[::-1], Image.Resampling.NEAREST)
        pictures.append((image, np.asarray(mask)))
    facts = StatedFacts(mean=(0.0,), std=(255.0,), classes=("background", "side"))
    with opened_source(path, facts, trusted=True) as source, pytest.raises(ModelError, match="say --axes wh"):
        adopt(source, tmp_path / "out", pictures)
    with opened_source(path, StatedFacts(mean=(0.0,), std=(255.0,), axes="wh"), trusted=True) as source:
        made_file = adopt(source, tmp_path / "out", pictures)
    assert made_file.certificate.found["masks_dice"] > 0.9


LOAD = {"_target_": "LoadImaged", "keys": "image"}


@pytest.mark.parametrize(
    ("transforms", "axes"),
    [
        ([LOAD], "wh"),
        ([{**LOAD, "reader": "PILReader", "reverse_indexing": False}], "hw"),
        ([{**LOAD, "reader": {"_target_": "monai.data.PILReader", "reverse_indexing": False}}], "hw"),
        ([{**LOAD, "reader": "ITKReader"}], "wh"),
        ([{**LOAD, "reader": "NumpyReader"}], "hw"),
        ([LOAD, {"_target_": "Transposed", "indices": [0, 2, 1]}], "hw"),
    ],
)
def test_a_bundle_says_the_order_of_the_sides(transforms, axes, tmp_path):
    assert picture_axes(tmp_path, transforms) == axes


@pytest.mark.parametrize(
    "transforms", [[], [{**LOAD, "reader": "$my.Reader()"}], [LOAD, {"_target_": "Rotate90d"}], [LOAD, {"_target_": "Flipd"}]]
)
def test_a_bundle_that_does_not_say_it_is_refused_with_the_option(transforms, tmp_path):
    with pytest.raises(ModelError, match="--axes hw"):
        picture_axes(tmp_path, transforms)


def test_a_transform_that_rtseg_does_not_apply_is_refused_by_name(tmp_path):
    bundle = made.monai_bundle(tmp_path).path
    path = bundle / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config["preprocessing"]["transforms"].insert(1, {"_target_": "HistogramNormalized", "keys": "image"})
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="by HistogramNormalize, which rtseg does not"):
        read_bundle(bundle)
    assert read_bundle(bundle, StatedFacts(normalization="zscore"))[1].normalization == ""
