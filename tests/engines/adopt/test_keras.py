"""Tests that networks of Keras are adopted, through tf2onnx and as TFLite, with the labels that Keras itself gave."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import load_engine
from rtseg.kernels.network.fit import letterbox

FOLDER = Path(__file__).parent / "keras"
PICTURES, ANSWERS = np.load(FOLDER / "pictures.npy"), np.load(FOLDER / "answers.npz")
CLASSES = {"sigmoid": "bright", "softmax": "bright,dark", "linear": "bright,dark"}
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".onnx", ".tflite"))


@pytest.mark.parametrize("file", FILES)
def test_a_network_of_keras_is_adopted(file, tmp_path):
    for index, image in enumerate(PICTURES):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    kind = Path(file).stem.partition("-")[0]
    words = ["adopt", FOLDER / file, tmp_path, "--out", tmp_path / "net", "--normalization", "0..1", "--classes", CLASSES[kind]]
    done = CliRunner().invoke(app, [str(word) for word in [*words, "--json", tmp_path / "a.json"]])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["certificate"]["dice_min"] >= 0.999
    assert report["activation"] == {"linear": "none"}.get(kind, kind)
    assert report["layout"] == "NHWC"
    out = next(path for path in (tmp_path / "net.onnx", tmp_path / "net.xml") if path.exists())
    assert out.suffix == (".xml" if file.endswith(".tflite") else ".onnx")
    engine = load_engine(out)
    for image, labels in zip(PICTURES, ANSWERS[kind], strict=True):
        x = fill_input(engine.spec, image, letterbox((0, 0, *image.shape), engine.spec.size))
        logits, _ = engine.infer(x, engine.initial_state())
        ours = logits[0, 0] > 0 if logits.shape[1] == 1 else logits[0].argmax(0)
        assert (ours == labels).mean() >= 0.999
        assert len(np.unique(labels)) > 1
    engine.close()


def test_a_file_of_keras_itself_is_refused_with_the_converter(tmp_path):
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n")
    done = CliRunner().invoke(app, ["adopt", str(tmp_path / "net.h5"), "--out", str(tmp_path / "net")])
    assert done.exit_code == 1
    assert "tf2onnx" in done.stderr


def test_the_fixtures_are_small():
    assert all(path.stat().st_size < 50_000 for path in FOLDER.iterdir())
