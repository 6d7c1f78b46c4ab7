"""Provides the real packages without a GPU: TensorRT's bindings over stub libraries, and pycuda built from source."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

LONGEST_S = 3600  # of one program; the build of pycuda takes minutes, and longer on a busy machine
# For the siteconf.py of pycuda's build: only its names are needed, so the build is not optimized.
SETTINGS = "CUDA_ENABLE_CURAND = False\nCXXFLAGS = ['-O0', '-g0']\n"
VERSIONS = ("10.3.0", "10.13.3.9.post1", "10.16.1.11", "11.4.0.106")  # of JetPack 6 and JetPack 7, and the newest of 10 and 11
CUDA_12 = ("10.3.0",)
NATIVE = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
OF_NVIDIA = ("createInfer", "createNv", "getBuilder", "getPlugin", "getNvOnnx", "initLib")

DESCRIBE = """
import json, sys
import tensorrt_bindings as trt
def describe(thing):
    members = getattr(thing, "__members__", None)
    found = {name: str(getattr(getattr(thing, name, None), "__doc__", "") or "") for name in dir(thing)}
    return found | dict.fromkeys(members or (), "")
print(json.dumps({name: describe(getattr(trt, name)) for name in dir(trt) if not name.startswith("__")} | {"__version__": {}}))
"""


def tensorrt_names(version: str, folder: Path) -> dict[str, dict[str, str]]:
    """Return the members of every class of a TensorRT version with their docstrings. Raises Unavailable."""
    found = folder / f"tensorrt-{version}.json"
    if not found.exists():
        cuda = 12 if version in CUDA_12 else 13
        wheel = _downloaded(f"tensorrt_cu{cuda}_bindings=={version}", folder / version)
        shutil.unpack_archive(wheel, folder / version, "zip")
        stubs = _stubs(folder / version / "tensorrt_bindings" / "tensorrt.so", folder / version, version.partition(".")[0])
        found.write_text(_run([sys.executable, "-c", DESCRIBE], folder / version, LD_LIBRARY_PATH=str(stubs)))
    names: dict[str, dict[str, str]] = json.loads(found.read_text())
    return names


def pycuda_names(folder: Path) -> dict[str, dict[str, str]]:
    """Return the members of every class of pycuda.driver, built from source over a libcuda stub. Raises Unavailable."""
    found = folder / "pycuda.json"
    if not found.exists():
        script = DESCRIBE.replace("tensorrt_bindings as trt", "pycuda.driver as trt")
        built = pycuda_built(folder)
        found.write_text(_run([sys.executable, "-c", script], folder, LD_LIBRARY_PATH=str(folder), PYTHONPATH=str(built)))
    names: dict[str, dict[str, str]] = json.loads(found.read_text())
    return names


def pycuda_built(folder: Path) -> Path:
    """Build pycuda from source over a libcuda stub, and return its folder. Raises Unavailable."""
    if not (folder / "libcuda.so.1").exists():
        if not (folder / "pycuda").exists():
            archive = _downloaded("pycuda", folder / "pycuda", "--no-binary", ":all:", "--no-build-isolation")
            shutil.unpack_archive(archive, folder / "pycuda")
        (source,) = (folder / "pycuda").glob("pycuda-*/")
        _build_pycuda(source, folder)
    (built,) = (folder / "pycuda").glob("pycuda-*/build/lib.*")
    return built


class Unavailable(Exception):
    """Signals that a package or a tool is not available on this machine."""


def _downloaded(requirement: str, folder: Path, *options: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options, "--dest", str(folder), requirement]
    try:
        _run(pip, folder)
    except RuntimeError as error:
        raise Unavailable(str(error)) from error
    (archive,) = (path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    return archive


def _stubs(library: Path, folder: Path, major: str) -> Path:
    """Compile empty native libraries with the functions that the bindings import, and return their folder."""
    wanted = [name for name in _undefined(library) if name.startswith(OF_NVIDIA)]
    for name in NATIVE:
        _compile_stub(folder / f"lib{name}.so.{major}", wanted)
    return folder


def _build_pycuda(source: Path, folder: Path) -> None:
    """Build the extension without cuRAND, and then a libcuda stub with all functions that it imports."""
    _compile_stub(folder / "libcuda.so", ["cuInit"], "libcuda.so.1")  # the extension loads it by NVIDIA's own soname
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        raise Unavailable("there is no nvcc")
    root = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    _run([sys.executable, "configure.py", f"--cuda-root={root}"], source)
    with (source / "siteconf.py").open("a") as settings:
        settings.write(SETTINGS)
    _run([sys.executable, "setup.py", "build"], source, LIBRARY_PATH=str(folder))
    (extension,) = source.glob("build/lib.*/pycuda/_driver*.so")
    wanted = [name for name in _undefined(extension) if name.startswith("cu")]
    _compile_stub(folder / "libcuda.so.1", wanted)


def _undefined(library: Path) -> list[str]:
    lines = _run(["nm", "-D", "--undefined-only", str(library)], library.parent).splitlines()
    return [line.split()[-1].partition("@")[0] for line in lines]


def _compile_stub(library: Path, functions: list[str], soname: str = "") -> None:
    """Compile a library whose functions only return 100. soname: the name in its ELF header, by default its file name."""
    text = "".join(f"int {name}(void) {{ return 100; }}\n" for name in functions)
    command = ["gcc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{soname or library.name}", "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)


def _run(command: list[str], folder: Path, **environment: str) -> str:
    """Run a program and return its standard output. Raises RuntimeError with its error output."""
    try:
        ended = subprocess.run(
            command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=LONGEST_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{command[0]} cannot be run: {error}") from error
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command[:6])}: {ended.stderr.strip()[-400:]}")
    return ended.stdout
