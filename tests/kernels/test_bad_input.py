"""Tests that every kernel rejects invalid input with the same error on host and GPU, and accepts awkward input."""

from typing import Any

import numpy as np
import pytest

from rtseg.errors import RtsegError
from rtseg.kernels import KERNELS, blend
from rtseg.kernels.runtime.registry import Kernel, KernelCase

TAKES_ALL_SHAPES = {"smooth", "has_nonfinite"}  # elementwise kernels


class DeviceArrayStub:
    """Has only the attributes of a device array that the checks may read."""

    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012

    def __init__(self, array: np.ndarray) -> None:
        self.shape, self.dtype = array.shape, array.dtype


def corrupted(name: str, array: np.ndarray) -> np.ndarray:
    match name:
        case "empty":
            return array[..., :0]
        case "no dimension":
            return array.reshape(-1)[:1].reshape(())
        case "too many dimensions":
            return array[None, None, None]
        case "complex":
            return array.astype(np.complex64)
    return array.astype(np.int16)


@pytest.mark.parametrize("how", ["empty", "no dimension", "too many dimensions", "complex", "int16"])
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=list(KERNELS))
def test_what_is_no_input_is_refused_in_the_same_words_everywhere(kernel: Kernel[..., Any], how: str) -> None:
    if kernel.name in TAKES_ALL_SHAPES and how not in ("complex", "int16"):
        pytest.skip("works element by element: any shape will do")
    case = kernel.cases()[0]
    first, rest = corrupted(how, case.args[0]), case.args[1:]
    said = [refusal(kernel, case, (array, *rest)) for array in (first, DeviceArrayStub(first))]
    assert said[0] == said[1]
    assert ": " in said[0], "the remedy comes last"


def refusal(kernel: Kernel[..., Any], case: KernelCase, args: tuple[Any, ...]) -> str:
    with pytest.raises(RtsegError) as caught:
        kernel(*args, **case.options)
    return str(caught.value)


def test_more_classes_than_colours_wrap_round() -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    palette = np.array([[9, 8, 7], [1, 2, 3]], np.uint8)
    painted = blend(np.zeros((16, 16, 3), np.uint8), labels, palette, 1.0, 0)
    assert np.array_equal(painted.reshape(256, 3)[1:], np.tile(palette, (128, 1))[:255])


@pytest.mark.parametrize(
    "kernel", [kernel for kernel in KERNELS.values() if kernel.name in ("opening", "closing", "median", "blend")]
)
def test_a_result_may_take_the_place_of_its_input(kernel: Kernel[..., Any]) -> None:
    for case in kernel.cases():
        image = np.ascontiguousarray(case.args[0])
        if kernel.name == "blend" and image.ndim == 2:
            continue
        expected = kernel.reference(*case.args, **case.options)
        assert np.array_equal(kernel(image, *case.args[1:], **case.options, out=image), expected), case.name
