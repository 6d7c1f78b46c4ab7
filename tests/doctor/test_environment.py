"""Tests that the doctor reports the actual state of this machine."""

import sys

from rtseg.doctor import environment
from rtseg.doctor.environment import examine_environment
from rtseg.kernels.runtime import cuda


def _found(group: str, name: str) -> environment.Finding:
    (finding,) = [finding for finding in examine_environment() if (finding.group, finding.name) == (group, name)]
    return finding


def test_cuda_is_there_only_where_its_kernels_can_run(monkeypatch):
    monkeypatch.setattr(cuda, "problem", lambda: "no driver: install one")
    assert (_found("kernels", "cuda").present, _found("kernels", "cuda").detail) == (False, "no driver: install one")
    monkeypatch.setattr(cuda, "problem", lambda: "")
    assert _found("kernels", "cuda").present


def test_every_extra_of_the_package_is_looked_for():
    assert {finding.name for finding in examine_environment() if finding.group == "extra"} >= {"onnx", "train", "dev"}


def test_what_is_absent_says_what_to_do():
    for finding in examine_environment():
        assert finding.present or ":" in finding.detail, finding


def test_tensorrt_is_there_only_where_its_engine_can_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.delitem(sys.modules, "rtseg.engines.tensorrt.engine", raising=False)
    monkeypatch.delitem(sys.modules, "rtseg.engines.tensorrt.runtime", raising=False)
    assert not _found("engine", "tensorrt").present
