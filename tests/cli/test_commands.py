"""Tests of the outputs, messages and exit codes of the commands."""

import json
from contextvars import Context
from pathlib import Path

import av
import cv2
import networks
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rtseg.cli.app import app
from rtseg.engines.zoo import shipped_models
from rtseg.kernels.runtime import cpu

ROOT = Path(__file__).parents[2]
SYNTHETIC = "synthetic:vessel?height=64&width=96&frames=12"


def rtseg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_run_writes_what_it_is_asked_for(tiny: Path, tmp_path: Path):
    out, masks, lines = tmp_path / "out.mp4", tmp_path / "masks", tmp_path / "out.jsonl"
    done = rtseg("run", SYNTHETIC, "--model", tiny, "--out", out, "--masks", masks, "--json", lines, "--warmup", 2)
    assert done.exit_code == 0, done.output
    with av.open(out) as video:
        assert sum(1 for _ in video.decode(video=0)) == 12
    assert len(list(masks.glob("*.png"))) == 12
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["index"] for row in rows[1:]] == list(range(12))
    said = " ".join(done.output.split())
    assert "10 frames" in said
    assert "warm-up of 2 not counted" in said


@pytest.mark.skipif(cpu.cores() == 1, reason="there is one thread for everything")
def test_where_a_line_runs_opencv_and_small_kernels_have_one_thread(tiny: Path):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        Context().run(_run_with_few_threads, tiny)  # other commands of this process left their limits in its context
    finally:
        cv2.setNumThreads(threads)


def _run_with_few_threads(tiny: Path) -> None:
    assert _bands_of(cpu.MIN_BANDS * cpu.MIN_BAND_PIXELS) > 1
    assert rtseg("run", SYNTHETIC, "--model", tiny).exit_code == 0
    assert cv2.getNumThreads() == 1
    assert _bands_of(cpu.MIN_BANDS * cpu.MIN_BAND_PIXELS) == 1
    assert _bands_of(cpu.MIN_BANDS_SHARED_CPU * cpu.MIN_BAND_PIXELS) > 1


def _bands_of(work: int) -> int:
    bands = []
    cpu.run_row_bands(1000, work // 1000, lambda first, end: bands.append(end - first))
    return len(bands)


def test_run_says_where_to_look(tiny: Path, tmp_path: Path):
    done = rtseg("run", SYNTHETIC, "--model", tiny, "--out", tmp_path / "out.mp4")
    assert f"wrote {tmp_path / 'out.mp4'}" in done.output.replace("\n", "")


def test_run_with_a_network_in_the_users_words(tmp_path: Path):
    path = networks.stateless(tmp_path / "bare.onnx")
    words = ("--size", "32x48", "--classes", "lumen", "--mean", "90", "--std", "40")
    done = rtseg("run", SYNTHETIC, "--model", path, *words, "--activation", "none")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing.mp4"], "nothing.mp4 does not exist"),
        (["camera9:0"], "camera9"),
        (["synthetic:?colour=3"], "colour"),
        ([SYNTHETIC, "--engine", "tensorflow"], "choose auto, one of"),
        ([SYNTHETIC, "--model", "nothing"], "no model 'nothing'"),
        ([SYNTHETIC, "--size", "32"], "--classes"),
        ([SYNTHETIC, "--size", "big", "--classes", "lumen"], "--size HxW"),
        ([SYNTHETIC, "--size", "nanxnan", "--classes", "lumen"], "--size HxW"),
        ([SYNTHETIC, "--size", "64.9x64", "--classes", "lumen"], "--size HxW"),
        ([SYNTHETIC, "--size", "64x64", "--classes", "lumen", "--mean", "nan"], "--mean is not"),
        ([SYNTHETIC, "--size", "64x64", "--classes", "lumen", "--mean", "1,2,3"], "give both as many"),
        ([SYNTHETIC, "--out", "missing/folder/out.mp4"], "missing/folder"),
        ([SYNTHETIC, "--out", "out.wmv"], "wmv"),
        ([SYNTHETIC, "--mask-format", "gif", "--masks", "masks"], "gif"),
    ],
)
def test_bad_input_is_one_line_and_a_non_zero_exit(
    arguments: list[str], complaint: str, tiny: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = [] if "--model" in arguments else ["--model", str(tiny)]
    done = rtseg("run", *arguments, *model)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert complaint in done.stderr
    assert "Traceback" not in done.output


def test_not_a_video(tiny: Path, tmp_path: Path):
    (tmp_path / "fake.mp4").write_bytes(b"\x00" * 5000)
    done = rtseg("run", tmp_path / "fake.mp4", "--model", tiny)
    assert done.exit_code == 1
    assert "fake.mp4" in done.stderr


def test_a_truncated_video_is_processed_as_far_as_it_goes(tiny: Path, tmp_path: Path):
    whole, cut, lines = tmp_path / "whole.mkv", tmp_path / "cut.mkv", tmp_path / "cut.jsonl"
    assert rtseg("run", "synthetic:vessel?height=64&width=96&frames=60", "--model", tiny, "--out", whole).exit_code == 0
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    done = rtseg("run", cut, "--model", tiny, "--json", lines)
    assert done.exit_code == 1
    assert "cut.mkv" in done.stderr
    assert 5 < len(lines.read_text().splitlines()) < 60


def _dataset(folder: Path) -> Path:
    """Write two scans of a moving bright square; the tiny network segments bright pixels as lumen."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for scan in range(2):
        for frame in range(3):
            image = np.full((64, 96), 20, np.uint8)
            image[10 + frame : 40 + frame, 20:60] = 230
            cv2.imwrite(str(folder / "images" / f"scan{scan:02d}_frame{frame:05d}.png"), image)
            cv2.imwrite(
                str(folder / "masks" / f"scan{scan:02d}_frame{frame:05d}.png"), np.where(image > 128, 255, 0).astype(np.uint8)
            )
    return folder


def test_eval_measures(tiny: Path, tmp_path: Path):
    report = tmp_path / "report.json"
    done = rtseg("eval", tiny, _dataset(tmp_path / "data"), "--json", report)
    assert done.exit_code == 0, done.output
    figures = json.loads(report.read_text())
    assert figures["classes"]["lumen"]["dice"]["mean"] > 0.9
    assert len(figures["images"]) == 6
    assert "dice" in done.output


def test_eval_of_no_dataset(tiny: Path, tmp_path: Path):
    done = rtseg("eval", tiny, tmp_path)
    assert done.exit_code == 1
    assert "images" in done.stderr


def test_bench_reports(tiny: Path, tmp_path: Path):
    report = tmp_path / "bench.json"
    source = "synthetic:vessel?height=64&width=96&frames=30&fps=200"
    done = rtseg("bench", source, "--model", tiny, "--frames", 20, "--warmup", 3, "--rounds", 2, "--json", report)
    assert done.exit_code == 0, done.output
    figures = json.loads(report.read_text())
    assert figures["as_fast_as_possible"]["frames"] == 20
    assert figures["as_fast_as_possible"]["warmup"] == 6
    paced = figures["paced"]
    assert (paced["frames"], paced["warmup"]) == (20, 3)  # frames dropped on a busy machine count as dropped only
    assert set(paced["stages_ms"]) >= {"wait", "preprocess", "infer", "postprocess", "overlay", "total"}
    assert figures["line_over_engine"] > 0
    assert figures["machine"]["cores"] >= 1


def test_models_as_json_name_what_was_measured():
    rows = {row["name"]: row for row in json.loads(rtseg("models", "--json").output)}
    assert set(rows) == set(shipped_models())
    for name, row in rows.items():
        assert row["bytes"] == shipped_models()[name].stat().st_size < 8e6
        assert 0.1 < row["gmac"] < 2
        assert set(row["dice"]) == set(row["int8_dice"]) == set(row["classes"])
        if not name.startswith("muscle"):  # an aponeurosis has no code that could be verified
            assert set(row["codes"]) == set(row["classes"])
            assert "area" in row["measures"]
        for key, form in (("dice", ""), ("int8_dice", "-int8")):
            report = json.loads((ROOT / f"docs/benchmarks/eval-{name.removesuffix('-int8')}{form}.json").read_text())
            means = {class_name: found["dice"]["mean"] for class_name, found in report["classes"].items()}
            assert row[key] == pytest.approx(means, abs=1e-4)


def test_models_and_doctor_list_what_is_here():
    assert "lumen" in rtseg("models").output
    doctor = rtseg("doctor").output
    assert "openvino" in doctor
    assert "numba" in doctor


def test_help_reads_well():
    text = rtseg("--help").output
    for command in ("run", "eval", "bench", "models", "doctor", "train", "export"):
        assert command in text
    assert "not a medical device" in " ".join(text.split())
