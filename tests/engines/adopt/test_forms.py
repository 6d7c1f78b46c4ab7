"""Tests that networks in every form that people have are adopted with the masks of their own framework."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_forms import FORMS
from made_networks import MAKERS as BASIC_MAKERS
from made_networks import pictures
from PIL import Image
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import ENGINES, load_engine
from rtseg.errors import ModelError
from rtseg.kernels.network.fit import letterbox

MAKERS = BASIC_MAKERS | FORMS
UNDECIDABLE = {  # what no graph tells: these look like RGB, and like one class with a background
    "three frames": {"frames": 3},
    "logits, multi-label": {"classes": ("dark", "bright"), "is_multi_label": True},
}


def dice(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the least Dice of a class over all pictures together."""
    labels = [label for label in np.unique(np.concatenate([ours.ravel(), theirs.ravel()])) if label]
    return min([2 * ((ours == k) & (theirs == k)).sum() / ((ours == k).sum() + (theirs == k).sum()) for k in labels], default=1)


def labels_of(engine, images) -> np.ndarray:
    state, found = engine.initial_state(), []
    for image in images:
        x = fill_input(engine.spec, image, letterbox((0, 0, *image.shape), engine.spec.size))
        logits, state = engine.infer(x, state)
        found.append((logits[0, 0] > 0).astype(int) if logits.shape[1] == 1 else logits[0].argmax(0))
    return np.stack(found)


@pytest.mark.parametrize("form", MAKERS)
def test_a_form_is_adopted_with_its_own_masks(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made, images = MAKERS[form](tmp_path), pictures()
    for index, image in enumerate(images):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "pictures" / f"{index}.png")
    words = ["adopt", made.path, tmp_path / "pictures", "--out", tmp_path / "out", "--json", tmp_path / "a.json", *made.words]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["activation"] == made.activation
    assert len(report["classes"]) == made.classes
    assert report["certificate"]["dice_min"] >= 0.999
    assert report["certificate"]["argmax_share_min"] >= 0.999
    out = next(path for path in (tmp_path / "out.onnx", tmp_path / "out.xml") if path.exists())
    truth = np.stack(made.truth(images))
    assert len(np.unique(truth)) == made.classes + 1, "a made network must segment something"
    for name in ENGINES if out.suffix == ".onnx" else ("openvino",):
        engine = load_engine(out, name)
        assert dice(labels_of(engine, images), truth) >= 0.999
        engine.close()
    shown = CliRunner().invoke(app, ["models", "--file", str(out), "--json"])
    assert json.loads(shown.output) == report


@pytest.mark.parametrize(
    "form",
    [
        form
        for form in MAKERS
        if "TorchScript" not in form and "torch" not in form and "folder" not in form and "bundle" not in form
    ],
)
def test_a_form_that_was_not_adopted_runs_rightly_or_is_refused(form, tmp_path):
    from rtseg.engines.adopt.normalization import named_normalization
    from rtseg.engines.adopt.stated import StatedFacts

    made, images = MAKERS[form](tmp_path), pictures()
    scale = named_normalization("0..1", 1)
    facts = StatedFacts(mean=scale.mean, std=scale.std) if "0..1" in made.words else StatedFacts()
    facts = replace(facts, **UNDECIDABLE.get(form, {}))
    for name in ENGINES:
        try:
            engine = load_engine(made.path, name, spec=facts, trusted=True)
        except ModelError:
            continue
        assert dice(labels_of(engine, images), np.stack(made.truth(images))) >= 0.999
        engine.close()


def test_the_page_has_a_row_for_each_form():
    page = (Path(__file__).parents[3] / "docs" / "adopt.md").read_text()
    missing = [form for form in MAKERS if f"| {form} |" not in page]
    assert not missing
    assert len(MAKERS) >= 40
