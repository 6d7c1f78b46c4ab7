"""Read letters with Tesseract, an OCR that the redaction does not use, at one and three times their size."""

import shutil
import subprocess
from difflib import SequenceMatcher

import cv2
import numpy as np

from rtseg.bench.redaction.lettered_clip import ScreenText
from rtseg.errors import ConfigError
from rtseg.frame import Image

_SCALES = (1, 3)
_MARGIN = 8  # pixels around a text
_LINE, _SPARSE = "7", "11"  # Tesseract's page segmentation modes: a single line of text, and text anywhere
_MIN_WORD = 3  # letters and digits; shorter words are read into speckle


def check_ocr() -> None:
    """Raise ConfigError where Tesseract is not installed."""
    if shutil.which("tesseract") is None:
        raise ConfigError("tesseract is not installed: apt-get install tesseract-ocr")


def legible_letters(picture: Image, text: ScreenText) -> int:
    """Return how many letters and digits of a text the OCR reads in a picture at its place, at most at any scale.

    The longest common run counts: two letters or more, or all of a shorter text.
    """
    top, left, height, width = text.box
    part = picture[max(0, top - _MARGIN) : top + height + _MARGIN, max(0, left - _MARGIN) : left + width + _MARGIN]
    if not part.size or not part.any():
        return 0
    return max(_common_letters(_read(part, scale), text.string) for scale in _SCALES)


def legible_words(picture: Image) -> list[str]:
    """Return the words of three letters or digits and more that the OCR reads anywhere in a picture, at any scale."""
    words = {word for scale in _SCALES for word in _read(picture, scale, _SPARSE).split()}
    return sorted(word for word in words if sum(map(str.isalnum, word)) >= _MIN_WORD)


def _common_letters(read: str, string: str) -> int:
    one, other = ("".join(filter(str.isalnum, word.lower())) for word in (read, string))
    if not other:
        return 0
    run = SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size
    return run if run >= min(2, len(other)) else 0


def _read(part: Image, scale: int, segmentation: str = _LINE) -> str:
    enlarged = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    coded = cv2.imencode(".png", np.ascontiguousarray(enlarged[..., ::-1] if enlarged.ndim == 3 else enlarged))[1]
    command = ["tesseract", "stdin", "stdout", "--psm", segmentation]
    done = subprocess.run(command, input=coded.tobytes(), capture_output=True, check=False)
    return done.stdout.decode("utf-8", "replace")
