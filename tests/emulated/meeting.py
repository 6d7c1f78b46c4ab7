"""Compares a kernel's emulated CUDA backend with the NumPy reference on each case, in each schedule.

As a program, for runs under sanitizers: `python -m emulated.meeting LIBRARY` (in tests/) compares all kernels, with one
schedule per case in turn; `python -m emulated.meeting LIBRARY KERNEL ...` compares those kernels in all schedules.
"""

import sys
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from emulated.schedules import Schedule

from rtseg.kernels import KERNELS
from rtseg.kernels.runtime import cuda
from rtseg.kernels.runtime.device_array import DeviceArray
from rtseg.kernels.runtime.registry import Kernel, KernelCase

ON_HOST = {"palette"}  # arrays that stay in host memory

CUDA_KERNELS = [kernel for kernel in KERNELS.values() if "cuda" in kernel.backends]


def mismatches(kernel: Kernel[..., Any], library: Path, in_turn: bool = False) -> list[str]:
    """Return a line for each failure of a kernel's backend in `library`, which must be selected.

    in_turn: run each case in one schedule, the next case in the next one; otherwise run each case in all.
    """
    wrong = []
    for number, case in enumerate(kernel.cases()):
        expected = np.asarray(kernel.reference(*case.args, **case.options))
        for schedule in [Schedule(number % len(Schedule))] if in_turn else Schedule:
            schedule.choose(library)
            problem = describe_mismatch(
                kernel, expected, to_host(kernel.backends["cuda"](*to_device(kernel, case), **case.options))
            )
            wrong += [f"{kernel.name} on {case.name}, {schedule.name.lower()} (emulated): {problem}"] if problem else []
    return wrong


def to_device(kernel: Kernel[..., Any], case: KernelCase, stream: int = 0) -> list[Any]:
    """Return a case's arguments with device arrays in place of NumPy arrays."""
    named = zip(signature(kernel.reference).parameters, case.args, strict=False)
    is_array = [(value, isinstance(value, np.ndarray) and name not in ON_HOST) for name, value in named]
    return [DeviceArray.of(value, stream) if array else value for value, array in is_array]


def to_host(result: Any) -> npt.NDArray[Any]:
    return result.numpy() if isinstance(result, DeviceArray) else np.asarray(result)


def describe_mismatch(kernel: Kernel[..., Any], expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> str:
    """Describe how `found` differs from `expected` by more than the kernel's tolerance; "" where it does not."""
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return f"{found.dtype} {found.shape} instead of {expected.dtype} {expected.shape}"
    distance = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    same = (
        (found == expected)
        | (distance <= kernel.atol)
        | (np.isnan(found) & np.isnan(expected) if found.dtype.kind == "f" else False)
    )
    return "" if same.all() else f"{np.count_nonzero(~same)} of {same.size} values are off, by {np.nanmax(distance)} at most"


def main(library: Path, *names: str) -> int:
    cuda.LIBRARY_PATH = library
    chosen = [kernel for kernel in CUDA_KERNELS if kernel.name in names or not names]
    wrong = [problem for kernel in chosen for problem in mismatches(kernel, library, in_turn=not names)]
    sys.stdout.write("\n".join([*wrong, f"{len(chosen)} kernels compared with their references, {len(wrong)} failures\n"]))
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
