"""Tests that what cannot be read of a folder is named and counted, and shows in the report and in the exit status."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rtseg.cli.app import app
from rtseg.engines.load import load_engine
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sources import open_source
from rtseg.sources.playback import LoopingSource, PacedSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of five images, of which the second and the fourth are damaged."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(5):
        cv2.imwrite(str(images / f"{number}.png"), np.full((48, 64), 40 * number, np.uint8))
    for number in (1, 3):
        path = images / f"{number}.png"
        path.write_bytes(path.read_bytes()[:60])
    return images


def _run(folder: Path, tiny: Path, *options: object) -> Result:
    arguments = "run", folder, "--model", tiny, "--warmup", 0, "--sector", "off", *options
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_damaged_files_of_a_folder_are_named_and_the_status_is_3(folder, tiny, tmp_path):
    lines, masks = tmp_path / "a.jsonl", tmp_path / "masks"
    done = _run(folder, tiny, "--json", lines, "--masks", masks)
    assert done.exit_code == 3
    words = " ".join((done.output).split())
    assert "2 of the source's parts could not be read and were left out: 1.png, 3.png" in words
    *frames, last = [json.loads(line) for line in lines.read_text().splitlines()][1:]
    assert [frame["index"] for frame in frames] == [0, 2, 4]
    assert [part["name"] for part in last["omitted"]] == ["1.png", "3.png"]
    assert sorted(path.name for path in masks.glob("*.png")) == ["000000.png", "000002.png", "000004.png"]


def test_strict_makes_it_an_error(folder, tiny):
    done = _run(folder, tiny, "--strict")
    assert done.exit_code == 1
    assert "1.png cannot be read" in " ".join(done.output.split())
    for number in (1, 3):
        (folder / f"{number}.png").unlink()
    assert _run(folder, tiny, "--strict").exit_code == 0


def test_the_report_names_what_is_left_out(folder, tiny):
    for wrap in (lambda source: source, PacedSource, lambda source: LoopingSource(lambda: source, 3)):
        engine = load_engine(tiny)
        report = Pipeline(wrap(open_source(str(folder))), Session(engine)).run().to_json()
        assert [part["name"] for part in report["omitted"]][:1] == ["1.png"]
        engine.close()
