"""Opens the plans that `rtseg build` has left in the cache, in the ways that the check compares."""

from contextlib import closing

from rtseg.engines.load import model_path
from rtseg.engines.tensorrt.builder import best_precision, make_tag
from rtseg.engines.tensorrt.device import Gpu
from rtseg.engines.tensorrt.engine import TensorRtEngine
from rtseg.engines.tensorrt.plan_cache import PlanCache
from rtseg.errors import ModelError


def open_cached(model: str, precision: str = "", *, graphs: bool = True) -> TensorRtEngine:
    """Open a model's plan from the cache. precision: "": the fastest. graphs: as in `TensorRtEngine`. Raises ModelError."""
    path = model_path(model)
    with closing(Gpu()) as gpu:
        tag = make_tag(path, precision or best_precision(path), "gpu", gpu)
    found = PlanCache().find(tag)
    if found is None:
        raise ModelError(f"there is no plan of {model}: run `rtseg build {model}`")
    return TensorRtEngine(found.plan, found.spec, graphs=graphs)
