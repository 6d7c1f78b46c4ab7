"""Tests that every emulated CUDA kernel agrees with the NumPy reference on every case, in every schedule."""

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated import compiler, meeting

from rtseg.kernels import KERNELS
from rtseg.kernels.runtime.device_array import DeviceArray
from rtseg.kernels.runtime.registry import Kernel


def test_every_kernel_has_a_cuda_backend() -> None:
    assert {kernel.name for kernel in meeting.CUDA_KERNELS} == set(KERNELS)


@pytest.mark.parametrize("kernel", meeting.CUDA_KERNELS, ids=lambda kernel: kernel.name)
def test_a_kernel_agrees_with_the_truth(kernel: Kernel[..., Any], emulated: Path) -> None:
    assert meeting.mismatches(kernel, emulated) == []


@pytest.mark.parametrize(
    "kernel",
    [kernel for kernel in meeting.CUDA_KERNELS if "out" in signature(kernel.reference).parameters],
    ids=lambda kernel: kernel.name,
)
def test_the_result_goes_into_out_even_if_it_is_the_input(kernel: Kernel[..., Any], emulated: Path) -> None:
    case = next(case for case in reversed(kernel.cases()) if case.args[0].size > 40)
    expected = np.asarray(kernel.reference(*case.args, **case.options))
    for in_place in (False, True):
        arguments = meeting.to_device(kernel, case)
        like = (arguments[0].shape, arguments[0].dtype) == (expected.shape, expected.dtype)
        out = arguments[0] if in_place and like else DeviceArray(expected.shape, expected.dtype)
        assert kernel(*arguments, **case.options, out=out) is out
        assert meeting.describe_mismatch(kernel, expected, out.numpy()) == ""


def test_nothing_is_smoothed_into_nothing(emulated: Path) -> None:
    nothing = DeviceArray((0, 3), np.float32)
    assert KERNELS["smooth"](nothing, nothing, 0.5).numpy().shape == (0, 3)


def test_all_kernels_agree_under_the_sanitizers(sanitized_library: Path) -> None:
    ended = compiler.sanitized_python("-m", "emulated.meeting", str(sanitized_library))
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    assert f"{len(meeting.CUDA_KERNELS)} kernels compared with their references, 0 failures" in ended.stdout
