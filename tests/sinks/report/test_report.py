"""Test the report of a scan: one page with curves, best frames and reasons, in flat memory, with all text escaped."""

import re
from dataclasses import replace

import numpy as np
import pytest
import results

from rtseg.errors import SinkError
from rtseg.frame import Life
from rtseg.measure import measure_history
from rtseg.measure.measure_history import MeasureHistory
from rtseg.measured_value import MeasuredValue
from rtseg.sinks.report import ReportSink
from rtseg.sinks.report.fittest_frame import FittestFrame

FPS = 25
MAX_POINTS = 512


def value(number=20.0, name="area", **changes):
    low, high = (None, None) if number is None else (number - 1, number + 2)
    changes = {"classes": ("lumen",), **changes}
    return MeasuredValue(name, "area", "mm2", value=number, low=low, high=high, spacing_from="user", **changes)


def result(index, *measures, **changes):
    one = results.result(index=index, captured_ns=index * results.SECOND_NS // FPS)
    return replace(one, segmentation=replace(one.segmentation, measures=measures, **changes))


def page(tmp_path, *shown, model="carotid"):
    sink = ReportSink(tmp_path / "scan.html", model)
    sink.open(results.stream())
    for one in shown:
        sink.write(one)
    sink.close()
    sink.close()
    return (tmp_path / "scan.html").read_text()


def test_a_page_holds_values_curves_frames_and_reasons_and_refers_to_nothing(tmp_path):
    times = np.arange(200) / FPS
    areas = 100 + 10 * np.cos(2 * np.pi * times / 0.8)
    shown = [result(i, value(area)) for i, area in enumerate(areas)]
    shown.append(result(200, value(None, withheld="the <b>probe</b> has no contact"), life=Life.LOST, reason="no contact"))
    text = page(tmp_path, *shown, model="<script>")
    assert "201 frames in 8.0 s" in text
    assert "<td>area</td><td>100" in text
    assert "200 of 201" in text
    assert "heart rate by the area</td><td>75 per minute" in text
    assert "growth of the area over the beat</td><td>22." in text
    assert "the &lt;b&gt;probe&lt;/b&gt; has no contact" in text
    assert "8.00 s</td><td>LOST</td><td>no contact" in text
    assert "&lt;script&gt;" in text
    assert text.count("<svg") == text.count('class="line"') == text.count('class="band"') == 1
    assert text.count("data:image/jpeg;base64,") == 1
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "research software, not a medical device" in text


def test_only_a_lumen_has_a_heart_rate_in_its_area(tmp_path):
    areas = 100 + 10 * np.cos(2 * np.pi * np.arange(200) / FPS / 0.8)
    text = page(tmp_path, *(result(i, value(area, classes=("head",))) for i, area in enumerate(areas)))
    assert "heart rate" not in text


def test_a_scan_without_measures_says_so(tmp_path):
    assert "Nothing was asked to be measured" in page(tmp_path, result(0))
    assert "0 frames in 0.0 s" in page(tmp_path)


def test_a_curve_that_is_steady_or_unknown(tmp_path):
    text = page(tmp_path, *(result(i, value(5.0), value(None, "hc", withheld="no pixel size")) for i in range(10)))
    assert "<td>withheld</td>" in text
    assert text.count("<svg") == 1
    assert "heart rate" not in text


def test_a_folder_that_is_not_there_and_a_sink_that_is_not_open(tmp_path):
    with pytest.raises(SinkError, match="make it first"):
        ReportSink(tmp_path / "none" / "scan.html").open(results.stream())
    with pytest.raises(SinkError, match="not open"):
        ReportSink(tmp_path / "scan.html").write(result(0))


def test_memory_is_flat_and_the_spread_stays(monkeypatch):
    monkeypatch.setattr(measure_history, "MAX_POINTS", MAX_POINTS)
    history = MeasureHistory("area", "mm2")
    for i in range(3 * MAX_POINTS):
        history.add(i / FPS, value(100 + i % 11))
    assert MAX_POINTS / 2 <= len(history.curve()[0]) <= MAX_POINTS
    assert history.spread() == pytest.approx((105, 100, 110), abs=0.5)
    for i in range(50):
        history.add(0.0, value(None, withheld=f"reason {i}"))
    assert len(history.withheld) == 21
    assert sum(history.withheld.values()) == 50


def test_a_steady_frame_of_which_the_network_is_sure_is_the_best():
    history, steady = MeasureHistory("area", "mm2"), []
    for i, number in enumerate([20] * 10 + [30] * 10 + [None] + [30] * 5):
        steady.append(history.add(i / FPS, value(number)))
    assert steady == [False] * 8 + [True] * 2 + [False] * 7 + [True] * 3 + [False] * 6
    best, picture = FittestFrame(), np.zeros((40, 60, 3), np.uint8)
    best.keep(picture, 1.0, value(20.0), 0.8, is_steady=False)
    assert best.is_better(value(20.0), 0.9, is_steady=False)
    assert not best.is_better(value(20.0), 0.7, is_steady=False)
    assert best.is_better(value(20.0), 0.7, is_steady=True)
    assert not best.is_better(value(None), 1.0, is_steady=True)
    assert best.jpeg[:2] == b"\xff\xd8"


def test_a_range_that_was_fitted_to_experts_says_so_and_an_unfit_frame_is_not_the_best(tmp_path):
    assert "9 of 10 pictures" not in page(tmp_path, result(0, value(20.0)))
    assert "9 of 10 pictures" in page(tmp_path, result(0, value(20.0, covers=0.9)))
    unfit = [result(i, value(20.0, unfit="the lumen is in several pieces")) for i in range(12)]
    fit = [result(12 + i, value(25.0)) for i in range(12)]
    assert "area: 25.0 mm2 (24.0 to 27.0), at 0.76 s" in page(tmp_path, *unfit, *fit)
