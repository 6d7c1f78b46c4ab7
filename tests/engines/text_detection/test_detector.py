"""Test that the network finds lines of text of any size, color, direction and script, and none in ultrasound."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import screens

import rtseg.engines.text_detection.detector as detector_module
from rtseg.engines.text_detection.detector import MODEL, TextDetector
from rtseg.engines.zoo import shipped_models
from rtseg.errors import EngineError

DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


@pytest.fixture(scope="module")
def detector():
    return TextDetector()


def written(shape, text, place, height, ground, color, turns=0):
    """Return a picture with a text of this height, its font drawn by OpenCV, and the pixels of its letters."""
    size = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height, 1)
    (width, _), tail = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    ink = np.zeros((height + tail + 4, width + 4), np.uint8)
    cv2.putText(ink, text, (2, height + 2), cv2.FONT_HERSHEY_SIMPLEX, size, 255, max(1, height // 12), cv2.LINE_AA)
    return painted(shape, np.rot90(ink, turns), place, ground, color)


def painted(shape, ink, place, ground, color):
    picture = ground.copy() if isinstance(ground, np.ndarray) else np.full((*shape, 3), ground, np.uint8)
    top, left = place
    mask = np.zeros(shape, bool)
    mask[top : top + ink.shape[0], left : left + ink.shape[1]] = ink > 100
    picture[mask] = color
    return picture, mask


COLORS = [
    ((0, 0, 0), (230, 230, 230)),
    ((235, 235, 235), (20, 20, 20)),
    ((10, 20, 70), (230, 220, 60)),
    ((0, 0, 0), (60, 200, 60)),
]


@pytest.mark.parametrize(("ground", "color"), COLORS)
@pytest.mark.parametrize(
    ("shape", "height"), [((480, 854), 8), ((480, 854), 20), ((720, 1280), 11), ((1080, 1920), 16), ((2160, 3840), 32)]
)
def test_a_line_is_found_in_any_color_and_size(detector, shape, height, ground, color):
    picture, ink = written(shape, "DOE, JANE 1970-01-01", (shape[0] // 3, shape[1] // 4), height, ground, color)
    assert (detector.detect(picture)[ink] > 0).mean() > 0.97


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_line_is_found_in_any_direction(detector, turns):
    picture, ink = written((480, 640), "Hospital 12:45", (120, 200), 12, 0, 220, turns)
    assert (detector.detect(picture)[ink] > 0).mean() > 0.97


@pytest.mark.skipif(not DEJAVU.exists(), reason="the font of other scripts is not on this machine")
@pytest.mark.parametrize("text", ["Клиника Иванова", "Ελένη Παππά", "Zażółć gęślą"])
def test_other_scripts_are_text(detector, text):
    pytest.importorskip("PIL")
    from PIL import Image as Picture
    from PIL import ImageDraw, ImageFont

    font = ImageFont.truetype(str(DEJAVU), 14)
    ink = Picture.new("L", (200, 24))
    ImageDraw.Draw(ink).text((4, 2), text, font=font, fill=255)
    picture, letters = painted((480, 640), np.array(ink), (200, 100), 0, 210)
    assert (detector.detect(picture)[letters] > 0).mean() > 0.97


def test_letters_of_a_fifth_of_the_picture_are_found(detector):
    picture, ink = written((480, 854), "DOE 12", (150, 40), 90, 0, 220)
    assert (detector.detect(picture)[ink] > 0).mean() > 0.97


def test_a_picture_of_soft_tissue_is_no_line_of_text(detector):
    """The network takes it for one line as large as the picture, at the only scale at which it fits."""
    layers = []
    for seed, cell in ((3, 40), (12, 6)):
        coarse = np.random.default_rng(seed).normal(size=(540 // cell + 2, 800 // cell + 2)).astype(np.float32)
        layers.append(cv2.resize(coarse, (800, 540), interpolation=cv2.INTER_CUBIC))
    tissue = np.clip(40 * layers[0] + 18 * layers[1] + 60, 0, 255).astype(np.uint8)
    assert (detector.detect(tissue) > 0).mean() < 0.01
    picture, ink = written((540, 800), "DOE, JANE", (200, 300), 12, cv2.cvtColor(tissue, cv2.COLOR_GRAY2RGB), (255, 255, 255))
    assert (detector.detect(picture)[ink] > 0).mean() > 0.9


def test_text_over_tissue_is_found_and_tissue_is_no_text(detector):
    tissue = screens.speckle((480, 640), 3)
    assert (detector.detect(tissue) > 0).mean() < 0.002
    picture, ink = written((480, 640), "Dist 2.14 cm", (200, 200), 12, np.dstack([tissue] * 3), (255, 255, 255))
    found = detector.detect(picture)
    assert (found[ink] > 0).mean() > 0.95
    assert (found > 0).mean() < 0.03


def test_gray_pictures_and_small_ones(detector):
    picture, ink = written((480, 640), "DOE, JANE", (200, 200), 12, 0, 220)
    assert (detector.detect(np.ascontiguousarray(picture[..., 0]))[ink] > 0).mean() > 0.97
    for shape in [(1, 1), (3, 200), (16, 16), (200, 3)]:
        assert detector.detect(np.zeros(shape, np.uint8)).shape == shape


def test_a_failure_is_an_engine_error(monkeypatch):
    def broken(color):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(detector_module, "_compile", lambda size, threads: broken)
    with pytest.raises(EngineError, match=r"out of memory.*stays black"):
        TextDetector().detect(np.zeros((64, 64), np.uint8))


def test_the_network_is_the_one_that_notice_credits():
    notice = (Path(__file__).parents[3] / "NOTICE").read_text()
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() in notice
    assert MODEL.stem not in shipped_models()
