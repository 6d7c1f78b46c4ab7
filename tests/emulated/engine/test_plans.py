"""Tests plans on the emulated GPU: writing, reading, the cache, and loading or refusal with a reason."""

import json
import threading
from dataclasses import fields, replace
from pathlib import Path

import networks
import pytest
from emulated.driver import tensorrt_runtime
from emulated.driver.device import EmulatedGpu
from emulated.engine import plans

from rtseg import load_engine
from rtseg.engines.tensorrt.plan_cache import PlanCache, PlanFile, PlanTag
from rtseg.errors import ModelError

TAG = PlanTag("0123456789abcdef", "10.16", "Emulated GPU", "sm_87", 16, 30, "13000", "fp32", "gpu")


class TestFile:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        file = PlanFile(TAG, networks.spec(), b"plan\nwith lines")
        file.write(tmp_path / "a.plan")
        assert PlanFile.read(tmp_path / "a.plan") == file
        assert [path.name for path in tmp_path.iterdir()] == ["a.plan"]

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"ftrt", "no plan of rtseg"),
            (b"rtseg plan {", "head of .* cannot be read"),
            (b"rtseg plan {}\nplan", "head of .* cannot be read"),
        ],
    )
    def test_what_is_no_plan_is_refused(self, tmp_path: Path, content: bytes, complaint: str) -> None:
        (tmp_path / "a.plan").write_bytes(content)
        with pytest.raises(ModelError, match=f"{complaint}.*build it again"):
            PlanFile.read(tmp_path / "a.plan")

    def test_a_damaged_plan_is_refused(self, tmp_path: Path) -> None:
        PlanFile(TAG, networks.spec(), b"plan").write(tmp_path / "a.plan")
        content = (tmp_path / "a.plan").read_bytes()
        (tmp_path / "a.plan").write_bytes(content[:-1])
        with pytest.raises(ModelError, match="is damaged: build it again"):
            PlanFile.read(tmp_path / "a.plan")

    def test_nothing_half_written_is_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            PlanFile(TAG, networks.spec(), b"plan").write(tmp_path / "a.plan")
        assert list(tmp_path.iterdir()) == []


class TestCache:
    @pytest.mark.parametrize("field", [field.name for field in fields(PlanTag)])
    def test_each_part_of_the_tag_counts(self, cache: PlanCache, field: str) -> None:
        other = replace(TAG, **{field: getattr(TAG, field) + 1 if isinstance(getattr(TAG, field), int) else "other"})
        assert cache.path(TAG) != cache.path(other)
        assert field in TAG.describe_difference(other)

    def test_a_plan_that_says_something_else_is_dropped(self, cache: PlanCache, caplog: pytest.LogCaptureFixture) -> None:
        PlanFile(replace(TAG, driver="12000"), networks.spec(), b"plan").write(cache.path(TAG))
        assert cache.find(TAG) is None
        assert "is dropped: driver '12000' and not '13000'" in caplog.text
        assert not cache.path(TAG).exists()

    def test_a_damaged_plan_is_dropped(self, cache: PlanCache, caplog: pytest.LogCaptureFixture) -> None:
        cache.folder.mkdir(parents=True)
        cache.path(TAG).write_bytes(b"rtseg plan x")
        assert cache.find(TAG) is None
        assert "cannot be read" in caplog.text

    def test_one_builds_and_the_others_wait(self, cache: PlanCache) -> None:
        order, waits = [], threading.Event()

        def other() -> None:
            waits.set()
            with cache.lock(TAG):
                order.append("other")

        with cache.lock(TAG):
            thread = threading.Thread(target=other)
            thread.start()
            assert waits.wait(60)
            order.append("first")
        thread.join(60)
        assert order == ["first", "other"]


class TestLoading:
    def test_a_plan_of_elsewhere_is_refused_by_name(self, gpu: EmulatedGpu, tiny: Path, tmp_path: Path) -> None:
        from rtseg.engines.tensorrt.runtime import VERSION

        tag = PlanTag("abc", VERSION, "Orin", "sm_87", 16, 30, "12060", "fp16", "gpu")
        PlanFile(tag, networks.spec(), plans.plan_of(tiny)).write(tmp_path / "orin.plan")
        with pytest.raises(ModelError, match=r"was built for gpu 'Orin' and not 'Emulated GPU', driver '12060'.*this machine"):
            load_engine(tmp_path / "orin.plan")
        with pytest.raises(ModelError, match=r"there is no plan .*nowhere.plan"):
            load_engine(tmp_path / "nowhere.plan")

    def test_a_plan_that_tensorrt_cannot_read_is_built_anew(
        self, gpu: EmulatedGpu, cache: PlanCache, tiny: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        from rtseg.engines.tensorrt.open_plan import _candidate_tags

        tag = _candidate_tags(tiny)[0]
        head = json.dumps(["9.0", "Emulated GPU", 8, 7]).encode()
        cache.store(PlanFile(tag, networks.spec(), tensorrt_runtime.MAGIC + head + b"\n" + tiny.read_bytes()))
        engine = load_engine(tiny, "tensorrt")
        assert "is dropped: TensorRT 10.16.1.11 cannot read the plan of 'tiny'" in caplog.text
        assert engine.name == "openvino", "it serves while TensorRT builds"  # type: ignore[attr-defined]
        engine.close()
        assert gpu.contexts == 0


def test_boards_that_share_a_name_share_no_plan(gpu: EmulatedGpu, tiny: Path) -> None:
    """Each Jetson Orin calls itself "Orin": its multiprocessors and its memory tell them apart."""
    from rtseg.engines.tensorrt.builder import make_tag
    from rtseg.engines.tensorrt.device import Gpu

    found = []
    for gpu.sm_count, gpu.memory_gib in [(16, 30), (8, 30), (16, 61)]:
        here = Gpu()
        found.append(make_tag(tiny, "fp16", "gpu", here))
        here.close()
    assert found[1].describe_difference(found[0]) == "sm_count 8 and not 16"
    assert found[2].describe_difference(found[0]) == "memory_gib 61 and not 30"


def test_a_closed_gpu_is_current_in_no_thread(gpu: EmulatedGpu) -> None:
    """A context that is released while it is current makes the next call of the thread fail, whoever makes it."""
    from rtseg.engines.tensorrt.device import Gpu

    here = Gpu()
    with here.current():
        here.stream()
    here.close()
    assert (gpu.contexts, gpu.current_contexts()) == (0, 0)
