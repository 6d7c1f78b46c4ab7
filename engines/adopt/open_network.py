"""Opens a network file in an engine after its examination: as it is where every engine can run it so, else adapted."""

from contextlib import closing
from pathlib import Path

from rtseg.engines.adopt.adapted_engine import AdaptedEngine
from rtseg.engines.adopt.answer_check import check_answer, warn_of_brightness
from rtseg.engines.adopt.examination import Examination, examine_network, has_float_ports
from rtseg.engines.adopt.network_graph import dtype_of, name_of, shape_of
from rtseg.engines.adopt.normalization import normalization_remedy
from rtseg.engines.adopt.raw_network import OnnxNetwork, OpenVinoNetwork, RawNetwork
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import METADATA_KEY, Engine, ModelSpec
from rtseg.errors import ModelError
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


def open_network(
    path: Path,
    engine: str = "openvino",
    stated: StatedFacts | None = None,
    *,
    threads: int = 0,
    quiet: bool = False,
    is_tried: bool = False,
) -> Engine:
    """Examine a file and open it in "openvino", "openvino-bf16" or "onnx". Raises ModelError, EngineError, MissingExtra.

    stated: what the user says about the network. quiet: do not log what was found. is_tried: see `open_checked`.
    """
    return open_checked(examine_for_use(path, stated, quiet=quiet), engine, threads, is_tried=is_tried)


def examine_for_use(path: Path, stated: StatedFacts | None = None, *, quiet: bool = False) -> Examination:
    """Examine a file that an engine is to run, and log what was found, unless `quiet`. Raises ModelError."""
    found = examine_network(path, stated)
    check_normalization(found)
    if not quiet and not found.is_as_described:
        why = "is not what its description says" if found.is_described else "was not adopted"
        _log.warning("%s %s: %s", path.name, why, found.summary())
    return found


def examined_spec(path: Path, stated: StatedFacts) -> ModelSpec:
    """Return the description of a file that an examination gives. Raises ModelError."""
    found = examine_network(path, stated)
    check_normalization(found)
    with closing(open_checked(found)):
        return found.spec


def open_checked(found: Examination, engine: str = "openvino", threads: int = 0, *, is_tried: bool = False) -> Engine:
    """Open an examined file, and check its answers where the file does not describe itself. Raises as `open_network`.

    is_tried: whether the child process of its trial has checked them, as `validation.examine` says.
    """
    opened = open_examined(found, engine, threads=threads)
    is_segmentation_stated = found.is_background_stated or found.is_activation_stated
    if METADATA_KEY not in found.graph.metadata and is_tried and not is_segmentation_stated:
        warn_of_brightness(opened, found.graph.path.name)
    if METADATA_KEY not in found.graph.metadata and not is_tried:
        try:
            check_answer(
                opened,
                str(found.graph.path),
                found.answer.channels,
                is_logits_stated=found.is_activation_stated,
                is_background_stated=found.is_background_stated,
                is_segmentation_stated=found.is_background_stated,
            )
        except ModelError:
            opened.close()
            raise
    return opened


def check_normalization(found: Examination) -> None:
    """Raise ModelError where nothing says how the network's pictures are normalized."""
    if found.normalization is None:
        path = found.graph.path
        raise ModelError(
            f"{path} does not say what it segments (no {METADATA_KEY!r} in its metadata) and how its pictures are normalized: "
            f"{normalization_remedy(path.name)}; --size and --classes describe what else it does not say"
        )


def open_examined(found: Examination, engine: str = "openvino", *, threads: int = 0) -> Engine:
    """Open an examined file. Raises ModelError, EngineError, MissingExtra."""
    path, spec = found.graph.path, found.spec
    if path.suffix == ".onnx" and is_plain(found):
        if engine == "onnx":
            from rtseg.engines.onnx import OnnxEngine

            return OnnxEngine(path, spec, threads=threads, is_examined=True)
        from rtseg.engines.openvino import OpenVinoEngine

        bfloat16 = engine == "openvino-bf16"
        return OpenVinoEngine(path, spec, threads=threads, bfloat16=bfloat16, model=found.graph.model)
    raw: RawNetwork
    if engine == "onnx":
        raw = OnnxNetwork(path, threads=threads)
    else:
        raw = OpenVinoNetwork(found.graph, threads=threads, bfloat16=engine == "openvino-bf16")
    shapes = {name_of(port): shape_of(port) or () for port in found.graph.inputs}
    return AdaptedEngine(raw, spec).with_ports(shapes, {name_of(port): dtype_of(port) for port in found.graph.inputs})


def examine_plain(path: Path, spec: ModelSpec | None) -> Examination:
    """Examine a file that an engine opens directly. Raises ModelError where its answer or picture needs conversions."""
    found = examine_network(path, StatedFacts.of(spec) if spec else None)
    check_normalization(found)
    if not is_plain(found):
        raise ModelError(
            f"{path} needs conversions ({found.summary()}): open it with load_engine, or adopt it with "
            f"`rtseg adopt {path.name} --out NAME`"
        )
    return found


def is_plain(found: Examination) -> bool:
    """Return whether every engine runs the network without conversions."""
    return found.spec.is_plain and found.was_static and has_float_ports(found.graph)
