"""Tests how a network's normalization becomes known: stated, from the graph, from masks, or refused with the option's name."""

import json

import made_networks as made
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.kernels import fit_input, letterbox


def laid_out(folder, images, masks=None):
    for kind, pictures in (("images", images), ("masks", masks or [])):
        for index, picture in enumerate(pictures):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / kind / f"{index}.png")
    return folder


def adopted(path, pictures, tmp_path, *words):
    done = CliRunner().invoke(
        app, ["adopt", str(path), str(pictures), "--out", str(tmp_path / "out"), "--json", str(tmp_path / "a.json"), *words]
    )
    return done, json.loads((tmp_path / "a.json").read_text())


def masks_of(network, images, **options):
    found = []
    for image in images:
        x = fit_input(image, letterbox((0, 0, *image.shape), made.SIZE), **options)
        with torch.no_grad():
            mask = (network.logits(torch.from_numpy(x))[0, 0] > 0).numpy()
        found.append(np.asarray(Image.fromarray((255 * mask).astype(np.uint8)).resize(image.shape[::-1])) > 127)
    return [(255 * mask).astype(np.uint8) for mask in found]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("0..1", {"mean": (0.0,), "std": (255.0,)}),
        ("-1..1", {"mean": (127.5,), "std": (127.5,)}),
        ("zscore", {"mean": (0.0,), "std": (1.0,), "statistics": "zscore"}),
    ],
)
def test_masks_tell_the_normalization(name, options, tmp_path):
    network, images = made.Blobs(1), made.pictures()
    if name == "zscore":  # its levels are other ones
        with torch.no_grad():
            network.head.bias.add_(1.5)
    path = made.export(network, tmp_path / "net.onnx")
    folder = laid_out(tmp_path / "data", images, masks_of(network, images, **options))
    done, report = adopted(path, folder, tmp_path)
    assert done.exit_code == 0, done.output
    assert (report["normalization"]["how"], report["normalization"]["name"]) == ("from masks", name)


def test_masks_that_no_normalization_explains_are_refused(tmp_path):
    path, images = made.export(made.Blobs(1), tmp_path / "net.onnx"), made.pictures()
    rng = np.random.default_rng(0)
    masks = [255 * (rng.random(image.shape) > 0.95).astype(np.uint8) for image in images]
    done, report = adopted(path, laid_out(tmp_path / "data", images, masks), tmp_path)
    assert done.exit_code == 1
    assert "--normalization" in report["refused"]


def test_without_masks_and_a_clear_lead_it_is_refused_with_the_option(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 1))
    path = made.export(network, tmp_path / "net.onnx")
    done, report = adopted(path, laid_out(tmp_path / "data", made.pictures()), tmp_path)
    assert done.exit_code == 1
    assert "--normalization" in report["refused"]


def test_bytes_are_not_normalized_twice(tmp_path):
    path, folder = made.bytes_in(tmp_path).path, laid_out(tmp_path / "data", made.pictures())
    done, report = adopted(path, folder, tmp_path, "--normalization", "0..1")
    assert done.exit_code == 1
    assert "takes uint8" in report["refused"]


def test_a_normalization_that_contradicts_the_graph_is_told(tmp_path):
    path, folder = made.normalizing(1, 1 / 255, [0.2], [0.5])(tmp_path).path, laid_out(tmp_path / "data", made.pictures())
    report = adopted(path, folder, tmp_path, "--normalization", "0..1")[1]
    assert "although the graph takes 0..255" in report["normalization"]["why"]


def test_the_graph_and_the_user_come_before_the_pictures(tmp_path):
    maker = made.normalizing(1, 1 / 255, [0.2], [0.5])
    path, folder = maker(tmp_path).path, laid_out(tmp_path / "data", made.pictures())
    assert adopted(path, folder, tmp_path)[1]["normalization"]["how"] == "from graph"
    assert adopted(path, folder, tmp_path, "--normalization", "0..255")[1]["normalization"]["how"] == "stated"


@pytest.mark.parametrize("answer", ["2", "0"])
def test_on_a_terminal_the_overlays_are_shown_and_the_user_chooses(answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rtseg.cli.adopt._is_terminal", lambda: True)
    path = made.export(made.Blobs(1), tmp_path / "net.onnx")
    laid_out(tmp_path, made.pictures())
    report = tmp_path / "a.json"
    words = ["adopt", str(path), str(tmp_path / "images"), "--out", str(tmp_path / "out"), "--json", str(report)]
    done = CliRunner().invoke(app, words, input=f"{answer}\n")
    shown = {int(line[0]): line.split()[1].rstrip(",") for line in done.output.splitlines() if "normalization-" in line}
    assert len(shown) == 7
    for place in shown:
        drawn = np.asarray(Image.open(tmp_path / f"normalization-{place}.png"))
        assert drawn.shape == (60, 3 * 80, 3)
    assert any((np.ptp(np.asarray(Image.open(f"normalization-{place}.png")), axis=2) > 0).any() for place in shown)
    told = json.loads(report.read_text())
    if answer == "0":
        assert done.exit_code == 1
        assert "the pictures alone do not tell the normalization" in told["refused"]
    else:
        assert done.exit_code == 0, done.output
        assert (told["normalization"]["name"], told["normalization"]["how"]) == (shown[2], "stated")
        assert told["normalization"]["why"] == "chosen among overlays"
