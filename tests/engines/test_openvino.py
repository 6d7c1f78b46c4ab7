"""Test what OpenVINO computes in INT8, with VNNI and without."""

import os
import subprocess
import sys
from pathlib import Path

import openvino as ov
import pytest

from rtseg.engines import openvino
from rtseg.engines.zoo import shipped_models
from rtseg.system.processor import has_exact_int8

INT8 = Path(shipped_models()["carotid-int8"])
DICE = """
import numpy as np, rtseg
labels = {}
for name in ("carotid", "carotid-int8"):
    session = rtseg.Session(rtseg.load_engine(name))
    frames = [frame for frame, _ in zip(rtseg.open_source("clip:carotid"), range(20))]
    labels[name] = np.stack([session.step(frame).labels.copy() for frame in frames]) > 0
one, other = labels.values()
print(2 * (one & other).sum() / (one.sum() + other.sum()))
"""


def precisions(path: Path) -> set[str]:
    """Return the precisions in which the convolutions of a network run."""
    graph = openvino.compile_network(openvino.read_network(path), path, 1).get_runtime_model()
    infos = [node.get_rt_info() for node in graph.get_ordered_ops()]
    return {info["runtimePrecision"].astype(str) for info in infos if info["layerType"].astype(str) == "Convolution"}


@pytest.mark.parametrize("is_exact", [True, False])
def test_int8_is_used_only_where_its_sums_are_exact(monkeypatch: pytest.MonkeyPatch, is_exact: bool):
    if is_exact and not has_exact_int8():
        pytest.skip("this processor has no VNNI")
    monkeypatch.setattr(openvino, "has_exact_int8", lambda: is_exact)
    assert "INT8" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")  # so OpenVINO itself would use it
    assert precisions(INT8) <= ({"i8", "u8"} if is_exact else {"f32"})


@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE", "DEFAULT"])
def test_int8_masks_follow_fp32_on_every_processor(instructions: str):
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": instructions}
    done = subprocess.run(
        [sys.executable, "-c", DICE], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert float(done.stdout) > 0.99
