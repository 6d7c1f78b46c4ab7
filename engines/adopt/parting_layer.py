"""Finds the first layer at which two engines part, by comparing every intermediate tensor, as Polygraphy does."""

from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.adopt.probing import probes

TOLERANCE = 1e-2  # of a tensor's largest value


def first_parting_layer(path: Path, picture: str) -> str:
    """Return a clause that names the layer of an ONNX file where OpenVINO and ONNX Runtime part first; "" without one.

    picture: the name of the input that takes the picture; all others are zeros.
    """
    if path.suffix != ".onnx":
        return ""
    try:
        return _compare(path, picture)
    except Exception:  # noqa: BLE001  ONNX Runtime's exceptions share no other base; a missing clause must not hide the refusal
        return ""


def _compare(path: Path, picture: str) -> str:
    from rtseg.engines.convert.weight_average import onnx
    from rtseg.engines.onnx_runtime import onnxruntime
    from rtseg.engines.openvino_runtime import ov

    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    kinds = {one.name: one.type.tensor_type.elem_type for one in model.graph.value_info}
    known = {port.name for port in model.graph.output}
    wanted = [name for node in model.graph.node for name in node.output if kinds.get(name) == 1 and name not in known]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in wanted)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    precise = {"INFERENCE_PRECISION_HINT": "f32"}  # else bfloat16 parts from the first layer on, where a processor has it
    compiled = ov.Core().compile_model(ov.Core().read_model(model.SerializeToString()), "CPU", precise)
    feed = {port.name: _input(port, picture) for port in session.get_inputs()}
    theirs = dict(zip([port.name for port in session.get_outputs()], session.run(None, feed), strict=True))
    request = compiled.create_infer_request()
    request.infer(feed)
    ours = {name: request.get_tensor(name).data for name in theirs}
    makers = {name: node for node in model.graph.node for name in node.output}
    for name in [name for node in model.graph.node for name in node.output if name in theirs]:
        scale = float(np.abs(theirs[name]).max())
        difference = float(np.abs(ours[name].astype(float) - theirs[name]).max())
        if not difference <= TOLERANCE * max(scale, 1e-6):
            return f"; OpenVINO and ONNX Runtime part first at the {makers[name].op_type} {name!r}"
    return ""


def _input(port: Any, picture: str) -> Any:
    dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}.get(port.type, np.float64)
    shape = tuple(port.shape)
    return next(probes(shape)).astype(dtype) if port.name == picture else np.zeros(shape, dtype)
