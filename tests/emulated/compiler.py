"""Compiles .cu files for the host: each file once, and again when it or a header has changed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

TESTS = Path(__file__).parents[1]
HOST = TESTS / "emulated" / "cuda_host"
KERNELS = TESTS.parent / "kernels"
GXX = shutil.which("g++")

PLAIN = ("-O1", "-g1")
SANITIZED = (
    *PLAIN,
    "-fsanitize=address,undefined",
    "-fsanitize-sections=emulated_shared",
    "-fno-sanitize-recover=undefined",
)
EMULATOR_UNCHECKED = "-fno-sanitize=undefined"  # for the emulator's own files, which compile slowly with it
CUDA = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include"  # holds the header of NVIDIA's driver API
FUNCTION_NAMES = {"libcuda": re.compile(rb"\bcu[A-Z]\w+"), "libnvcuvid": re.compile(rb"\bcuvid[A-Z]\w+")}
TIMEOUT_S = 600  # of a run under sanitizers: a longer one hangs
# No fused multiply-add, which rounds once instead of twice: CMakeLists.txt sets the same for nvcc.
ALWAYS = ("-std=c++17", "-fPIC", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-attributes", "-Wno-unknown-pragmas")


def sources(folder: Path = KERNELS) -> list[Path]:
    """Return the .cu files of a folder and its subfolders."""
    return sorted(folder.rglob("*.cu"))


def shared_library(folder: Path, cuda_files: list[Path], *flags: str) -> Path:
    """Compile the emulator and `cuda_files` to one shared library in `folder`, and return its path."""
    emulator = [(path, (*flags, EMULATOR_UNCHECKED)) for path in sorted(HOST.glob("*.cpp"))]
    with ThreadPoolExecutor() as pool:
        halves = [(_combined_source(folder, half), flags) for half in (cuda_files[::2], cuda_files[1::2]) if half]
        objects = list(pool.map(lambda job: _object(folder, *job), [*halves, *emulator]))
    library = folder / f"{_digest(b'', [path.name for path in objects])}.so"
    if not library.exists():
        sanitizers = [flag for flag in flags if flag.startswith("-fsanitize=")]
        _run([str(GXX), "-shared", *sanitizers, *map(str, objects), "-ldl"], library)
    return library


def driver_library(folder: Path, kernels: Path, asked_by: Sequence[Path], name: str = "libcuda") -> Path:
    """Compile libcuda.so.1 or libnvcuvid.so.1 on top of the emulator, and return its path.

    kernels: the library that holds the emulator. asked_by: the libraries that call functions of it; those that are not
    implemented return 801, not supported.
    """
    asked = sorted({found.decode() for path in asked_by for found in FUNCTION_NAMES[name].findall(path.read_bytes())})
    sources = sorted((TESTS / "emulated" / name.removeprefix("lib")).glob("*.cpp"))
    content = b"".join(path.read_bytes() for path in [*sources, *sorted(HOST.glob("*.h"))])
    library = folder / _digest(content + kernels.name.encode(), asked) / f"{name}.so.1"
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        unsupported = library.with_name(f"{os.getpid()}.cpp")
        unsupported.write_text("".join(f'extern "C" __attribute__((weak)) int {each}() {{ return 801; }}\n' for each in asked))
        flags = (*ALWAYS, *PLAIN, f"-I{HOST}", f"-isystem{CUDA}", "-shared", f"-Wl,-soname,{library.name}")
        _run([str(GXX), *flags, *map(str, [*sources, unsupported, kernels]), "-ldl"], library)
    return library


def sanitized_python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in tests/ with g++'s address sanitizer preloaded, which libraries compiled with it require."""
    where = subprocess.run([str(GXX), "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0", "LD_PRELOAD": where.stdout.strip()}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=TESTS, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)


def _combined_source(folder: Path, cuda_files: list[Path]) -> Path:
    """Write a file that includes all `cuda_files`, so that the headers are parsed once; its name depends on their content."""
    headers = sorted({*KERNELS.rglob("*.cuh"), *(header for path in cuda_files for header in path.parent.glob("*.cuh"))})
    content = b"".join(path.read_bytes() for path in [*headers, *cuda_files])
    together = folder / f"{_digest(content, [])}.cu"
    together.write_text("".join(f'#include "{path}"\n' for path in cuda_files))
    return together


def _object(folder: Path, source: Path, flags: tuple[str, ...]) -> Path:
    host = b"".join(path.read_bytes() for path in sorted(HOST.glob("*.h")))
    flags = (*ALWAYS, *flags, f"-I{HOST}", f"-I{KERNELS}")
    path = folder / f"{source.stem}-{_digest(host + source.read_bytes(), flags)}.o"
    if not path.exists():
        _run([str(GXX), *flags, "-x", "c++", "-c", str(source)], path)
    return path


def _run(command: list[str], result: Path) -> None:
    """Run a compiler and write `result` atomically, since other processes may compile the same file."""
    unfinished = result.with_suffix(f"{result.suffix}.{os.getpid()}")
    made = subprocess.run([*command, "-o", str(unfinished)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    unfinished.rename(result)


def _digest(content: bytes, words: list[str] | tuple[str, ...]) -> str:
    return sha256(content + "\0".join(words).encode()).hexdigest()[:16]
