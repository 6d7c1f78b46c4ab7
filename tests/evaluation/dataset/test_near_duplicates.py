"""Tests the search for near-duplicates in training and held-out pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from views import seen_again, view

from rtseg.evaluation.dataset import Case, find_near_duplicates


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


def test_a_mirror_image_is_another_view(case):
    assert list(find_near_duplicates([case("mirrored", view(1)[:, ::-1])], [case("trained", view(1))])) == []


@pytest.mark.parametrize(
    "nothing", [np.zeros((40, 50), np.uint8), np.full((1, 1), 7, np.uint8), np.full((300, 360), 255, np.uint8)]
)
def test_a_picture_that_shows_nothing_is_nobodys_twin(case, nothing):
    assert list(find_near_duplicates([case("dark", nothing)], [case("trained", view(1)), case("black", nothing)])) == []
    assert list(find_near_duplicates([case("new", view(1))], [case("black", nothing)])) == []


def test_nobody_is_held_out_or_trained_on(case):
    assert list(find_near_duplicates([], [case("trained", view(1))])) == []
    assert list(find_near_duplicates([case("new", view(1))], [])) == []
