"""Compare every CUDA kernel with its NumPy reference on this machine's GPU: python demos/gpu_kernels.py."""

import sys
from inspect import signature
from typing import Any

import numpy as np

from rtseg.kernels import KERNELS
from rtseg.kernels.runtime import cuda
from rtseg.kernels.runtime.device_array import DeviceArray
from rtseg.kernels.runtime.registry import Kernel, KernelCase

HOST_ARGUMENTS = {"palette"}  # array parameters that stay in host memory


def failing_cases(made: "Kernel[..., Any]") -> list[str]:
    """Return the names of the cases in which a kernel's CUDA backend exceeds the tolerance."""
    return [case.name for case in made.cases() if not agrees(made, case)]


def agrees(made: "Kernel[..., Any]", case: KernelCase) -> bool:
    """Return whether the CUDA backend and the reference agree on a case, within the kernel's `atol`."""
    named = zip(signature(made.reference).parameters, case.args, strict=False)
    there = [
        DeviceArray.of(value) if isinstance(value, np.ndarray) and name not in HOST_ARGUMENTS else value
        for name, value in named
    ]
    found = made.backends["cuda"](*there, **case.options)
    own = np.asarray(found.numpy() if isinstance(found, DeviceArray) else found)
    expected = np.asarray(made.reference(*case.args, **case.options))
    return own.shape == expected.shape and np.allclose(own, expected, rtol=0, atol=made.atol, equal_nan=own.dtype.kind == "f")


def main() -> int:
    """Print one line for each kernel and return the exit status: 0 when all agree."""
    if problem := cuda.problem():
        sys.stdout.write(f"{problem}\n")
        return 1
    failed = 0
    for name, made in sorted(KERNELS.items()):
        wrong = failing_cases(made)
        failed += bool(wrong)
        sys.stdout.write(f"{name}: {'agrees' if not wrong else 'is off on ' + ', '.join(wrong[:5])}\n")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
