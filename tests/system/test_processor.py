"""Test what is read of a processor, on files as Linux writes them."""

import pytest

from rtseg.system.processor import has_exact_int8


@pytest.mark.parametrize(
    ("flags", "is_exact"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512bw avx512_vnni", True),
        ("flags\t\t: fpu avx2 avx_vnni", True),
        ("Features\t: fp asimd asimddp", True),
        ("flags\t\t: fpu avx2 fma", False),
        ("flags\t\t: fpu avx2 avx512f avx512bw avx512vl", False),
        ("model name\t: no flags at all", False),
    ],
)
def test_flags_of_a_processor(tmp_path, monkeypatch, flags, is_exact):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{flags}\n")
    assert has_exact_int8(tmp_path / "cpuinfo") is is_exact


def test_a_system_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert not has_exact_int8(tmp_path / "cpuinfo")


@pytest.mark.parametrize(
    ("limit", "is_exact"), [("AVX2", False), ("avx512_core", False), ("AVX512_CORE_VNNI", True), ("", True)]
)
def test_vnni_may_be_forbidden(tmp_path, monkeypatch, limit, is_exact):
    (tmp_path / "cpuinfo").write_text("flags\t\t: avx512_vnni\n")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert has_exact_int8(tmp_path / "cpuinfo") is is_exact
