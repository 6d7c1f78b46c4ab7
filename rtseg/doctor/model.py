"""Explains a model file: what it takes and gives, what was inferred and why, what it costs, and what to change."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from rtseg.engines.adopt.adoption import read_certificate
from rtseg.engines.adopt.certificate import Certificate
from rtseg.engines.adopt.examination import Examination, examine_network
from rtseg.engines.adopt.network_graph import dtype_of, name_of, shape_of
from rtseg.engines.adopt.open_network import is_plain, open_examined
from rtseg.engines.profile import count_macs
from rtseg.engines.validation.examination import examine

WARM_UP, RUNS = 2, 9
LIVE_MS = 33.0  # of a stream of 30 frames a second


@dataclass(frozen=True)
class ModelReport:
    """Holds what was found about a model file."""

    found: Examination
    """What its examination says."""
    certificate: Certificate | None
    """Its record of parity, if it was adopted."""
    macs: int
    """Multiply-accumulates for a frame."""
    milliseconds: float
    """The median time of the network for a frame, on OpenVINO."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what to show, as (name, text)."""
        found, spec = self.found, self.found.spec
        for kind, ports in (("input", found.graph.inputs), ("output", found.graph.model.outputs)):
            for port in ports:
                shape = ", ".join(map(str, shape_of(port) or ()))
                yield kind, f"{name_of(port)} ({shape}) {dtype_of(port)}{self._role(name_of(port))}"
        yield "picture", f"{spec.size[0]}x{spec.size[1]}, {spec.channels} channels as {spec.layout}, {spec.channel_order}"
        scale = found.normalization
        yield "normalization", f"{scale.name} ({scale.how}) {scale.why}".strip() if scale else "not known"
        yield "answer", f"{found.answer.why}; {spec.activation} as {spec.output_layout}"
        yield "classes", ", ".join(spec.classes)
        states = [f"{one.input} to {one.output or 'no output'} {one.shape}, {one.role}" for one in spec.states]
        yield "states", "; ".join(states) or "none"
        yield "cost", f"{self.macs / 1e9:.2f} billion multiply-accumulates for a frame"
        yield (
            "speed here",
            f"{self.milliseconds:.1f} ms for a frame on OpenVINO, {1000 / self.milliseconds:.0f} frames a second",
        )
        yield (
            "runs as it is",
            "yes, on every engine" if is_plain(found) else "no: openvino and onnx convert what it takes and gives",
        )
        if self.certificate:
            one = self.certificate
            yield "certificate", f"Dice {one.dice_min:.4f} against {one.framework} over {one.frames} frames of {one.source}"

    def advice(self) -> Iterator[str]:
        """Yield what to change, in one line each."""
        found, path = self.found, self.found.graph.path
        if found.normalization is None:
            yield f"its normalization is not known: `rtseg adopt {path} PICTURES --out NAME`, with masks, or --normalization"
        elif not found.is_described:
            yield f"it has no description of rtseg: `rtseg adopt {path} PICTURES --out NAME` writes one, with a certificate"
        if not is_plain(found):
            yield "it is converted for each frame, and cannot be quantized or built for TensorRT: export float32 logits as NCHW"
        if self.milliseconds > LIVE_MS:
            yield f"it is slower than 30 frames a second: `rtseg quantize {path}`, a smaller --size, or --budget 33ms"

    def _role(self, name: str) -> str:
        spec = self.found.spec
        if name in (spec.image_input, spec.logits_output, spec.prototypes):
            return ": the picture" if name == spec.image_input else ": read"
        if role := next((state.role for state in spec.states if name in (state.input, state.output)), ""):
            return f": {role}"
        return ": constant" if name in dict(spec.constants) else ": not read"


def inspect_model(path: Path) -> ModelReport:
    """Examine a model file, and run it. Raises ModelError."""
    examine(path, "adopt")
    found = examine_network(path)
    macs = count_macs(found.graph.model)
    with closing(open_examined(found)) as engine:
        x = np.random.default_rng(0).standard_normal((1, found.spec.channels, *found.spec.size)).astype(np.float32)
        state, seconds = engine.initial_state(), []
        for _ in range(WARM_UP + RUNS):
            started = perf_counter()
            _, state = engine.infer(x, state)
            seconds.append(perf_counter() - started)
    return ModelReport(found, read_certificate(found), macs, 1000 * median(seconds[WARM_UP:]))
