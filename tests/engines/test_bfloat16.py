"""Tests FP32 layers in bfloat16: selected by name, close to FP32, and refused on a processor without it."""

import networks
import numpy as np
import openvino as ov
import pytest

from rtseg.bench.line.target import precision
from rtseg.engines.load import BFLOAT16, load_engine, model_path
from rtseg.errors import EngineError

NO_BFLOAT16 = "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def answered(engine_name, x):
    engine = load_engine("carotid", engine_name)
    logits = np.array(engine.infer(x, engine.initial_state())[0])
    engine.close()
    return logits


@pytest.mark.skipif(NO_BFLOAT16, reason="this processor computes nothing in bfloat16")
def test_its_answers_are_near_to_those_in_fp32_and_are_not_the_same():
    x = np.random.default_rng(0).normal(size=(1, 1, 256, 256)).astype(np.float32)
    exact, rounded = answered("openvino", x), answered(BFLOAT16, x)
    difference = np.sqrt(np.mean((rounded - exact) ** 2)) / exact.std()
    assert 1e-4 < difference < 0.1  # 8 bits of mantissa


def test_a_processor_without_it(tiny, monkeypatch):
    class Plain(ov.Core):
        def get_property(self, *_):
            return ["FP32", "INT8"]

    monkeypatch.setattr(ov, "Core", Plain)
    with pytest.raises(EngineError, match="nothing in bfloat16: run the model with --engine openvino"):
        load_engine(tiny, BFLOAT16)
    assert load_engine(tiny, "openvino").spec == networks.spec()


def test_a_report_names_it():
    assert precision(model_path("carotid"), BFLOAT16) == "bfloat16"
    assert precision(model_path("carotid"), "openvino") == "fp32"
    assert precision(model_path("carotid-int8"), BFLOAT16) == "int8 (explicit Q/DQ)"
