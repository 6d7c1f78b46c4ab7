"""Test the cleaning of a class's mask: opening, closing, holes, least area and hysteresis, in pixels of the frame."""

from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg import kernels
from rtseg.cli.app import app
from rtseg.engines.base import ModelSpec
from rtseg.engines.class_postprocess import (
    MAX_AREA,
    MAX_RADIUS,
    ClassPostprocess,
    merged,
    parse_class_postprocess,
    postprocess_of,
)
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError, ModelError, UnknownClass
from rtseg.frame import Frame
from rtseg.kernels.labels import components, morphology
from rtseg.kernels.network.fit import letterbox
from rtseg.session.postprocess import NetworkOutput, apply_anatomy, clean_classes
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

CLASSES = ("lumen", "wall")
ALL = ClassPostprocess("lumen", (0.3, 0.6), 2, 3, True, 50)


def drawn(text: str) -> np.ndarray:
    return np.array([[int(character) for character in row] for row in text.split()], np.uint8)


def cleaned(text: str, **options: Any) -> list[str]:
    labels = drawn(text)
    assert clean_classes(labels, CLASSES, [ClassPostprocess("lumen", **options)]) is labels
    return ["".join(map(str, row)) for row in labels]


def test_regions_below_the_least_area_go_and_other_classes_stay():
    found = cleaned("1100020 1100001 0000000 2000111", min_area=4)
    assert found == ["1100020", "1100000", "0000000", "2000000"]
    assert cleaned("110 000 011", min_area=2) == ["110", "000", "011"]


def test_the_largest_regions_stay_up_to_their_number_and_other_classes_stay():
    assert cleaned("1110020 0000001 1100000 0000111", regions=2) == ["1110020", "0000000", "0000000", "0000111"]
    assert cleaned("1110020 0000001", regions=3) == ["1110020", "0000001"], "fewer regions than allowed"
    assert cleaned("1000100 0000000 1000000", regions=0) == ["1000100", "0000000", "1000000"]
    assert parse_class_postprocess("lumen:regions=2") == ClassPostprocess("lumen", regions=2)


def test_holes_are_filled_around_another_class():
    assert cleaned("11111 10001 10201 10001 11111", fill_holes=True) == ["11111", "11111", "11211", "11111", "11111"]
    assert cleaned("11111 10001 10001 10001 11011", fill_holes=True)[1] == "10001", "open to the outside"
    assert cleaned("22222 20002 20002 20002 22222", fill_holes=True)[2] == "20002", "the hole of another class"


def test_an_opening_removes_what_is_narrow_and_a_closing_bridges_gaps():
    assert cleaned("0000000 0111000 0111111 0111000 0000000", open=1) == ["0000000"] + ["0111000"] * 3 + ["0000000"]
    assert cleaned("000000000 011101110 011101110 011101110 000000000", close=1)[2] == "011111110"
    assert cleaned("000000000 011121110 011121110 011121110 000000000", close=1)[2] == "011121110", "a class is not overwritten"


def test_a_closing_reaches_for_no_edge():
    assert cleaned("00000 00100 00000", close=2) == ["00000", "00100", "00000"]
    assert cleaned("10100 00000 10100", close=1) == ["11100", "11100", "11100"]


def test_the_least_area_counts_what_is_drawn_after_the_other_steps():
    """Test that pixels of another class that a closing reaches into do not count."""
    assert cleaned("0000000 0102010 0000000", close=2, min_area=2)[1] == "0112110"
    assert cleaned("0000000 0102010 0000000", close=2, min_area=4)[1] == "0002000", "two parts of 2"


def test_units_are_pixels_of_the_frame(tiny: Path):
    """Test the same network on a frame of twice the size: the same region has four times the area."""
    engine = OpenVinoEngine(tiny)
    for scale, least, stays in [(1, 130, False), (1, 60, True), (2, 300, True), (2, 520, False)]:
        image = np.zeros((64 * scale, 96 * scale), np.uint8)
        image[16 * scale : 26 * scale, 40 * scale : 50 * scale] = 255
        session = Session(engine, locator=WholeFrame(), temporal=None, postprocess=[ClassPostprocess("lumen", min_area=least)])
        area = session.step(Frame(image, 0, 0)).area_px("lumen")
        assert (area > 0) is stays, (scale, least, area)
    engine.close()


def output(logits: np.ndarray, shape: tuple[int, int], size: tuple[int, int]) -> NetworkOutput:
    return NetworkOutput(logits, letterbox((0, 0, *shape), size), np.asarray)


def reference_probability(logits: np.ndarray, label: int) -> np.ndarray:
    """Return a class's probability at the pixels of a frame of the network's own size."""
    shares = kernels.probability.reference(logits)[0]
    return shares[0] if len(shares) == 1 else shares[label]


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("label", [1, 2])
def test_a_hysteresis_is_that_of_the_probabilities(classes: int, label: int):
    if label == 2 and classes < 3:
        return
    logits = np.random.default_rng(classes).normal(0, 2, (1, classes, 24, 32)).astype(np.float32)
    labels = np.zeros((24, 32), np.uint8)
    clean_classes(
        labels, CLASSES, [ClassPostprocess(CLASSES[label - 1], hysteresis=(0.6, 0.95))], output(logits, (24, 32), (24, 32))
    )
    expected = kernels.hysteresis.reference(reference_probability(logits, label), 0.6, 0.95)
    np.testing.assert_array_equal(labels, expected * label)
    assert 0 < expected.sum() < (reference_probability(logits, label) > 0.6).sum(), "else nothing is shown"


def test_a_hysteresis_is_decided_at_the_pixels_of_the_frame():
    """Test that logits at a quarter of the frame's size are interpolated, as those of the labels are."""
    logits = np.random.default_rng(1).normal(0, 2, (1, 2, 8, 12)).astype(np.float32)
    out = output(logits, (32, 48), (32, 48))
    plain = kernels.argmax_labels(logits, out.fit, (32, 48))
    same = clean_classes(np.zeros_like(plain), ("lumen",), [ClassPostprocess("lumen", hysteresis=(0.5, 0.5))], out)
    np.testing.assert_array_equal(same, plain)


def test_a_hysteresis_takes_no_other_class_and_survives_infinity():
    logits = np.full((1, 3, 4, 6), -np.inf, np.float32)
    logits[0, 1, :, :3], logits[0, 2, :, 3:], logits[0, 0, 0] = np.inf, np.inf, np.nan
    out = output(logits, (4, 6), (4, 6))
    labels = kernels.argmax_labels(logits, out.fit, (4, 6))
    found = clean_classes(labels.copy(), CLASSES, [ClassPostprocess("lumen", hysteresis=(0.01, 0.02))], out)
    np.testing.assert_array_equal(found == 2, labels == 2)


def test_a_hysteresis_without_probabilities_is_refused():
    with pytest.raises(ConfigError, match="give apply_anatomy the network's output too"):
        apply_anatomy(np.zeros((4, 4), np.uint8), networks.spec(postprocess={"lumen": {"hysteresis": [0.3, 0.6]}}))


def test_cleaning_comes_before_the_largest_region():
    labels = drawn("1110011 1110011 1110000 0000000")
    spec = networks.spec(single=("lumen",), postprocess={"lumen": {"min_area": 10}})
    assert not apply_anatomy(labels, spec).any()
    assert apply_anatomy(drawn("1111"), networks.spec()).all(), "absent: as before"


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("lumen:min_area=50,fill_holes", ClassPostprocess("lumen", fill_holes=True, min_area=50)),
        ("lumen:min_area=50,fill_holes,open=2,close=3,hysteresis=0.3-0.6", ALL),
        ("a:b:open=1", ClassPostprocess("a:b", open=1)),
        ("lumen:none", ClassPostprocess("lumen")),
    ],
)
def test_an_option_is_parsed(text: str, chosen: ClassPostprocess):
    assert parse_class_postprocess(text) == chosen


@pytest.mark.parametrize(
    "text",
    [
        *("lumen", "lumen:", "fill_holes", "lumen:smooth=2", "lumen:open", "lumen:open=", "lumen:open=1.5", "lumen:open=33"),
        *("lumen:fill_holes=1", "lumen:open=1,open=2", "lumen:min_area=-1", "lumen:hysteresis=0.6-0.3", "lumen:hysteresis=0.5"),
        *("lumen:hysteresis=0-0.5", "lumen:hysteresis=0.5-1", "lumen:hysteresis=nan-nan", "lumen:hysteresis=0.1-0.2-0.3"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(text: str):
    with pytest.raises(ConfigError, match=r"--postprocess is not .*as in lumen:min_area=50") as refusal:
        parse_class_postprocess(text)
    assert "\n" not in str(refusal.value)


WRONG = [
    *([], "lumen", 7, {"lumen": []}, {"lumen": {"smooth": 2}}, {"lumen": {"open": True}}, {"lumen": {"open": 33}}),
    *({"lumen": {"close": -1}}, {"lumen": {"min_area": 1.5}}, {"lumen": {"min_area": 2**31}}, {"lumen": {"fill_holes": 1}}),
    *({"lumen": {"hysteresis": [0.6, 0.3]}}, {"lumen": {"hysteresis": [0.1]}}, {"lumen": {"hysteresis": ["a", "b"]}}),
    *({"lumen": {"hysteresis": 0.5}}, {"lumen": {"hysteresis": [float("nan"), 0.5]}}, {"vein": {"open": 1}}),
]


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_a_model_with_a_wrong_postprocess_is_refused(value: object):
    with pytest.raises(ModelError, match=r"description is wrong.*rtseg export") as refusal:
        networks.spec(postprocess=value)
    assert "\n" not in str(refusal.value)


def test_a_class_is_named_once():
    with pytest.raises(ModelError, match="names a class twice"):
        networks.spec(postprocess=(ClassPostprocess("lumen"), ClassPostprocess("lumen", open=1)))


def test_it_is_frozen_and_there_and_back_in_json():
    value = {"lumen": {"min_area": 50, "fill_holes": True, "open": 2, "close": 3, "hysteresis": [0.3, 0.6]}}
    spec = networks.spec(postprocess=value)
    assert spec.postprocess == (ALL,) == postprocess_of(value)
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert hash(spec) == hash(ModelSpec.from_json(spec.to_json()))
    with pytest.raises(AttributeError):
        spec.postprocess[0].open = 3  # type: ignore[misc]


def test_a_file_without_it_is_as_before():
    assert "postprocess" not in networks.spec().to_json()
    assert ModelSpec.from_json(networks.spec().to_json()).postprocess == ()


def test_its_limits_are_those_of_the_kernels():
    assert morphology.MAX_RADIUS == MAX_RADIUS
    components.drop_small(np.zeros((2, 2), np.uint8), MAX_AREA)
    with pytest.raises(ConfigError):
        components.drop_small(np.zeros((2, 2), np.uint8), MAX_AREA + 1)


def test_options_replace_those_of_their_class_only():
    own = (ClassPostprocess("lumen", open=1), ClassPostprocess("wall", close=2))
    given = (ClassPostprocess("wall", min_area=9),)
    assert merged(own, given) == (own[0], given[0])


def two_squares() -> Frame:
    """Return a frame with a large and a small bright square."""
    image = np.zeros((64, 96), np.uint8)
    image[16:48, 16:40], image[30:36, 70:76] = 255, 255
    return Frame(image, 0, 0)


def test_a_session_cleans_as_its_model_says_or_as_it_is_told(tmp_path: Path):
    described = networks.spec(postprocess={"lumen": {"min_area": 100}})
    engine = OpenVinoEngine(networks.recurrent(tmp_path / "net.onnx", described))
    frame, found = two_squares(), {}
    for name, chosen in [
        ("own", ()),
        ("none", (ClassPostprocess("lumen"),)),
        ("all", (ClassPostprocess("lumen", min_area=9999),)),
    ]:
        session = Session(engine, locator=WholeFrame(), temporal=None, postprocess=chosen)
        found[name] = session.step(frame).labels
    assert found["none"][:, 60:].any()
    np.testing.assert_array_equal(found["own"][:, :60], found["none"][:, :60])
    assert not found["own"][:, 60:].any()
    assert not found["all"].any()
    with pytest.raises(UnknownClass, match="no class 'vein' to shape: the model has lumen"):
        Session(engine, postprocess=[ClassPostprocess("vein")])
    engine.close()


def test_a_session_s_hysteresis_sees_the_network_s_probabilities(tiny: Path):
    engine = OpenVinoEngine(tiny)
    frame, areas = two_squares(), []
    for limits in [(0.5, 0.5), (0.2, 0.5), (0.2, 0.999999)]:
        chosen = [ClassPostprocess("lumen", hysteresis=limits)]
        areas.append(Session(engine, locator=WholeFrame(), temporal=None, postprocess=chosen).step(frame).area_px("lumen"))
    plain = Session(engine, locator=WholeFrame(), temporal=None).step(frame).area_px("lumen")
    assert areas[0] == plain
    assert areas[1] > areas[0]
    assert areas[2] == 0
    engine.close()


def rtseg(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_run_and_eval_take_it(tiny: Path, tmp_path: Path):
    clip = "synthetic:vessel?height=64&width=96&frames=6"
    areas = []
    for options in [(), ("--postprocess", "lumen:min_area=100000")]:
        assert rtseg("run", clip, "--model", tiny, "--masks", tmp_path / f"masks{len(areas)}", *options).exit_code == 0
        areas.append(sum(path.read_bytes().count(b"\x01") for path in (tmp_path / f"masks{len(areas)}").iterdir()))
    for command in (("run", clip, "--model", tiny), ("eval", tiny, tmp_path)):
        refused = rtseg(*command, "--postprocess", "lumen:open=40")
        assert (refused.exit_code, "open is '40': give whole pixels from 0 to 32" in refused.stderr) == (1, True)
        twice = rtseg(*command, "--postprocess", "lumen:open=4", "--postprocess", "lumen:close=4")
        assert (twice.exit_code, "names 'lumen' twice" in twice.stderr) == (1, True)
