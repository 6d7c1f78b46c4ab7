"""Tests the plot of Dice against latency from reports."""

import json

import cv2
import pytest
from typer.testing import CliRunner

from rtseg.bench.frontier import FrontierPoint, plot_frontier, read_points
from rtseg.cli.app import app
from rtseg.errors import ConfigError


def _evaluated(path, model, *dices):
    classes = {f"class {k}": {"dice": {"mean": dice}} for k, dice in enumerate(dices)}
    path.write_text(json.dumps({"model": model, "classes": classes}))
    return path


def _timed(path, *rows):
    engines = [{"name": name, "model": model, "median_ms": ms} for name, model, ms in rows]
    path.write_text(json.dumps({"engines": engines}))
    return path


@pytest.fixture
def reports(tmp_path):
    rows = [
        ("openvino fp32", "net", 8.0),
        ("onnx fp32", "net", 9.0),
        ("openvino int8", "net", 4.0),
        ("peer other", "other", 54.0),
    ]
    return [
        _timed(tmp_path / "engines.json", *rows, ("openvino fp32", "unknown", 1.0)),
        _evaluated(tmp_path / "a.json", "net", 0.9, 0.8),
        _evaluated(tmp_path / "b.json", "zoo/net-int8.onnx", 0.9, 0.7),
        _evaluated(tmp_path / "c.json", "other", 0.92),
    ]


def test_a_network_stands_where_its_fastest_engine_is(reports):
    assert read_points(reports) == [
        FrontierPoint("net-int8", "openvino int8", 4.0, pytest.approx(0.8)),
        FrontierPoint("net", "openvino fp32", 8.0, pytest.approx(0.85)),
        FrontierPoint("other", "peer other", 54.0, 0.92),
    ]
    assert [point.network for point in read_points(reports)] == ["net", "net", "other"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a report"),
        ("[]", "give their --json reports"),
        ('{"a": 1}', "give their --json reports"),
        (
            '{"classes": {"x": {"dice": {"mean": 1}}}, "model": "m"}',
            "no network has both a time .none. and a Dice .m.: measure",
        ),
    ],
)
def test_what_is_no_report_is_told(tmp_path, text, message):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_points([path])


def test_it_is_drawn(reports, tmp_path):
    plot_frontier(read_points(reports), "x", tmp_path / "frontier.png")
    done = CliRunner().invoke(app, ["bench", "frontier", *map(str, reports), "--out", str(tmp_path / "again.png")])
    assert done.exit_code == 0, done.output
    pictures = [cv2.imread(str(tmp_path / name)) for name in ("frontier.png", "again.png")]
    assert pictures[0].std() > 5
    assert pictures[0].shape == pictures[1].shape
    assert "4.00" in done.output
