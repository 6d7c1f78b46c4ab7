import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from rtseg.bench.sector import measure_clip, read_truths, summarize
from rtseg.errors import ConfigError
from rtseg.sources.synthetic.screens.clip_writer import ScreenSet, write_screens


def test_clips_are_measured_and_the_report_is_written(tmp_path):
    write_screens(ScreenSet(seed=5, count=2, layouts=(1, 5), frames=11), tmp_path / "clips")
    command = [
        sys.executable,
        "-m",
        "rtseg.cli",
        "bench",
        "sector",
        str(tmp_path / "clips"),
        "--json",
        str(tmp_path / "f.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["clips"] == 2
    assert set(report) >= {"iou_median", "iou_p5", "found_within_10", "text_recall", "pixels_lost", "withheld"}
    assert set(report) >= {"scale_within_2pct", "scale_refused", "scale_wrong"}
    assert report["scale_wrong"] == 0
    assert 0 <= report["iou_p5"] <= report["iou_median"] <= 1
    assert all(row["texts"] >= row["hidden"] for row in report["rows"])


def test_a_wrong_truth_gives_a_low_figure(tmp_path):
    write_screens(ScreenSet(seed=5, count=1, layouts=(1,), frames=11), tmp_path)
    right = summarize([measure_clip(read_truths(tmp_path)[0])])
    mask = cv2.imread(str(tmp_path / "000.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(tmp_path / "000.png"), 255 - mask)
    wrong = summarize([measure_clip(read_truths(tmp_path)[0])])
    assert right["iou_median"] > 0.85 > 0.3 > wrong["iou_median"]
    assert (right["found_within_10"], wrong["found_within_10"]) == (1, 0)
    assert wrong["pixels_lost"] > right["pixels_lost"]


def test_a_folder_without_a_truth_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no clip with a truth: make some with python -m"):
        read_truths(tmp_path)
    (tmp_path / "000.json").write_text("[]")
    with pytest.raises(ConfigError, match="is no truth of a screen"):
        read_truths(tmp_path)
    (tmp_path / "000.json").write_text(json.dumps({"text": [], "sector": "000.png"}))
    cv2.imwrite(str(tmp_path / "000.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(ConfigError, match="lacks its clip"):
        read_truths(tmp_path)
