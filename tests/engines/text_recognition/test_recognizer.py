"""Test that short texts are read, in gray and in color, light and dark."""

import hashlib

import cv2
import numpy as np
import pytest

from rtseg.engines.text_recognition.recognizer import CHARACTERS, MODEL, TextRecognizer


@pytest.fixture(scope="module")
def recognizer():
    return TextRecognizer(1)


def line(text, ground=0, ink=220):
    picture = np.full((24, 34 + 13 * len(text)), ground, np.uint8)
    cv2.putText(picture, text, (16, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, ink, 1, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize("text", ["5", "10", "12.5", "160", "Depth"])
def test_texts_are_read(recognizer, text):
    for picture in (line(text), line(text, 230, 20), cv2.cvtColor(line(text), cv2.COLOR_GRAY2RGB)):
        found = recognizer.read(picture)
        assert found.text == text
        assert found.confidence > 0.5


def test_nothing_is_read_where_nothing_is_written(recognizer):
    assert recognizer.read(np.zeros((20, 40), np.uint8)).text == ""


def test_the_network_is_the_one_of_the_notice():
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() in (MODEL.resolve().parents[2] / "NOTICE").read_text()
    assert len(CHARACTERS) == len(set(CHARACTERS)) == 95
