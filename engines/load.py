"""Loads a model, by name or file, into an engine."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.hung_threads import open_in_time
from rtseg.engines.model_memory import check_memory
from rtseg.engines.plugin_engine import is_plugin_engine, open_plugin_engine, plugin_model
from rtseg.engines.validation.examination import examine
from rtseg.engines.zoo import preview_models, shipped_models
from rtseg.errors import ModelError, require_members
from rtseg.plugins import ENGINES as ENGINE_PLUGINS
from rtseg.plugins import MODELS, names_with_plugins
from rtseg.text.log_records import get_logger

if TYPE_CHECKING:
    from rtseg.engines.choice import Choice
    from rtseg.engines.failover.background import BackgroundBuild

_log = get_logger(__name__)

ENGINES = ("openvino", "onnx")  # on any CPU
AUTO = "auto"  # OpenVINO in the form that was measured to be the fastest on this machine
BFLOAT16 = "openvino-bf16"  # on a CPU with bfloat16: faster, with less precision than FP32
GPU_ENGINES = ("tensorrt",)
BUILT_IN_ENGINES = (*ENGINES, BFLOAT16, *GPU_ENGINES)
SUFFIXES = (".onnx", ".xml", ".tflite")  # of the files that an engine opens
PLAN = ".plan"  # the suffix of the files that `rtseg build` writes


def load_engine(
    model: str | Path,
    engine: str = "openvino",
    *,
    spec: ModelSpec | StatedFacts | None = None,
    threads: int = 0,
    trusted: bool = False,
) -> Engine:
    """Load a shipped model by name, an .onnx, .xml or .tflite file or a .plan of `rtseg build` into an engine.

    engine: one name, or several in order of preference for failover, as "tensorrt,openvino"; "openvino-bf16" runs OpenVINO's
    FP32 layers in bfloat16; "auto" runs OpenVINO as it is fastest here, see `engines.choice`. spec: what is known about the
    network, for a file without rtseg's metadata; what its graph says about its answer is found by an examination, also where
    `trusted`. threads: the engine's number of threads; 0 lets the engine choose. trusted: load the file directly. Otherwise a
    file that is not shipped is first examined in a child process with limits on time and memory, see
    `rtseg.engines.validation`. While TensorRT builds a missing plan, OpenVINO runs the model. Raises ModelError, EngineError,
    MissingExtra, WrongArgument.
    """
    if not isinstance(model, str):
        require_members(model, ("__fspath__",), "the model of an engine", "give a shipped model's name, or the path of a file")
    if Path(model).suffix == PLAN:
        from rtseg.engines.tensorrt.open_plan import open_plan

        return open_plan(Path(model))
    if engine == AUTO:
        return load_fastest(model, spec, threads=threads, trusted=trusted)[0]
    path, names = model_path(model), engine.split(",")
    check_memory(path)
    has_plugin = _has_plugin(names)
    stated = _stated(spec)
    is_tried = _examine_for(names, path, stated, trusted)
    from rtseg.engines.failover.background import BackgroundBuild
    from rtseg.engines.failover.failover import FailoverEngine

    if len(names) > 1 or has_plugin:  # what a plug-in raises then becomes an error of rtseg
        return FailoverEngine([(name, partial(_open, name, path, stated, threads, is_tried)) for name in names])
    opened = open_in_time(partial(_open, engine, path, stated, threads, is_tried), engine)
    if not isinstance(opened, BackgroundBuild):
        return opened
    return FailoverEngine([(engine, lambda: opened), ("openvino", partial(_open, "openvino", path, stated, threads, is_tried))])


def _has_plugin(names: list[str]) -> bool:
    """Return whether one of the engines is a plug-in's. Raises ModelError for a name that nobody knows."""
    foreign = [name for name in names if name not in BUILT_IN_ENGINES]
    if unknown := [name for name in foreign if not is_plugin_engine(name)]:
        known = names_with_plugins(ENGINE_PLUGINS, BUILT_IN_ENGINES)
        raise ModelError(f"no engine {unknown[0]!r}: choose {AUTO}, one of {known}, or several of these with commas between")
    return bool(foreign)


def _examine_for(names: list[str], path: Path, stated: StatedFacts | None, trusted: bool) -> bool:
    """Examine a file for each engine; return whether its answers were checked in all trials. Raises ModelError."""
    tries = dict.fromkeys("onnx" if name == "onnx" else "openvino" for name in names)
    checked = [examine(path, name, stated, trusted=trusted) for name in tries]  # all of them, whatever the first says
    return all(checked)


def load_fastest(
    model: str | Path, spec: ModelSpec | StatedFacts | None = None, *, threads: int = 0, trusted: bool = False
) -> "tuple[Engine, Choice | None]":
    """Load a model as `load_engine` with "auto" does, and return why it runs so; None for a .plan, which has one form."""
    if Path(model).suffix == PLAN:
        return load_engine(model), None
    from rtseg.engines.choice import open_fastest

    path, stated = model_path(model), _stated(spec)
    check_memory(path)
    is_tried = examine(path, "openvino", stated, trusted=trusted)
    engine, choice = open_in_time(partial(open_fastest, path, stated, threads=threads, is_tried=is_tried), AUTO)
    _log.info("%s: %s", path.name, choice)
    return engine, choice


def _stated(spec: ModelSpec | StatedFacts | None) -> StatedFacts | None:
    return StatedFacts.of(spec) if isinstance(spec, ModelSpec) else spec


def _open(engine: str, path: Path, stated: StatedFacts | None, threads: int, is_tried: bool) -> "Engine | BackgroundBuild":
    if engine in GPU_ENGINES:
        from rtseg.engines.tensorrt.open_plan import open_or_build

        return open_or_build(path, _examined_spec(path, stated))
    if engine not in BUILT_IN_ENGINES:
        return open_plugin_engine(engine, path, _examined_spec(path, stated), threads)
    from rtseg.engines.adopt.open_network import open_network

    return open_network(path, engine, stated, threads=threads, is_tried=is_tried)


def _examined_spec(path: Path, stated: StatedFacts | None) -> ModelSpec | None:
    """Return the description that an examination finds, for what is stated; None for the file's own."""
    if stated is None or stated.spec:
        return stated.spec if stated else None
    from rtseg.engines.adopt.open_network import examined_spec

    return examined_spec(path, stated)


def model_path(model: str | Path) -> Path:
    """Return the .onnx file of the name of a shipped model or of a plug-in's, or of a path. Raises ModelError, PluginError."""
    known = shipped_models() | preview_models()
    if str(model) in known:
        return known[str(model)]
    path = Path(model)
    if not path.is_file():
        path = plugin_model(str(model)) or path
    if not path.is_file():
        offered = names_with_plugins(MODELS, known) or "none shipped"
        raise ModelError(f"no model {str(model)!r}: give an .onnx file or one of {offered}")
    if path.suffix not in SUFFIXES:
        raise ModelError(f"{path} is no .onnx file: adopt the network with `rtseg adopt`, or export it with `rtseg export`")
    return path
