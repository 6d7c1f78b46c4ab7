"""Quantizes an FP32 ONNX file to INT8 with explicit Q/DQ pairs, calibrated on real clips with their recurrent state.

The inputs and weights of convolutions become int8, symmetric (zero point 0), with one weight scale per channel. Biases, the
operations between the convolutions, logits and states stay float32. The same file serves OpenVINO, ONNX Runtime and TensorRT,
which accepts neither uint8 nor an int32 bias (onnx-tensorrt issue 850); TensorRT is untested here, for lack of a GPU.

Convolution outputs stay in float because their quantization costs speed and accuracy; Resize does too, because it would round
the logits of networks that end with one. The measurements stand in engines/zoo/carotid.md. On ONNX Runtime's CPU provider
symmetric INT8 is slower than FP32: use the FP32 file there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.engines.input_planes import fill_input
from rtseg.engines.model_file import atomic_onnx_path
from rtseg.engines.onnx import OnnxEngine
from rtseg.engines.validation.examination import examine
from rtseg.errors import MissingExtra, ModelError
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox

try:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
except ImportError:
    raise MissingExtra("a quantization", "onnx") from None

CONVOLUTIONS = ("Conv", "ConvTranspose")
OPSET, IR = 13, 4  # the oldest ONNX versions with per-channel quantization and constant weights
REEXPORT = "export it again with `rtseg export`"
MIN_CLIP_FRAMES = 4  # for recurrent networks: one step from a zero state does not show the range of the state
Feed = dict[str, npt.NDArray[np.float32]]  # the network's inputs by name


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """Reports the result of a quantization."""

    in_int8: tuple[str, ...]
    """The names of the convolutions in INT8."""
    in_float: tuple[str, ...]
    """The names of the convolutions that stay in float."""
    frames: int
    """The number of calibration frames."""


@dataclass(frozen=True, slots=True)
class PromptedImage:
    """Holds a frame of calibration together with what is written into the network's states with it."""

    image: Image
    """(H, W) gray or (H, W, 3) RGB, uint8."""
    writes: Mapping[str, npt.NDArray[np.float32]]
    """Values by the input that reads the state."""


def quantize_model(
    model: Path | str,
    out: Path | str,
    clips: Iterable[Iterable[Image | PromptedImage]],
    *,
    spec: ModelSpec | None = None,
    in_float: Sequence[str] = (),
    trusted: bool = False,
) -> QuantizationReport:
    """Quantize the FP32 `model` to INT8, and write it to `out` atomically.

    clips: real frames in temporal order, for a network that follows what is pointed at with prompts in them; the state starts
    at zero for each clip, and a clip shorter than MIN_CLIP_FRAMES repeats. spec: the network's description, for a file without
    rtseg's metadata. in_float: names or patterns of convolutions that stay in float. trusted: skip the examination in a child
    process. Raises ModelError.
    """
    model, out = Path(model), Path(out)
    examine(model, "onnx", spec, trusted=trusted)
    with atomic_onnx_path(out, ".quantize-", model) as part:
        prepared = part.with_name(f"prepared-{part.name}")
        described = _prepare(model, prepared, spec)
        chosen, left = _convolutions(model, prepared, in_float)
        reader = _CalibrationReader(_calibration_feeds(model, described, clips))
        with as_model_error(f"ONNX Runtime cannot quantize {model}", REEXPORT):
            _quantize_file(prepared, part, reader, left)
            _describe(part, described)
    return QuantizationReport(chosen, left, reader.frames)


class _CalibrationReader(CalibrationDataReader):  # type: ignore[misc]
    """Passes the calibration feeds to ONNX Runtime one at a time, and counts them."""

    def __init__(self, feeds: Iterator[Feed]) -> None:
        self._feeds, self.frames = feeds, 0

    def get_next(self) -> Feed | None:
        feed = next(self._feeds, None)
        self.frames += feed is not None
        return feed


def _prepare(model: Path, prepared: Path, spec: ModelSpec | None) -> ModelSpec:
    """Write the network with folded constants and BatchNorms to `prepared`; return its spec. Raises ModelError."""
    engine = OnnxEngine(model, spec)
    engine.close()
    with as_model_error(f"ONNX Runtime cannot prepare {model}", REEXPORT):
        network = onnx.load(model)  # loads external weights, which the tools would search elsewhere
        _check_version(model, network)
        quant_pre_process(network, prepared, skip_symbolic_shape=True)  # shapes are static, and symbolic inference needs sympy
    return replace(engine.spec, familiarity=None)  # that of the FP32 network: another one has other features


def _check_version(model: Path, network: Any) -> None:
    opset = next((opset.version for opset in network.opset_import if opset.domain in ("", "ai.onnx")), OPSET)
    if opset < OPSET:
        raise ModelError(
            f"{model} is of opset {opset}, which has no scale a channel: export it again with opset {OPSET} or later"
        )
    if network.ir_version < IR:
        raise ModelError(
            f"{model} is of IR {network.ir_version}, whose weights are inputs: export it again with IR {IR} or later"
        )


def _convolutions(model: Path, prepared: Path, in_float: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the convolutions to quantize, and of those to leave in float. Raises ModelError."""
    nodes = onnx.load(prepared, load_external_data=False).graph.node
    names = tuple(node.name for node in nodes if node.op_type in CONVOLUTIONS)
    if any(node.op_type == "QuantizeLinear" for node in nodes):
        raise ModelError(f"{model} is quantized already: give the FP32 file that it was made from")
    unmet = [pattern for pattern in in_float if not any(fnmatchcase(name, pattern) for name in names)]
    if unmet:
        raise ModelError(f"{model} has no convolution named {unmet[0]!r}: its names are {', '.join(names)}")
    left = tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in in_float))
    if len(left) == len(names):
        raise ModelError(f"{model} has no convolution to quantize: run it as it is")
    return tuple(name for name in names if name not in left), left


def _calibration_feeds(model: Path, spec: ModelSpec, clips: Iterable[Iterable[Image | PromptedImage]]) -> Iterator[Feed]:
    """Yield the network's inputs over the clips: each frame with the state after the previous ones. Raises ModelError."""
    engine, frames = OnnxEngine(model, spec), 0
    for clip in clips:
        state = engine.initial_state()
        for frame in _repeat_clip(clip, MIN_CLIP_FRAMES if spec.states else 1):
            image, writes = (frame.image, frame.writes) if isinstance(frame, PromptedImage) else (frame, {})
            for name, values in writes.items():
                state = engine.write(state, name, values)
            x = fill_input(spec, image, letterbox((0, 0, *image.shape[:2]), spec.size))
            memory = zip(spec.states, state.now, strict=True)
            yield {spec.image_input: x} | {port.input: values for port, values in memory}
            logits, state = engine.infer(x, state)
            frames += 1
            if kernels.has_nonfinite(logits):
                raise ModelError(f"{model} gives NaN or infinity at frame {frames}: train or export it again")
    engine.close()
    if not frames:
        raise ModelError("there is no frame to calibrate on: give a clip of real images")


def _repeat_clip(clip: Iterable[Image | PromptedImage], at_least: int) -> Iterator[Image | PromptedImage]:
    """Yield the clip, and repeat its frames until there are at least `at_least`."""
    first: list[Image | PromptedImage] = []
    for image in clip:
        first = first if len(first) == at_least else [*first, image]
        yield image
    yield from islice(cycle(first), at_least - len(first))


def _quantize_file(prepared: Path, part: Path, reader: _CalibrationReader, left: Sequence[str]) -> None:
    options: dict[str, Any] = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": list(CONVOLUTIONS),
    }
    quantize_static(
        prepared,
        part,
        reader,
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=list(CONVOLUTIONS),
        nodes_to_exclude=list(left),
        extra_options=options,
    )


def _describe(part: Path, spec: ModelSpec) -> None:
    """Replace the file's metadata with the spec, and remove the opset imports that the network does not use."""
    network = onnx.load(part)
    used = {node.domain for node in network.graph.node}
    opsets = [opset for opset in network.opset_import if opset.domain in used]
    del network.opset_import[:], network.metadata_props[:]
    network.opset_import.extend(opsets)
    onnx.helper.set_model_props(network, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, part)
