"""Tests a second run to the same outputs: nothing of the first one is mixed with it, and a refusal changes nothing."""

import json
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from claims.checkout import ROOT
from typer.testing import CliRunner, Result

from rtseg.cli.app import app
from rtseg.cli.options.outputs import FileOutputs, check_no_input
from rtseg.errors import ConfigError

MANY, FEW = (f"synthetic:vessel?height=64&width=96&frames={count}" for count in (12, 3))


def rtseg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run(tiny: Path, folder: Path, source: str, *options: str) -> Result:
    outputs = ("--masks", folder / "masks", "--json", folder / "out.jsonl", "--out", folder / "out.mp4")
    return rtseg("run", source, "--model", tiny, *outputs, *options)


@pytest.mark.parametrize("options", [(), ("--mask-format", "npz")])
def test_masks_of_another_run_are_refused_and_every_output_stays(tiny: Path, tmp_path: Path, options: tuple[str, ...]):
    assert run(tiny, tmp_path, MANY).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = run(tiny, tmp_path, FEW, *options)
    assert done.exit_code == 1
    assert "name another folder, or replace the masks with --overwrite" in " ".join(done.output.split())
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_overwrite_replaces_the_masks(tiny: Path, tmp_path: Path):
    assert run(tiny, tmp_path, MANY).exit_code == 0
    done = run(tiny, tmp_path, FEW, "--overwrite")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [
        *(f"00000{k}.png" for k in range(3)),
        "manifest.json",
    ]
    manifest = json.loads((tmp_path / "masks" / "manifest.json").read_text())
    assert (manifest["source"], manifest["model"], manifest["complete"]) == (FEW, "tiny", True)
    assert manifest["model_sha256"] == sha256(tiny.read_bytes()).hexdigest()


def test_the_sources_own_pictures_are_never_removed(tiny: Path, tmp_path: Path):
    assert run(tiny, tmp_path, FEW).exit_code == 0
    pictures = tmp_path / "masks"
    (pictures / "manifest.json").unlink()
    done = rtseg("run", pictures, "--model", tiny, "--masks", pictures, "--overwrite")
    assert done.exit_code == 1
    assert len(list(pictures.glob("*.png"))) == 3


def test_a_recording_is_never_mixed_with_another(tiny: Path, tmp_path: Path):
    assert rtseg("run", MANY, "--model", tiny, "--record", tmp_path / "recording").exit_code == 0
    done = rtseg("run", FEW, "--model", tiny, "--record", tmp_path / "recording")
    assert done.exit_code == 1
    assert "holds a recording already" in " ".join(done.output.split())


def test_make_demo_works_a_second_time(tmp_path: Path):
    """Run the command of the Makefile's target twice in one folder."""
    recipe = (ROOT / "Makefile").read_text().split("\ndemo:")[1].split("\n\n")[0]
    (line,) = [line.strip() for line in recipe.splitlines() if "rtseg run" in line]
    command = [sys.executable, "-m", "rtseg.cli", *shlex.split(line)[1:]]
    (tmp_path / "out").mkdir()
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["demo.jsonl", "demo.mp4"]


@pytest.mark.parametrize("option", ["--out", "--json"])
@pytest.mark.parametrize("linked", [False, True])
def test_an_output_never_overwrites_its_source(tmp_path, option, linked):
    path = tmp_path / "scan.mp4"
    path.write_bytes(b"a film")
    target = path
    if linked:
        target = tmp_path / "same.mp4"
        target.symlink_to(path)
    for source in (str(path), f"{path}#decode=cpu", f"dicom:{path}"):
        with pytest.raises(ConfigError, match="is the source too"):
            FileOutputs(**{option[2:]: target}).sinks(0.5, "made", source=source, model="carotid")
    assert path.read_bytes() == b"a film"


def test_an_output_overwrites_no_other_file_of_a_run(tmp_path):
    for name in ("a.png", "net.onnx", "results.jsonl"):
        (tmp_path / name).write_bytes(b"here")
    for path, words in ((tmp_path / "a.png", "picture of the source"), (tmp_path / "net.onnx", "is the network too")):
        with pytest.raises(ConfigError, match=words):
            check_no_input([path], str(tmp_path), str(tmp_path / "net.onnx"))
    with pytest.raises(ConfigError, match="is the other output too"):
        check_no_input([tmp_path / "a.mp4", tmp_path / "x" / ".." / "a.mp4"], "synthetic:", "carotid")
    check_no_input([tmp_path / "results.jsonl", tmp_path / "b.mp4", None], str(tmp_path), "carotid")
