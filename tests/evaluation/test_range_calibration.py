"""Test that ranges are fitted to experts on training subjects, written into the model, and hold on others."""

import json
import math

import cv2
import networks
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.engines.convert.model_metadata import drop_familiarity
from rtseg.errors import ModelError
from rtseg.evaluation.range_calibration import RangeRow, factors_of, fitted_factor, range_report


def rows(count, spread, seed=0, width=10.0):
    rng = np.random.default_rng(seed)
    return [
        RangeRow(f"p{i}", f"s{i // 2}", 100 + off, 100.0, 100 - width, 100 + width)
        for i, off in enumerate(rng.normal(0, spread, count))
    ]


@pytest.mark.parametrize("spread", [1.0, 4.0, 15.0])
def test_the_factor_holds_ninety_per_cent_of_further_pictures(spread):
    factor = fitted_factor(rows(500, spread))
    assert factor == pytest.approx(1.645 * spread / 10, rel=0.12)
    told = range_report(rows(4000, spread, seed=1), factor)
    assert told["coverage"] == pytest.approx(0.9, abs=0.03)
    assert told["coverage_interval"][0] < told["coverage_by_subject"] < told["coverage_interval"][1]
    assert (told["pictures"], told["subjects"]) == (4000, 2000)


def test_too_few_pictures_fit_nothing_and_no_range_is_endless():
    assert fitted_factor(rows(20, 1.0)) == math.inf
    assert factors_of({"hc": rows(20, 1.0), "bpd": rows(100, 1.0)}).keys() == {"bpd"}
    assert RangeRow("p", "s", 101.0, 100.0, 100.0, 100.0).reach == math.inf
    assert RangeRow("p", "s", 100.0, 100.0, 100.0, 100.0).reach == 0
    assert range_report([], 1.0) == {"pictures": 0}


def test_the_side_on_which_the_expert_is_counts():
    assert RangeRow("p", "s", 90.0, 100.0, 80.0, 140.0).reach == pytest.approx(0.5)
    assert RangeRow("p", "s", 110.0, 100.0, 80.0, 140.0).reach == pytest.approx(0.25)


@pytest.mark.parametrize("factors", [[["hc", -1.0]], [["hc", math.nan]], [["hc"]], [[3, 1.0]], ["hc"]])
def test_factors_that_are_none_are_refused(factors):
    values = json.loads(ModelSpec("n", (64, 96), ("head",), (0.0,), (1.0,)).to_json())
    with pytest.raises(ModelError, match="factors of ranges"):
        ModelSpec.from_json(json.dumps(values | {"range_factors": factors}))


@pytest.fixture
def data(tmp_path):
    """Write 40 pictures of bright squares with masks and pixel sizes, of 20 subjects."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    lines = ["name,pixel_size_mm"]
    for number in range(40):
        image = rng.integers(0, 40, (64, 96), np.uint8)
        top, left = rng.integers(4, 26), rng.integers(4, 46)
        image[top : top + 30, left : left + 40] += 170
        name = f"scan{number // 2:02d}_frame{number:05d}.png"
        cv2.imwrite(str(tmp_path / "data" / "images" / name), image)
        cv2.imwrite(str(tmp_path / "data" / "masks" / name), np.where(image > 120, 255, 0).astype(np.uint8))
        lines.append(f"{name[:-4]},0.5")
    (tmp_path / "data" / "measurements.csv").write_text("\n".join(lines))
    return tmp_path / "data"


def test_the_command_writes_the_factors_and_reports_the_held_out(data, tmp_path):
    network = networks.convolutional(tmp_path / "net.onnx", gain=2.0)
    held_out = tmp_path / "split.json"
    names = sorted(path.stem for path in (data / "masks").iterdir())
    held_out.write_text(json.dumps({"training": names[:36], "held_out": names[36:]}))
    arguments = ["calibrate", network, data, "--ranges", "--out", tmp_path / "after.onnx", "--json", tmp_path / "r.json"]
    done = CliRunner().invoke(app, [str(one) for one in [*arguments, "--held-out", held_out]])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "r.json").read_text())["measures"]
    assert told["area"]["fitted_on"]["pictures"] == 36
    assert told["area"]["held_out"]["pictures"] == 4
    described = onnx.load(tmp_path / "after.onnx")
    spec = ModelSpec.from_json({one.key: one.value for one in described.metadata_props}[METADATA_KEY])
    assert dict(spec.range_factors)["area"] == told["area"]["factor"]
    drop_familiarity(described)
    assert ModelSpec.from_json({one.key: one.value for one in described.metadata_props}[METADATA_KEY]).range_factors == ()
