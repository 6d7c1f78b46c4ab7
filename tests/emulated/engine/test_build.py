"""Tests `rtseg build` on the emulated GPU: plans are built, checked and stored, or refused with a reason."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnx
import pytest
from emulated.driver import tensorrt_runtime
from emulated.driver.device import EmulatedGpu
from typer.testing import CliRunner

from rtseg import load_engine
from rtseg.cli.app import app
from rtseg.engines.tensorrt.plan_cache import PlanCache, PlanFile
from rtseg.errors import ConfigError, EngineError, ModelError


@pytest.fixture
def cache(gpu: EmulatedGpu, cache: PlanCache, monkeypatch: pytest.MonkeyPatch) -> PlanCache:
    monkeypatch.setattr("rtseg.cli.build.TRIAL_FRAMES", 30)
    monkeypatch.setattr(import_module("rtseg.engines.tensorrt.fastest_plan"), "_TIMED", 4)
    return cache


@pytest.fixture
def phantom(tmp_path: Path) -> str:
    """Write frames in which the tiny network finds a mask; return their glob pattern."""
    import cv2

    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(6):
        image = np.zeros((40, 56), np.uint8)
        image[5 : 25 + index, 10:40] = 220
        cv2.imwrite(str(folder / f"{index}.png"), image)
    return str(folder / "*.png")


def built(*arguments: str) -> str:
    """Run `rtseg build` and return its output."""
    ended = CliRunner().invoke(app, ["build", *arguments], catch_exceptions=False, env={"COLUMNS": "300"})
    assert ended.exit_code == 0, ended.output
    return ended.output


def refused(*arguments: str) -> str:
    """Run `rtseg build`, check that it fails, and return its output."""
    ended = CliRunner().invoke(app, ["build", *arguments], env={"COLUMNS": "300"})
    assert ended.exit_code == 1, ended.output
    return ended.output


class TestBuild:
    def test_a_plan_is_built_tried_kept_and_found(
        self, gpu: EmulatedGpu, cache: PlanCache, tiny: Path, phantom: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = built(str(tiny), "--precision", "fp32", "--frames", phantom)
        assert "fp32 on Emulated GPU: its Dice against the other is 1.0000 on 30 masks" in said
        (plan,) = cache.folder.glob("*.plan")
        assert list(cache.folder.glob("*.timing"))
        monkeypatch.setattr(tensorrt_runtime, "Builder", None)  # another build would fail
        assert "the plan is" in built(str(tiny), "--precision", "fp32", "--frames", phantom)
        for model, name in [(tiny, "tensorrt"), (plan, "openvino")]:
            engine = load_engine(model, name)
            assert (engine.name, engine.spec) == ("tensorrt", networks.spec())  # type: ignore[attr-defined]
            engine.close()
        assert gpu.in_use() == (0, 0, 0, 0)

    def test_the_timing_cache_is_used_again(self, gpu: EmulatedGpu, cache: PlanCache, tiny: Path, phantom: str) -> None:
        for _ in range(2):
            built(str(tiny), "--precision", "fp32", "--frames", phantom, "--again")
        (timing,) = cache.folder.glob("*.timing")
        assert timing.read_bytes() == b"tt"

    def test_half_precision_is_in_the_file_and_not_in_a_flag(
        self, gpu: EmulatedGpu, cache: PlanCache, tmp_path: Path, phantom: str
    ) -> None:
        model = networks.convolutional(tmp_path / "net.onnx")
        built(str(model), "--precision", "fp16", "--frames", phantom, "--out", str(tmp_path / "net.plan"))
        found = PlanFile.read(tmp_path / "net.plan")
        network = onnx.load_from_string(found.plan.partition(b"\n")[2])
        assert found.tag.precision == "fp16"
        assert {tensor.data_type for tensor in network.graph.initializer} == {onnx.TensorProto.FLOAT16}
        ports = (*network.graph.input, *network.graph.output)
        assert {port.type.tensor_type.elem_type for port in ports} == {onnx.TensorProto.FLOAT}

    def test_a_quantised_file_is_built_as_it_is(self, gpu: EmulatedGpu, cache: PlanCache, tmp_path: Path) -> None:
        from rtseg.engines.tensorrt.builder import best_precision, is_quantized
        from rtseg.engines.zoo import shipped_models

        model = shipped_models()["carotid-int8"]
        assert best_precision(model) == "int8"
        assert not is_quantized(shipped_models()["carotid"])
        with pytest.raises(ModelError, match="is INT8 already: build it with --precision int8"):
            self._plan(model, "fp16", tmp_path)
        with pytest.raises(ModelError, match="has no INT8 in it: make it with `rtseg quantize`"):
            self._plan(shipped_models()["carotid"], "int8", tmp_path)

    def test_what_segments_otherwise_is_not_kept(
        self, gpu: EmulatedGpu, cache: PlanCache, tiny: Path, phantom: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = tensorrt_runtime._run

        def worse(engine: Any, addresses: dict[str, int], scratch: int) -> None:
            run(engine, addresses, scratch)
            tensorrt_runtime._at(addresses["logits"], [1, 1, *networks.HALF])[..., :12] = 1

        monkeypatch.setattr(tensorrt_runtime, "_run", worse)
        said = refused(str(tiny), "--precision", "fp32", "--frames", phantom)
        assert re.search(r"the plan is not kept: its Dice .*--precision fp32", said)
        assert not list(cache.folder.glob("*.plan"))

    @pytest.mark.parametrize(("times", "kept"), [((2.0, 3.0), "fp16"), ((3.0, 2.0), "fp32"), ((2.0, 2.0), "fp16")])
    def test_the_fastest_precision_is_kept_alone(
        self,
        gpu: EmulatedGpu,
        cache: PlanCache,
        tmp_path: Path,
        phantom: str,
        monkeypatch: pytest.MonkeyPatch,
        times: tuple[float, float],
        kept: str,
    ) -> None:
        model, planted = networks.convolutional(tmp_path / "net.onnx"), iter(times)
        monkeypatch.setattr(import_module("rtseg.engines.tensorrt.fastest_plan"), "time_plan", lambda _: next(planted))
        said = built(str(model), "--frames", phantom)
        assert f"{kept} is kept, the fastest whose masks agree" in said
        assert [path.name.split("-")[1] for path in cache.folder.glob("*.plan")] == [kept]
        assert "the plan is" in built(str(model), "--frames", phantom), "no plan is built anew"

    def test_a_fast_plan_whose_masks_differ_is_not_kept(
        self, gpu: EmulatedGpu, cache: PlanCache, tmp_path: Path, phantom: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verdicts = iter([("its Dice is 0.9", False), ("its Dice is 1", True)])
        monkeypatch.setattr("rtseg.cli.build.check_plan", lambda *_: next(verdicts))
        said = built(str(networks.convolutional(tmp_path / "net.onnx")), "--frames", phantom)
        assert "fp16 on Emulated GPU: its Dice is 0.9\n" in said
        assert "fp32 is kept" in said

    def test_frames_that_hold_nothing_prove_nothing(
        self, gpu: EmulatedGpu, cache: PlanCache, tiny: Path, tmp_path: Path
    ) -> None:
        import cv2

        cv2.imwrite(str(tmp_path / "black.png"), np.zeros((40, 56), np.uint8))
        said = refused(str(tiny), "--precision", "fp32", "--frames", str(tmp_path / "black.png"))
        assert "held too few masks: name a source of its kind with --frames" in said

    def test_what_tensorrt_cannot_read_is_named(
        self, gpu: EmulatedGpu, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(b"no network")
        with pytest.raises(ModelError, match=r"TensorRT cannot read .*broken.onnx \(.*--engine openvino"):
            self._plan(broken, "fp32", tmp_path)
        monkeypatch.setattr(tensorrt_runtime.Builder, "build_serialized_network", lambda *_: None)
        with pytest.raises(EngineError, match=r"TensorRT cannot build .*--precision fp32"):
            self._plan(tiny, "fp32", tmp_path)

    def test_no_such_precision_and_no_dla(self, gpu: EmulatedGpu, tiny: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"no plan in 'fp8' for 'gpu': choose fp32, fp16, int8"):
            self._plan(tiny, "fp8", tmp_path)
        with pytest.raises(ConfigError, match="has no DLA: build with --device gpu"):
            self._plan(tiny, "fp32", tmp_path, "dla")

    def test_for_a_dla_the_gpu_does_the_rest(
        self, gpu: EmulatedGpu, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configs = []
        monkeypatch.setattr(tensorrt_runtime.Builder, "num_DLA_cores", 2)
        create = tensorrt_runtime.Builder.create_builder_config
        monkeypatch.setattr(
            tensorrt_runtime.Builder, "create_builder_config", lambda self: configs.append(create(self)) or configs[-1]
        )
        self._plan(tiny, "fp32", tmp_path, "dla")
        (config,) = configs
        assert (config.default_device_type, config.DLA_core) == (tensorrt_runtime.DeviceType.DLA, 0)
        assert config.flags == {tensorrt_runtime.BuilderFlag.GPU_FALLBACK}

    @staticmethod
    def _plan(model: Path, precision: str, folder: Path, device: str = "gpu") -> bytes:
        from rtseg.engines.tensorrt.builder import build, make_tag
        from rtseg.engines.tensorrt.device import Gpu

        here = Gpu()
        try:
            tag = make_tag(model, precision, device, here)
            return build(model, tag, here, folder / "a.timing", lambda *_: True)
        finally:
            here.close()
