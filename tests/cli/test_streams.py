"""Test `rtseg run` with several sources and models: outputs, bit-identical masks, refusals and the exit status."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import waiting
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.sources import open_source
from rtseg.sources.playback import PacedSource

SOURCES = [f"synthetic:vessel?height=64&width=96&frames={12 + seed}&seed={seed}" for seed in range(3)]
NAMES = [f"synthetic-vessel-height-64-width-96-frames-{12 + seed}-seed-{seed}" for seed in range(3)]


def rtseg(*arguments: object):
    return CliRunner().invoke(app, ["run", *map(str, arguments)])


def outputs(folder: Path) -> list[object]:
    return [option for name in ("out", "json", "csv", "masks") for option in (f"--{name}", folder)]


def written(folder: Path, name: str) -> dict[str, bytes]:
    """Return the masks of a stream, and its JSON lines without times."""
    masks = {path.name: path.read_bytes() for path in sorted((folder / name).glob("*.png"))}
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()[1:]]
    return masks | {f"row {row['index']}": json.dumps(row["life"]).encode() for row in rows}


def test_each_stream_has_its_outputs_and_the_masks_of_its_single_run(tiny: Path, tmp_path: Path):
    together, alone = tmp_path / "together", tmp_path / "alone"
    done = rtseg(*SOURCES, "--model", tiny, *outputs(together))
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in together.iterdir()) == sorted(
        name + suffix for name in NAMES for suffix in ("", ".mp4", ".jsonl", ".csv")
    )
    for source, name in zip(SOURCES, NAMES, strict=True):
        alone.mkdir(exist_ok=True)
        paths = [alone / f"{name}{suffix}" for suffix in (".mp4", ".jsonl", ".csv", "")]
        single = [option for pair in zip(("--out", "--json", "--csv", "--masks"), paths, strict=True) for option in pair]
        assert rtseg(source, "--model", tiny, *single).exit_code == 0
        assert written(together, name) == written(alone, name)
        assert f"{name}: ended after" in done.output
    assert (together / f"{NAMES[0]}.mp4").stat().st_mode & 0o777 == 0o600


def test_two_models_on_one_stream_have_outputs_named_by_model(tiny: Path, tmp_path: Path):
    done = rtseg(
        SOURCES[0], "--model", tiny, "--model", "carotid-int8", "--json", tmp_path / "lines", "--masks", tmp_path / "m"
    )
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "lines").iterdir()) == [
        f"{NAMES[0]}.carotid-int8.jsonl",
        f"{NAMES[0]}.tiny.jsonl",
    ]
    headers = [json.loads(path.read_text().splitlines()[0]) for path in sorted((tmp_path / "lines").iterdir())]
    assert headers[0] != headers[1]
    single = tmp_path / "single"
    assert rtseg(SOURCES[0], "--model", "carotid-int8", "--masks", single).exit_code == 0
    for path in single.glob("*.png"):
        assert (tmp_path / "m" / f"{NAMES[0]}.carotid-int8" / path.name).read_bytes() == path.read_bytes()


def test_a_dead_stream_is_named_and_the_others_are_complete(tiny: Path, tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(b"no film" * 99)
    done = rtseg(SOURCES[0], tmp_path / "broken.mp4", "nothing.mp4", "--model", tiny, "--json", tmp_path / "lines")
    assert done.exit_code == 1
    assert "error: broken: " in done.output
    assert "error: nothing: nothing.mp4 does not exist" in done.output
    assert len((tmp_path / "lines" / f"{NAMES[0]}.jsonl").read_text().splitlines()) == 1 + 12


def test_a_folder_with_a_damaged_file_is_left_out_by_name(tiny: Path, tmp_path: Path):
    import cv2
    import numpy as np

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.random.default_rng(number).integers(0, 255, (64, 96), np.uint8))
    (folder / "2.png").write_bytes(b"no picture")
    assert rtseg(SOURCES[0], folder, "--model", tiny).exit_code == 3
    strict = rtseg(SOURCES[0], folder, "--model", tiny, "--strict")
    assert strict.exit_code == 1
    assert "error: pictures: 2.png cannot be read" in strict.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([SOURCES[0], SOURCES[0]], "is listed twice: name each source once"),
        ([*SOURCES, "--json", "lines.jsonl"], "--json lines.jsonl is one file for several streams or models: name a folder"),
        ([*SOURCES, "--json", "-"], "--json - writes the lines of one stream"),
        ([*SOURCES, "--window"], "--window cannot be shared by several outputs"),
        ([*SOURCES, "--sink", "a=b"], "--sink cannot be shared"),
        ([*SOURCES, "--prompt", "1,2"], "--prompt points into one stream"),
        ([*SOURCES, "--masks", "a", "--record", "a", "--redact", "strict", "--keep-surroundings"], "contradict each other"),
        ([SOURCES[0], "--model", "carotid", "--model", "carotid"], "the model 'carotid' is given twice"),
        ([SOURCES[0], "--model", "carotid", "--model", "muscle", "--record", "a"], "--record is for a stream with one model"),
        ([SOURCES[0], "--model", "carotid", "--model", "muscle", "--classes", "a"], "describe one network"),
    ],
)
def test_what_streams_cannot_share_is_refused_in_one_line(arguments, words, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = rtseg(*arguments)
    assert (done.exit_code, done.output.count("error:")) == (1, 1)
    assert words in done.output.replace("\n", " ")
    assert not list(tmp_path.iterdir())


def test_of_a_hundred_streams_those_too_many_are_left_out_by_name(tiny: Path, tmp_path: Path):
    sources = [f"synthetic:vessel?height=16&width=16&frames=1&seed={seed}" for seed in range(100)]
    done = rtseg(*sources, "--model", tiny)
    assert done.exit_code == 3, done.output
    assert done.output.count("left out: ") == 100 - 64
    assert "seed-99: left out: 64 streams fit into one process at most" in done.output
    assert done.output.count("ended after 1 frames") == 64


def test_live_streams_that_are_too_fast_together_are_degraded_and_left_out_by_name(tiny: Path, monkeypatch):
    def open_probe(uri: str, fps: float | None = None):
        return PacedSource(open_source(SOURCES[0]), 10)

    monkeypatch.setattr("rtseg.cli.assembly.open_source", open_probe)
    monkeypatch.setattr("rtseg.cli.run_streams.measure_frame_rate", lambda engines: 16 / 0.9)
    done = rtseg("rtsp://one/us", "rtsp://two/us", "rtsp://three/us", "--model", tiny)
    assert done.exit_code == 3, done.output
    assert done.output.count("-us: ended after ") == 2
    assert done.output.count("degraded, since the machine is full: the model runs on 1 of 2 frames") == 1
    assert done.output.count("-us: left out: its 10 frames a second do not fit") == 1


def test_a_source_is_never_overwritten(tiny: Path, tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in "ab":
        (tmp_path / folder / f"{folder}.mp4").write_bytes(b"film")
    done = rtseg(tmp_path / "a" / "a.mp4", tmp_path / "b" / "b.mp4", "--model", tiny, "--out", tmp_path / "a")
    assert done.exit_code == 1
    assert "which would be overwritten" in done.output
    assert (tmp_path / "a" / "a.mp4").read_bytes() == b"film"


def test_ctrl_c_ends_all_streams_and_keeps_what_was_written(tiny: Path, tmp_path: Path):
    endless = [f"synthetic:vessel?height=64&width=96&frames=100000&seed={seed}" for seed in range(3)]
    command = [sys.executable, "-m", "rtseg", "run", *endless, "--model", str(tiny), "--json", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ))
    waiting.until(lambda: len(list(tmp_path.glob("*.jsonl"))) == 3)
    for path in tmp_path.glob("*.jsonl"):
        waiting.for_lines(path, 3, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=waiting.WAIT_S)
    assert process.returncode == 130, output
    for path in tmp_path.glob("*.jsonl"):
        assert all(json.loads(line) for line in path.read_text().splitlines())
