"""Tests `rtseg run` with engines that hang: every frame is written, one line reports it, and the command ends."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import waiting

pytestmark = pytest.mark.attack

CODE = """
import ctypes, sys, threading
from rtseg.engines.onnx import OnnxEngine
from rtseg.engines.openvino import OpenVinoEngine

def hang(kind, method, place):
    original, calls = getattr(kind, method), []
    def hanging(*arguments):
        calls.append(1)
        if len(calls) >= place:
            {hang}
        return original(*arguments)
    setattr(kind, method, hanging)

{plants}
from rtseg.cli import main
main()
"""
IN_PYTHON = "threading.Event().wait()"
IN_A_LIBRARY = "ctypes.CDLL(None).pause()"  # without the GIL, and until a signal arrives
FRAMES = 60
SOURCE = f"synthetic:vessel?frames={FRAMES}&height=64&width=96"
ENDLESS = "synthetic:vessel?height=64&width=96"
AFTER_30 = {"infer": 30, "upload": 30, "download": 90}  # there are three downloads in a frame
BOTH = ("--engine", "openvino,onnx")


def command(tiny: Path, lines: Path, plants: str, *arguments: str, source: str = SOURCE, how: str = IN_PYTHON) -> list[str]:
    code = CODE.format(plants=plants, hang=how)
    return [sys.executable, "-c", code, "run", source, "--model", str(tiny), "--json", str(lines), *arguments]


def indices(lines: Path) -> list[int]:
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    return [row["index"] for row in rows if "index" in row]


@pytest.mark.parametrize(("kind", "taken"), [("OpenVinoEngine", "onnx"), ("OnnxEngine", "openvino")])
@pytest.mark.parametrize("method", AFTER_30)
def test_every_frame_of_a_file_is_written(tiny: Path, tmp_path: Path, kind: str, taken: str, method: str):
    lines, order = tmp_path / "out.jsonl", "openvino,onnx" if taken == "onnx" else "onnx,openvino"
    plants = f"hang({kind}, {method!r}, {AFTER_30[method]})"
    run = command(tiny, lines, plants, "--engine", order, "--engine-timeout", "0.5")
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert indices(lines) == list(range(FRAMES))
    assert done.stderr.count(f"{method} did not return within 0.5 s; {taken} goes on") == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_a_library_that_blocks_holds_up_no_exit(tiny: Path, tmp_path: Path):
    lines = tmp_path / "out.jsonl"
    run = command(tiny, lines, "hang(OpenVinoEngine, 'infer', 20)", *BOTH, "--engine-timeout", "0.5", how=IN_A_LIBRARY)
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, indices(lines)) == (0, list(range(FRAMES))), done.stderr


def test_two_in_a_row_are_an_error_of_one_line(tiny: Path, tmp_path: Path):
    lines = tmp_path / "out.jsonl"
    plants = "hang(OpenVinoEngine, 'infer', 10)\nhang(OnnxEngine, 'infer', 10)"
    run = command(tiny, lines, plants, *BOTH, "--engine-timeout", "0.5")
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: infer did not return within 0.5 s, and an engine hung before")
    assert 10 < len(indices(lines)) < FRAMES, "what was segmented before is kept"


def test_an_engine_alone_is_an_error_that_names_the_remedy(tiny: Path, tmp_path: Path):
    lines = tmp_path / "out.jsonl"
    run = command(tiny, lines, "hang(OpenVinoEngine, 'infer', 10)", "--engine-timeout", "0.5")
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "name another engine to go on with, as in --engine openvino,onnx" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", [IN_PYTHON, IN_A_LIBRARY], ids=["Python", "a library"])
def test_ctrl_c_during_a_hang_ends_the_command(tiny: Path, tmp_path: Path, how: str):
    lines = tmp_path / "out.jsonl"
    plants = "hang(OpenVinoEngine, 'infer', 10)"
    run = command(tiny, lines, plants, *BOTH, "--engine-timeout", "600", source=ENDLESS, how=how)
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waiting.for_lines(lines, 8, process)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 130, complained
    assert "what was written so far is kept" in complained
    assert len(indices(lines)) >= 8


def test_an_engine_that_does_not_close_ends_the_command(tiny: Path, tmp_path: Path):
    lines = tmp_path / "out.jsonl"
    run = command(tiny, lines, "hang(OpenVinoEngine, 'close', 1)")
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, indices(lines)) == (0, list(range(FRAMES))), done.stderr
    assert "did not close within" in done.stderr


def test_a_timeout_out_of_range_is_refused(tiny: Path, tmp_path: Path):
    done = subprocess.run(
        command(tiny, tmp_path / "out.jsonl", "", "--engine-timeout", "-1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "an engine timeout of -1 s is out of range: give 0.05 to 3600 s, or 0 for none" in done.stderr
