"""Writes each CUDA kernel's registers and spills to kernels/README.md: `python -m rtseg.kernels.runtime.ptxas_table`.

It needs nvcc and takes a minute or two. Exits with 1 where a kernel spills registers to memory, which is a defect.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

FOLDER = Path(__file__).parents[1]  # kernels/
README = FOLDER / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
ARCHITECTURES = (75, 80, 86, 87, 89, 90, 100, 101, 110, 120)  # as in CMakeLists.txt
FLAGS = ("-std=c++17", "-fmad=false", "-Xptxas=-v", "-cubin")

ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for 'sm_(?P<architecture>\d+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)
KERNEL_DECLARATION = re.compile(r"__global__ void (?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(")
SHARED = re.compile(r"(\d+) bytes smem")


class PtxasEntry(NamedTuple):
    """Holds the resources of a kernel on one architecture."""

    kernel: str  # its mangled name
    architecture: int  # compute capability times 10
    registers: int  # per thread
    shared: int  # static shared memory in bytes
    spilled: int  # stack and spills in bytes


def parse_log(log: str) -> Iterator[PtxasEntry]:
    """Parse the output of nvcc -Xptxas=-v."""
    for found in ENTRY.finditer(log):
        shared = SHARED.search(found["rest"])
        spilled = sum(int(found[kind]) for kind in ("stack", "stores", "loads"))
        yield PtxasEntry(
            found["name"], int(found["architecture"]), int(found["registers"]), int(shared[1]) if shared else 0, spilled
        )


def markdown_table(found: list[PtxasEntry], names: dict[str, str]) -> str:
    """Return a Markdown table: one row per kernel, with its registers on each architecture.

    names: the readable name by mangled name.
    """
    architectures = sorted({entry.architecture for entry in found})
    lines = [f"| kernel | {' | '.join(f'sm_{a}' for a in architectures)} | shared, bytes | spilled, bytes |"]
    lines += ["| --- |" + " --- |" * (len(architectures) + 2)]
    for kernel in sorted({entry.kernel for entry in found}, key=lambda kernel: names[kernel]):
        own = {entry.architecture: entry for entry in found if entry.kernel == kernel}
        registers = " | ".join(str(own[a].registers) if a in own else "" for a in architectures)
        most = [max(entry.shared for entry in own.values()), max(entry.spilled for entry in own.values())]
        lines.append(f"| `{names[kernel]}` | {registers} | {most[0]} | {most[1]} |")
    return "\n".join(lines)


def known_architectures() -> list[int]:
    """Return those of `ARCHITECTURES` that this nvcc supports. Raises CalledProcessError."""
    listed = subprocess.run(["nvcc", "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout
    return [wanted for wanted in ARCHITECTURES if f"compute_{wanted}" in listed.split()]


def compile_log(source: Path, architecture: int) -> str:
    """Compile a file and return the log of nvcc. Raises CalledProcessError where it does not compile."""
    with TemporaryDirectory() as folder:
        command = ["nvcc", *FLAGS, f"-arch=sm_{architecture}", str(source), "-o", f"{folder}/out.cubin"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def demangle(kernels: list[str]) -> dict[str, str]:
    """Return each kernel's name as in the source, without parameters, by mangled name."""
    plain = subprocess.run(["c++filt"], input="\n".join(kernels), capture_output=True, text=True, check=True).stdout.split("\n")
    return {kernel: re.sub(r"\(.*|rtseg::|\bvoid ", "", name) for kernel, name in zip(kernels, plain, strict=False)}


def main() -> int:
    jobs = [(source, architecture) for source in sorted(FOLDER.rglob("*.cu")) for architecture in known_architectures()]
    with ThreadPoolExecutor() as pool:
        found = [entry for log in pool.map(lambda job: compile_log(*job), jobs) for entry in parse_log(log)]
    made = markdown_table(found, demangle(sorted({entry.kernel for entry in found})))
    before, rest = README.read_text().split(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}")
    return int(any(entry.spilled for entry in found))


if __name__ == "__main__":
    sys.exit(main())
