"""Tests that NVIDIA's own parser and builder take every network that rtseg ships and writes, without a GPU.

It does not show that a plan runs: no kernel is enqueued, nothing is captured, no tactic is timed for sm_87 or sm_90, and the
parser is that of TensorRT for RTX 1.7 and not TensorRT 10.3's of JetPack 6.
"""

import os
from pathlib import Path

import networks
import numpy as np
import pytest
from conformity.real_builder import BuildJob, BuildResult, NoBuilder, built, installed
from made_networks import MAKERS, pictures
from PIL import Image
from typer.testing import CliRunner

from rtseg.cli.app import app
from rtseg.engines.base import ModelSpec, StateSpec
from rtseg.engines.convert.quantize import quantize_model
from rtseg.engines.zoo import shipped_models

PROVED = os.environ.get("RTSEG_CONFORMITY")  # where `make conformity` runs, a builder that is missing is a failure
SMALL = ("carotid", "carotid-int8")  # these networks in every test run, the others in `make conformity`
FORM = "logits of two channels"
FORMS = ("sigmoid", "softmax", "argmax as floats", "NHWC", "uint8 in", "float16", "double", "memory, a map", "z-score")


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    try:
        return installed(pytestconfig.cache.mkdir("conformity") / "builder")
    except NoBuilder as error:
        if PROVED:
            pytest.fail(f"NOT PROVED: no builder ({error})")
        pytest.skip(f"NOT PROVED: no builder ({error})")


def jobs_of(names: tuple[str, ...]) -> list[BuildJob]:
    """Return the builds of shipped networks: INT8 files as they are and with FP16 between, the others in FP32 and FP16."""
    models = shipped_models()
    kinds = {name: ("int8", "int8-fp16") if name.endswith("-int8") else ("fp32", "fp16") for name in names}
    return [BuildJob(str(models[name]), precision) for name in names for precision in kinds[name]]


def check_built(results: list[BuildResult], jobs: list[BuildJob]) -> None:
    assert len(results) == len(jobs)
    for job, result in zip(jobs, results, strict=True):
        assert result.problem == "", job
        assert result.size > 10_000, job
        assert result.log == "", job


@pytest.mark.parametrize("names", [SMALL, *([tuple(sorted({*shipped_models()} - {*SMALL}))] if PROVED else [])], ids=len)
def test_shipped_networks_are_built(packages: Path, names: tuple[str, ...], tmp_path: Path) -> None:
    jobs = jobs_of(names)
    check_built(built(packages, tmp_path, jobs), jobs)


def test_networks_that_quantize_and_adopt_write_are_built(packages: Path, tmp_path: Path) -> None:
    """Build small networks; those of export and their FP16 and INT8 forms are the shipped ones."""
    plain, int8 = networks.convolutional(tmp_path / "net.onnx"), tmp_path / "net-int8.onnx"
    random = np.random.default_rng(1)
    quantize_model(plain, int8, [list(random.integers(0, 200, (6, 64, 96), np.uint8))])
    adopted = adopt(FORM, tmp_path)
    jobs = [
        *(BuildJob(str(int8), precision) for precision in ("int8", "int8-fp16")),
        *(BuildJob(str(adopted), precision) for precision in ("fp32", "fp16")),
    ]
    results = built(packages, tmp_path / "builds", jobs)
    assert [result.problem for result in results] == [""] * len(jobs)


@pytest.mark.skipif(not PROVED, reason="a dozen adopted forms and exports of torch take minutes: `make conformity` builds them")
@pytest.mark.parametrize("form", FORMS)
def test_adopted_forms_are_built(packages: Path, tmp_path: Path, form: str) -> None:
    jobs = [BuildJob(str(adopt(form, tmp_path)), precision) for precision in ("fp32", "fp16")]
    results = built(packages, tmp_path / "builds", jobs)
    assert [result.problem for result in results] == [""] * len(jobs)


@pytest.mark.skipif(not PROVED, reason="exports of torch take minutes on a busy machine: `make conformity` builds them")
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_an_export_of_torch_is_built(packages: Path, tmp_path: Path, cell: str) -> None:
    torch = pytest.importorskip("torch")
    from rtseg.engines.convert.export_torch import export
    from rtseg.models import Composition

    torch.manual_seed(1)
    network, path = Composition(1, memory=[f"{cell}@16"]).eval(), tmp_path / f"{cell}.onnx"
    shapes = [tuple(state.shape) for state in network.initial_states(1, (32, 48))]
    states = tuple(StateSpec(f"state_{place}_in", f"state_{place}_out", shape) for place, shape in enumerate(shapes))
    export(network, ModelSpec("tiny", (32, 48), ("lumen",), (20.0,), (36.0,), states, ("lumen",)), path)
    jobs = [BuildJob(str(path), "fp32"), BuildJob(str(path), "fp16")]
    check_built(built(packages, tmp_path / "builds", jobs), jobs)


def adopt(form: str, folder: Path) -> Path:
    """Adopt a made network of this form, and return the ONNX file."""
    made = MAKERS[form](folder)
    (folder / "pictures").mkdir(exist_ok=True)
    for index, image in enumerate(pictures()):
        Image.fromarray(image).save(folder / "pictures" / f"{index}.png")
    words = ["adopt", made.path, folder / "pictures", "--out", folder / "adopted", *made.words]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return folder / "adopted.onnx"


def test_what_fails_is_an_error_of_rtseg(packages: Path, tmp_path: Path) -> None:
    """Cancel a build, raise in its callback, spoil the timing cache and the plan, and give it no network and no driver."""
    tiny, broken = networks.convolutional(tmp_path / "net.onnx"), tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    faults = ["cancel", "raise", "interrupt", "timing", "plan", "driver"]
    jobs = [*(BuildJob(str(tiny), "fp32", fault) for fault in faults), BuildJob(str(broken), "fp32")]
    cancelled, raised, interrupted, timing, plan, driver, unread = built(packages, tmp_path / "builds", jobs)
    assert cancelled.problem == f"EngineError: the build of {tiny} was cancelled: build it again with `rtseg build`"
    assert raised.problem == "LookupError: planted"
    assert interrupted.problem == "KeyboardInterrupt: "
    assert timing.problem == ""
    assert timing.size > 1000
    assert plan.problem.startswith("ModelError: TensorRT 1.7.1.116 cannot read the plan of 'cut short' (TensorRT says why on")
    assert "cannot read the plan of 'sound'" in driver.problem, "no driver is here, or this test needs another one"
    assert unread.problem.startswith(f"ModelError: TensorRT cannot read {broken} ((deserializeOnnxModel)")
    assert "export it again, or use --engine openvino" in unread.problem
