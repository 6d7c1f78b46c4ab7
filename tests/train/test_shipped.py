"""Tests that the shipped model matches its config and finds the vessel in the shipped clip."""

from pathlib import Path

import av
import numpy as np
import onnxruntime
import pytest

from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.train.config import read_config

ZOO = Path(__file__).parents[2] / "engines" / "zoo"
CLIP = Path(__file__).parents[2] / "rtseg" / "sources" / "files" / "clips" / "carotid.mp4"


@pytest.fixture(scope="module", params=["carotid.onnx", "held_out/carotid.onnx"])
def session(request):
    return onnxruntime.InferenceSession(str(ZOO / request.param), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def spec(session):
    return ModelSpec.from_json(session.get_modelmeta().custom_metadata_map[METADATA_KEY])


def test_the_file_is_of_the_shipped_config(spec):
    config = read_config(ZOO / "carotid.toml")
    assert (ZOO / "carotid.onnx").stat().st_size < 8e6
    assert (spec.name, spec.size, spec.classes, spec.single) == (config.name, config.size, config.classes, config.single)
    assert (spec.mean, spec.std) == (config.mean, config.std)


def test_the_card_names_data_split_and_limits():
    card = (ZOO / "carotid.md").read_text()
    for words in ("CC BY 4.0", "d4xt63mgjm", "scan03, scan06, scan09", "not a medical device", "rtseg eval"):
        assert words in card


def test_it_finds_one_vessel_in_the_clip_and_holds_it(session, spec):
    states = [np.zeros(state.shape, np.float32) for state in spec.states]
    areas = []
    with av.open(str(CLIP)) as container:
        for _, frame in zip(range(12), container.decode(video=0), strict=False):
            grey = frame.reformat(width=242, height=256, format="gray").to_ndarray()
            image = np.pad(grey.astype(np.float32), ((0, 0), (7, 7)))
            x = ((image - spec.mean[0]) / spec.std[0])[None, None]
            memory = {port.input: state for port, state in zip(spec.states, states, strict=True)}
            logits, *states = session.run(None, {spec.image_input: x} | memory)
            areas.append(np.count_nonzero(logits > 0) / logits.size)
    assert 0.01 < min(areas) <= max(areas) < 0.05  # of the picture
    assert np.abs(np.diff(areas)).max() < 0.1 * areas[0]
