"""Test that the measurement of redaction sees letters that go out, and none where they are black."""

import json
import shutil

import av
import cv2
import numpy as np
import pytest
import screens

from rtseg.bench.redaction.lettered_clip import read_lettered_clip
from rtseg.bench.redaction.measure import measure_clip, summary
from rtseg.errors import ReportError
from rtseg.session.redaction import RedactionMode

SIZE = (240, 320)
INSIDE = screens.rectangle(SIZE, 80, 40, 130, 200)

needs_ocr = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Return the truth of a clip of four frames with one name outside the sector."""
    path = tmp_path_factory.mktemp("screens") / "000.json"
    with av.open(str(path.with_suffix(".mp4")), "w") as file:
        stream = file.add_stream("libx264", 25, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(4):
            picture = np.where(INSIDE, screens.speckle(SIZE, index), 0).astype(np.uint8)
            cv2.putText(picture, "DOE JANE 1970", (30, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 230, 2, cv2.LINE_AA)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack([picture] * 3), "rgb24")))
        file.mux(stream.encode(None))
    cv2.imwrite(str(path.with_suffix(".png")), INSIDE.astype(np.uint8) * 255)
    texts = [{"box": [18, 28, 28, 200], "string": "DOE JANE 1970", "over_sector": False}]
    path.write_text(json.dumps({"sector": "000.png", "text": texts}))
    return path


@needs_ocr
def test_letters_that_go_out_are_counted(truth):
    scores = measure_clip(read_lettered_clip(truth), RedactionMode.OFF)
    assert (scores.frames, scores.withheld, scores.first_shown) == (4, 0, 0)
    assert scores.legible_outside >= 5
    assert summary([scores])["pixels_lost"] == 0


@needs_ocr
@pytest.mark.parametrize("mode", [RedactionMode.AUTO, RedactionMode.STRICT])
def test_letters_that_are_black_are_not(truth, mode):
    total = summary([measure_clip(read_lettered_clip(truth), mode)])
    assert (total["texts_outside"], total["legible_letters_outside"]) == (1, 0)


def test_a_file_that_is_no_truth_is_refused(tmp_path):
    (tmp_path / "000.json").write_text("{}")
    with pytest.raises(ReportError, match="is no truth of a screen"):
        read_lettered_clip(tmp_path / "000.json")
