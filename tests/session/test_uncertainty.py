"""Test the border entropy, and its display by the overlay."""

from dataclasses import replace

import networks
import numpy as np
import pytest
from results import result

from rtseg.engines.load import load_engine
from rtseg.frame import Frame
from rtseg.measure.region import measure
from rtseg.overlay import Overlay
from rtseg.session.session import Session
from rtseg.session.uncertainty import border_entropy


def _square(inside, outside, shape=(12, 12)):
    logits = np.full((1, 1, *shape), outside, np.float32)
    logits[..., 3:9, 3:9] = inside
    return logits


def test_a_border_as_probable_here_as_there_has_one_bit():
    (doubtful,) = border_entropy(_square(1e-4, -1e-4))
    assert doubtful == pytest.approx(1, abs=1e-6)


def test_entropy_is_that_of_the_inner_rim():
    logits = _square(np.log(3), -9)  # p = 3 / 4
    logits[..., 5:7, 5:7] = 30  # cells inside the rim do not count
    expected = -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25)
    assert border_entropy(logits) == pytest.approx((expected,), abs=1e-5)


def test_each_class_has_its_own_and_none_where_it_is_absent():
    logits = np.zeros((1, 4, 8, 12), np.float32)
    logits[:, 0] = 2
    logits[:, 1, :, :4] = 30  # confident
    logits[:, 2, :, 8:] = 2.1  # less confident
    sure, hardly, absent = border_entropy(logits)
    assert sure < 1e-6
    assert hardly > 0.9
    assert absent == 0


def test_a_session_tells_it_when_it_is_asked(tmp_path):
    engine = load_engine(networks.recurrent(tmp_path / "tiny.onnx"))
    session = Session(engine)
    image = np.zeros((64, 96), np.uint8)
    image[:, :48], image[20:, 72:76] = 200, 60
    assert session.step(Frame(image, 0, 0)).uncertainty == ()
    session.uncertainty = True
    told = session.step(Frame(image, 1, 0))
    engine.close()
    assert 0 < told.uncertainty[0] <= 1
    assert measure(told)[0].uncertainty == told.uncertainty[0]


@pytest.mark.parametrize(("entropy", "width"), [(0.0, 2), (0.5, 5), (1.0, 8)])
def test_a_contour_is_the_wider_the_less_sure_it_is(entropy, width):
    labels = np.zeros((60, 60), np.uint8)
    labels[15:45, 15:45] = 1
    plain = result(np.zeros((60, 60), np.uint8), labels)
    shown = replace(plain, segmentation=replace(plain.segmentation, uncertainty=(entropy,)))
    picture = Overlay(opacity=0.0, contour=2, legend=False, latency=False, notice=False).draw(shown)
    assert (picture[30, 15:45].any(axis=1)).sum() == 2 * width
