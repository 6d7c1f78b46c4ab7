"""Tests that outputs are readable by their owner only, under any umask, unless --mode says otherwise."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rtseg.bench.kernels import paired_timing
from rtseg.cli.app import app
from rtseg.engines import profile
from rtseg.errors import SinkError
from rtseg.output.atomic_file import write_atomically
from rtseg.output.private_file import make_folder
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile

pytestmark = pytest.mark.attack

SOURCE = "synthetic:vessel?height=64&width=96&frames=30&fps=200"
LOOPED = "synthetic:vessel?height=240&width=480&frames=20"


def rtseg(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code in (0, 1), done.output
    return done


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two scans of seven frames with a bright square."""
    folder = tmp_path_factory.mktemp("data")
    for kind, dark, bright in [("images", 20, 230), ("masks", 0, 255)]:
        (folder / kind).mkdir()
        for scan in range(2):
            for frame in range(7):
                picture = np.full((64, 96), dark, np.uint8)
                picture[10 + frame : 40 + frame, 20:60] = bright
                cv2.imwrite(str(folder / kind / f"scan0{scan}_frame0000{frame}.png"), picture)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    return folder


def _run(out: Path, tiny: Path, *mode: str) -> set[str]:
    masks, record = out / "deep" / "masks", out / "recording"
    files = ["--out", out / "a.mp4", "--masks", masks, "--json", out / "a.jsonl", "--record", record]
    assert rtseg("run", SOURCE, "--model", tiny, *files, *mode).exit_code == 0
    return {"a.mp4", "a.jsonl", "deep", "masks", "recording", "frames.jsonl", "pictures-0.mkv", "000000.png"}


def _check(out: Path, names: set[str], file: int = 0o600, folder: int = 0o700) -> None:
    found = {path: path.stat().st_mode for path in out.rglob("*")}
    assert names <= {path.name for path in found}
    wrong = {str(path): oct(mode) for path, mode in found.items() if stat.S_IMODE(mode) != (folder if path.is_dir() else file)}
    assert not wrong
    assert stat.S_IMODE(out.stat().st_mode) == 0o755  # the folder existed before
    assert not [path for path in found if path.name.startswith(".")]


def test_run(umask: None, tiny: Path, out: Path):
    (out / "a.mp4").touch(0o666)
    (out / "a.mp4").chmod(0o666)
    _check(out, _run(out, tiny))


def test_run_in_another_mode(umask: None, tiny: Path, out: Path):
    _check(out, _run(out, tiny, "--mode", "640"), 0o640, 0o750)
    (out / "a.mp4").unlink()
    rtseg("run", SOURCE, "--model", tiny, "--out", out / "a.mp4")
    assert stat.S_IMODE((out / "a.mp4").stat().st_mode) == 0o600  # the mode held for one command


@pytest.mark.parametrize("mode", ["", "abc", "777", "400", "066", "1600", "620", "0o600", "-600"])
def test_what_is_no_mode_is_refused_before_the_work(mode: str, tiny: Path, out: Path):
    done = CliRunner().invoke(app, ["run", SOURCE, "--model", str(tiny), "--out", str(out / "a.mp4"), f"--mode={mode}"])
    assert done.exit_code == 1
    assert "is no file mode: give 600, 640" in " ".join(done.output.split())
    assert not list(out.iterdir())


def test_bench_run_and_loop(umask: None, tiny: Path, out: Path):
    few = ["--frames", 12, "--warmup", 2, "--rounds", 1]
    written = rtseg("bench", SOURCE, "--model", tiny, *few, "--out", out / "new" / "report", "--json", out / "b.json")
    assert written.exit_code == 0, written.output
    assert rtseg("bench", "loop", LOOPED, "--model", tiny, "--frames", 12, "--json", out / "loop.json").exit_code == 0
    _check(out, {"new", "report", "report.json", "report.md", "report.html", "b.json", "loop.json"})


def test_bench_kernels_and_frontier(umask: None, tiny: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paired_timing, "BUDGET_NS", 1)
    monkeypatch.setattr("rtseg.cli.bench.kernels.QUICK_SIZES", ((24, 32),))
    assert rtseg("bench", "--kernels", "--quick", "--json", out / "kernels.json").exit_code == 0
    timed = {"engines": [{"name": "openvino fp32", "model": "net", "median_ms": 8.0}]}
    (tmp_path / "timed.json").write_text(json.dumps(timed))
    (tmp_path / "right.json").write_text(json.dumps({"model": "net", "classes": {"a": {"dice": {"mean": 0.9}}}}))
    reports = [tmp_path / "timed.json", tmp_path / "right.json"]
    assert rtseg("bench", "frontier", *reports, "--out", out / "frontier.png").exit_code == 0
    _check(out, {"kernels.json", "frontier.png"})


def test_eval_and_gate(umask: None, tiny: Path, out: Path, data: Path):
    assert rtseg("eval", tiny, data, "--json", out / "eval.json", "--worst", out / "worst.png").exit_code == 0
    rtseg("gate", tiny, tiny, data, "--json", out / "gate.json")
    _check(out, {"eval.json", "worst.png", "gate.json"})


def test_bench_temporal(umask: None, tiny: Path, out: Path):
    few = ["--frames", 10, "--quiet-frames", 24, "--json", out / "t.json", "--plot", out / "t.png"]
    assert rtseg("bench", SOURCE, "--model", tiny, "--temporal", *few).exit_code == 0
    _check(out, {"t.json", "t.png"})


MEASUREMENTS = {
    "bench engines": lambda tiny, out, data: ["bench", "engines", "--model", tiny, "--rounds", 1, "--threads", 1],
    "bench speckle": lambda tiny, out, data: ["bench", "speckle", "--model", tiny, "--data", data, "--subjects", "scan00"],
    "eval --video": lambda tiny, out, data: ["eval", tiny, data, "--video", "--frames", 10, "--plot", out / "a.png"],
}


@pytest.mark.parametrize("mode", [(), ("--mode", "640")], ids=["private", "640"])
@pytest.mark.parametrize("command", MEASUREMENTS.values(), ids=MEASUREMENTS)
def test_measurements_that_take_long(command, mode, tiny: Path, out: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    for name, small in (("CHANNELS", 16), ("SIDE", 16), ("RUNS", 2)):
        monkeypatch.setattr(profile, name, small)
    monkeypatch.setattr("rtseg.cli.bench.kernels.SPECKLE_SIZES_PX", ((1.0, 1.0),))
    before = os.umask(0)
    try:
        done = rtseg(*command(tiny, out, data), "--json", out / "a.json", *mode)
    finally:
        os.umask(before)
    assert done.exit_code == 0, done.output
    _check(out, {"a.json"}, 0o640 if mode else 0o600)


def test_train(umask: None, out: Path, data: Path, tmp_path: Path):
    pytest.importorskip("torch")
    settings = f'name = "tiny"\nclasses = ["lumen"]\nsize = [48, 48]\n[data]\nfolder = "{data}"\nheld_out = ["scan01"]\n'
    (tmp_path / "tiny.toml").write_text(settings + "[schedule]\nepochs = 1\nbatch = 2\nclip = 2\n")
    assert rtseg("train", tmp_path / "tiny.toml", "--out", out / "runs" / "one").exit_code == 0
    _check(out, {"runs", "one", "last.pt", "split.json", "losses.json", "curves.png"})


def test_a_file_is_private_from_its_first_byte(umask: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Check that a file is created with its final permissions, even if they cannot be changed afterward."""
    monkeypatch.setattr(os, "fchmod", lambda file, mode: None)
    UnbufferedFile(tmp_path / "a", "wb").close()
    write_atomically(tmp_path / "b", b"content")
    assert not any(path.stat().st_mode & 0o077 for path in tmp_path.iterdir())


def test_devices_and_pipes_are_written_as_they_are(tiny: Path, tmp_path: Path):
    null = os.stat("/dev/null").st_mode  # noqa: PTH116
    command = [sys.executable, "-m", "rtseg.cli", "run", SOURCE, "--model", str(tiny), "--json"]
    done = subprocess.run([*command, "/dev/stdout"], capture_output=True, text=True, timeout=120, check=True)
    assert len([line for line in done.stdout.splitlines() if line.startswith("{")]) == 31
    assert rtseg("run", SOURCE, "--model", tiny, "--json", "/dev/null").exit_code == 0
    assert os.stat("/dev/null").st_mode == null  # noqa: PTH116
    write_atomically(Path("/dev/null"), b"nothing")
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo, 0o644)
    for write in (lambda: rtseg("run", SOURCE, "--model", tiny, "--json", fifo), lambda: write_atomically(fifo, b"one\n")):
        reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
        reader.start()
        write()
        reader.join(60)
        assert not reader.is_alive()
    assert [piece.count(b"\n") for piece in got] == [31, 1]
    assert stat.S_IMODE(fifo.stat().st_mode) == 0o644


WRITERS = {
    "sink": lambda path: UnbufferedFile(path, "wb").close(),
    "report": lambda path: write_atomically(path, b"new"),
    "folder": make_folder,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_in_a_shared_folder_is_not_followed(tmp_path: Path, write, dangling: bool):
    shared, target = tmp_path / "shared", tmp_path / "target"
    shared.mkdir()
    shared.chmod(0o1777)
    if not dangling:
        target.write_bytes(b"kept")
    (shared / "out").symlink_to(target)
    with pytest.raises(SinkError, match="is a link in a folder where others write"):
        write(shared / "out")
    assert not target.exists() if dangling else target.read_bytes() == b"kept"
    assert [path.name for path in shared.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["sink", "report"])
def test_a_link_in_the_users_own_folder_is_followed(tmp_path: Path, name: str):
    (tmp_path / "target").write_bytes(b"old content")
    (tmp_path / "out").symlink_to(tmp_path / "target")
    WRITERS[name](tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "target").read_bytes() in (b"", b"new")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
@pytest.mark.parametrize("sticky", [0o1777, 0o777])
def test_a_file_that_somebody_laid_in_a_shared_folder_is_not_filled(tmp_path: Path, sticky: int):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(sticky)
    (shared / "out").write_bytes(b"his")
    (shared / "out").chmod(0o666)
    os.chown(shared / "out", 12345, 12345)
    with pytest.raises((SinkError, PermissionError)):
        UnbufferedFile(shared / "out", "wb")
    assert (shared / "out").read_bytes() == b"his"
