"""Profiles a network on this CPU: its multiply-accumulates, the CPU's peak rate, and the time per kind of layer."""

from collections import defaultdict
from dataclasses import dataclass
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from rtseg.engines.openvino import compile_network, read_network
from rtseg.engines.openvino_runtime import ops, ov

PRECISIONS = ("fp32", "int8")
CHANNELS, SIDE, DEPTH = 128, 64, 4  # the chain of dense 3x3 convolutions that measures the peak: 2.4 GMAC
WARM_UP, RUNS = 2, 8


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """Holds the work of one network."""

    macs: int
    """Multiply-accumulates per frame."""
    shares: dict[str, float]
    """The share of the network's time by kind of layer, largest first."""


def profile_network(path: Path, threads: int = 0) -> NetworkProfile:
    """Profile an ONNX file on OpenVINO. Raises ModelError."""
    return NetworkProfile(count_macs(read_network(path)), _time_shares(path, threads))


def count_macs(model: Any) -> int:
    """Return the multiply-accumulates per frame of an OpenVINO model of fixed shapes."""
    return sum(_count_macs(op) for op in model.get_ops())


def measure_peak(precision: str, threads: int = 0) -> float:
    """Measure multiply-accumulates per second: the best of RUNS runs of a chain of dense convolutions, "fp32" or "int8"."""
    request = compile_network(_chain(precision == "int8"), Path(f"a chain in {precision}"), threads).create_infer_request()
    fed = {0: np.random.default_rng(0).standard_normal((1, CHANNELS, SIDE, SIDE), np.float32)}
    seconds = []
    for _ in range(WARM_UP + RUNS):
        started = perf_counter()
        request.infer(fed)
        seconds.append(perf_counter() - started)
    return DEPTH * 9 * CHANNELS**2 * SIDE**2 / min(seconds[WARM_UP:])


def _count_macs(op: Any) -> int:
    """Return the multiply-accumulates of one op: weights times output positions (input positions if transposed)."""
    kind, weights, answer = op.get_type_name(), _shape(op.inputs()[1:2]), _shape(op.outputs()[:1])
    match kind:
        case "Convolution" | "GroupConvolution":
            return prod(weights) * prod(answer[2:]) * answer[0]
        case "ConvolutionBackpropData" | "GroupConvolutionBackpropData":
            return prod(weights) * prod(_shape(op.inputs()[:1])[2:]) * answer[0]
        case "MatMul":
            return prod(answer) * _shape(op.inputs()[:1])[-2 if op.get_attributes()["transpose_a"] else -1]
        case _:
            return 0


def _shape(ports: Any) -> tuple[int, ...]:
    return tuple(int(side) for port in ports for side in port.get_shape())


def _time_shares(path: Path, threads: int) -> dict[str, float]:
    request = compile_network(read_network(path), path, threads, profiled=True).create_infer_request()
    rng = np.random.default_rng(0)
    fed = {port.any_name: rng.standard_normal(tuple(port.shape), np.float32) for port in request.model_inputs}
    seconds: dict[str, float] = defaultdict(float)
    for run in range(WARM_UP + RUNS):
        request.infer(fed)
        for step in request.get_profiling_info() if run >= WARM_UP else ():
            seconds[step.node_type] += step.real_time.total_seconds()
    total = sum(seconds.values())
    return {kind: spent / total for kind, spent in sorted(seconds.items(), key=lambda item: -item[1]) if spent}


def _chain(int8: bool) -> ov.Model:
    """Build dense 3x3 convolutions with ReLUs; in INT8, inputs and weights pass fake quantization, as in Q/DQ files."""
    rng = np.random.default_rng(0)
    image = x = ops.parameter((1, CHANNELS, SIDE, SIDE), np.float32)
    for _ in range(DEPTH):
        weights = ops.constant(rng.standard_normal((CHANNELS, CHANNELS, 3, 3), np.float32) / CHANNELS)
        pair = (_rounded(x), _rounded(weights, levels=255)) if int8 else (x, weights)
        x = ops.relu(ops.convolution(*pair, strides=[1, 1], pads_begin=[1, 1], pads_end=[1, 1], dilations=[1, 1]))
    return ov.Model([x], [image], "peak")


def _rounded(values: Any, levels: int = 256) -> Any:
    low, high = np.float32(-1), np.float32(1)
    return ops.fake_quantize(values, low, high, low, high, levels)
