"""Tests the search for near-duplicates in training and held-out pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from views import seen_again, view

from rtseg.evaluation.dataset import Case, find_near_duplicates
from rtseg.evaluation.dataset.tissue_view import tissue_view


@pytest.fixture
def case(tmp_path: Path):
    def write(name: str, image: np.ndarray) -> Case:
        path = tmp_path / f"{name}.png"
        assert cv2.imwrite(str(path), image)
        return Case(name, name, 0, path, path)

    return write


def test_a_view_seen_again_is_found_among_others(case):
    training = [case(f"trained{seed}", view(seed)) for seed in range(6)]
    held_out = [case("new", view(10)), case("again", seen_again(view(4), 40)), case("newer", view(11))]
    assert [(one.name, other.name) for one, other in find_near_duplicates(held_out, training)] == [("again", "trained4")]


def test_a_view_seen_often_is_told_once(case):
    training = [case(f"frame{seed}", seen_again(view(1), seed)) for seed in range(5)]
    (found,) = find_near_duplicates([case("again", view(1))], training)
    assert found[0].name == "again"


def jpeg(image, quality=60):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


COPIES = {
    "crop": lambda image: image[30:270, 40:330],
    "mirrored": lambda image: image[:, ::-1],
    "gain": lambda image: np.clip(1.3 * image.astype(np.float32) - 20, 0, 255).astype(np.uint8),
    "jpeg": jpeg,
    "all": lambda image: jpeg(
        np.clip(0.7 * image[20:280, 30:340, ...][:, ::-1].astype(np.float32) + 15, 0, 255).astype(np.uint8)
    ),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
def test_a_copy_is_found_whatever_was_done_to_it(case, change):
    training = [case(f"trained{seed}", labelled(view(seed))) for seed in range(4)]
    found = find_near_duplicates([case("copy", change(labelled(view(2))))], training)
    assert [(one.name, other.name) for one, other in found] == [("copy", "trained2")]


def labelled(image, text=("MAMA ESQ 12H", "GE LOGIQ 7  12L", "D 10.9MM 4.1MM"), top=None):
    """Burn text into the tissue of a picture, and callipers."""
    image = image.copy()
    for row, words in enumerate(text):
        place = (20, (image.shape[0] - 70 if top is None else top) + 30 * row)
        cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2, cv2.LINE_AA)
    for place in ((60, 60), (250, 90), (150, 140)):
        cv2.drawMarker(image, place, 255, cv2.MARKER_CROSS, 14, 2)
    return image


def framed(image):
    """Draw a scanner's screen around a picture: menus, a ruler, names."""
    screen = np.zeros((480, 640), np.uint8)
    screen[90 : 90 + image.shape[0], 140 : 140 + image.shape[1]] = image
    for row in range(14):
        cv2.putText(screen, f"Gain {row * 7} dB", (4, 60 + 30 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.55, 220, 1, cv2.LINE_AA)
        cv2.putText(screen, f"Item {row * 3}", (520, 60 + 30 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.55, 220, 1, cv2.LINE_AA)
        cv2.line(screen, (128, 90 + 22 * row), (136, 90 + 22 * row), 200, 1)
    cv2.putText(screen, "UNIVERSITY HOSPITAL  29-11-2026  MI 0.9", (10, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 1, cv2.LINE_AA)
    return screen


@pytest.mark.parametrize("shows", [labelled, framed, lambda image: framed(labelled(image))], ids=["text", "screen", "both"])
@pytest.mark.parametrize("trained", [3, 12], ids=["few", "many"])
def test_equal_text_or_screen_on_other_tissue_is_no_duplicate(case, shows, trained):
    training = [case(f"trained{seed}", shows(view(seed))) for seed in range(trained)]
    held_out = [case(f"new{seed}", shows(view(20 + seed))) for seed in range(4)]
    assert list(find_near_duplicates(held_out, training)) == []


@pytest.mark.parametrize("trained", [3, 12], ids=["few", "many"])
def test_the_same_tissue_is_found_below_other_text_and_in_the_same_screen(case, trained):
    training = [case(f"trained{seed}", framed(labelled(view(seed)))) for seed in range(trained)]
    other_text = labelled(view(1), ("LEFT BREAST 3H", "PHILIPS  L12-5", "D 7.2MM 2.2MM"), 40)
    held_out = [case("other_text", framed(other_text)), case("new", framed(labelled(view(30))))]
    assert [(one.name, other.name) for one, other in find_near_duplicates(held_out, training)] == [("other_text", "trained1")]


def test_the_mirrored_descriptors_are_those_of_the_mirror_image(case):
    straight, flipped = (tissue_view(case(name, image), {}) for name, image in (("a", view(1)), ("b", view(1)[:, ::-1])))
    mirrored = straight.mirrored()
    matches = cv2.BFMatcher(cv2.NORM_L2).match(mirrored.descriptors, flipped.descriptors)
    near = [np.linalg.norm(mirrored.points[match.queryIdx] - flipped.points[match.trainIdx]) < 1 for match in matches]
    assert np.mean(near) > 0.8
    np.testing.assert_array_equal(mirrored.image, view_small(view(1))[:, ::-1])
    np.testing.assert_array_equal(mirrored.mirrored().descriptors, straight.descriptors)


def view_small(image):
    return cv2.resize(image, (256, round(image.shape[0] * 256 / image.shape[1])), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    "nothing", [np.zeros((40, 50), np.uint8), np.full((1, 1), 7, np.uint8), np.full((300, 360), 255, np.uint8)]
)
def test_a_picture_that_shows_nothing_is_nobodys_twin(case, nothing):
    assert list(find_near_duplicates([case("dark", nothing)], [case("trained", view(1)), case("black", nothing)])) == []
    assert list(find_near_duplicates([case("new", view(1))], [case("black", nothing)])) == []


def test_nobody_is_held_out_or_trained_on(case):
    assert list(find_near_duplicates([], [case("trained", view(1))])) == []
    assert list(find_near_duplicates([case("new", view(1))], [])) == []
