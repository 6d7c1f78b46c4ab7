"""Opens the TensorRT engine of a model: from a plan file, from the cache, or by a build in the background."""

from dataclasses import replace
from pathlib import Path

from rtseg.engines.base import ModelSpec
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.tensorrt.background_build import TensorRtBackgroundBuild
from rtseg.engines.tensorrt.builder import best_precision, make_tag, precisions_of
from rtseg.engines.tensorrt.device import Gpu
from rtseg.engines.tensorrt.engine import TensorRtEngine
from rtseg.engines.tensorrt.plan_cache import BUILD_VERSION, REBUILD, PlanCache, PlanFile, PlanTag
from rtseg.engines.tensorrt.runtime import VERSION
from rtseg.errors import ModelError


def open_plan(path: Path) -> TensorRtEngine:
    """Open a .plan file that was built for this machine. Raises ModelError, EngineError."""
    if not path.is_file():
        raise ModelError(f"there is no plan {path}: {REBUILD}")
    found = PlanFile.read(path)
    here = _tag_on_this_machine(found.tag)
    if here != found.tag:
        raise ModelError(f"{path} was built for {found.tag.describe_difference(here)}: {REBUILD} on this machine")
    return TensorRtEngine(found.plan, found.spec)


def open_or_build(
    model: Path, spec: ModelSpec | None = None, cache: PlanCache | None = None
) -> TensorRtEngine | TensorRtBackgroundBuild:
    """Open an ONNX file's plan from the cache, or start to build it in the background. Raises EngineError, ModelError."""
    cache = cache or PlanCache()
    for tag in _candidate_tags(model):
        if (found := cache.find(tag)) is None:
            continue
        try:
            return TensorRtEngine(found.plan, found.spec)
        except ModelError as error:  # TensorRT cannot read it, so it is built again
            cache.drop(tag, str(error))
    return TensorRtBackgroundBuild(model, best_precision(model), checked_spec(model, spec), cache)


def checked_spec(model: Path, spec: ModelSpec | None) -> ModelSpec:
    """Return the spec of an ONNX file, checked against its inputs and outputs. Raises ModelError."""
    engine = OpenVinoEngine(model, spec)
    engine.close()
    return engine.spec


def _candidate_tags(model: Path) -> list[PlanTag]:
    """Return the tags of all plans of a model that this machine can use; `rtseg build` leaves the fastest of them alone."""
    gpu = Gpu()
    try:
        return [make_tag(model, precision, device, gpu) for precision in precisions_of(model) for device in ("gpu", "dla")]
    finally:
        gpu.close()


def _tag_on_this_machine(tag: PlanTag) -> PlanTag:
    """Return the tag that a plan of the same model and precision has on this machine."""
    gpu = Gpu()
    try:
        here = replace(tag, tensorrt=VERSION, gpu=gpu.name, sm=gpu.sm, driver=gpu.driver, build=BUILD_VERSION)
        return replace(here, sm_count=gpu.sm_count, memory_gib=gpu.memory_gib)
    finally:
        gpu.close()
