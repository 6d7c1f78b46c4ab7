"""The same view in both halves of a split."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from rtseg.dataset import Case, find_twins


def view(seed: int, shape: tuple[int, int] = (300, 360)) -> np.ndarray:
    """Tissue of blobs in several sizes, another one for each seed."""
    rng = np.random.default_rng(seed)
    tissue = sum(cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), size) * size for size in (3, 6, 12, 24))
    return np.clip(110 + 80 * tissue, 0, 255).astype(np.uint8)


def seen_again(image: np.ndarray, seed: int) -> np.ndarray:
    """A later frame of the view: shifted, turned, a little larger, darker, with other noise."""
    height, width = image.shape
    move = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1.06)
    move[:, 2] += (9, -5)
    moved = cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.clip(0.8 * moved + np.random.default_rng(seed).normal(0, 4, image.shape), 0, 255).astype(np.uint8)


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
    assert [(one.name, other.name) for one, other in find_twins(held_out, training)] == [("again", "trained4")]


def test_a_view_seen_often_is_told_once(case):
    training = [case(f"frame{seed}", seen_again(view(1), seed)) for seed in range(5)]
    (found,) = find_twins([case("again", view(1))], training)
    assert found[0].name == "again"


def test_a_mirror_image_is_another_view(case):
    assert list(find_twins([case("mirrored", view(1)[:, ::-1])], [case("trained", view(1))])) == []


@pytest.mark.parametrize(
    "nothing", [np.zeros((40, 50), np.uint8), np.full((1, 1), 7, np.uint8), np.full((300, 360), 255, np.uint8)]
)
def test_a_picture_that_shows_nothing_is_nobodys_twin(case, nothing):
    assert list(find_twins([case("dark", nothing)], [case("trained", view(1)), case("black", nothing)])) == []
    assert list(find_twins([case("new", view(1))], [case("black", nothing)])) == []


def test_nobody_is_held_out_or_trained_on(case):
    assert list(find_twins([], [case("trained", view(1))])) == []
    assert list(find_twins([case("new", view(1))], [])) == []
