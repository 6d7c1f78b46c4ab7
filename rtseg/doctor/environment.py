"""Examines this machine: which engines, kernels, models, sources and extras are available, and how to get the others."""

import platform
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata

from rtseg.doctor.cuda_versions import read_cuda_versions, tensorrt_package
from rtseg.engines.load import BUILT_IN_ENGINES, ENGINES, GPU_ENGINES
from rtseg.engines.zoo import shipped_models
from rtseg.errors import RtsegError
from rtseg.kernels import KERNELS
from rtseg.kernels.runtime import cuda
from rtseg.measure.quantities import QUANTITIES
from rtseg.plugins import GROUPS, Plugin, plugins
from rtseg.sources.capabilities import capabilities
from rtseg.sources.open import BUILT_IN_SCHEMES
from rtseg.system.jetson import read_jetson
from rtseg.system.machine import available_cores, installed_version, processor_name

_MODULES = {"tensorrt": "tensorrt.engine"}  # of an engine that is a folder
_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}  # runtime package of each engine


@dataclass(frozen=True, slots=True)
class Finding:
    """Holds the result of one check."""

    group: str  # e.g. "engine"
    name: str  # e.g. "openvino"
    present: bool
    detail: str  # a version, or the reason for the absence and the remedy


def examine_environment() -> list[Finding]:
    """Check everything that rtseg can use on this machine."""
    return [
        *_machine(),
        *map(_engine, ENGINES + GPU_ENGINES),
        _numba(),
        _cuda(),
        _gpu(),
        _models(),
        *_sources(),
        *map(_extra, _extras()),
        *(_plugin(plugin) for group in GROUPS for plugin in plugins(group)),
    ]


def _machine() -> Iterator[Finding]:
    yield Finding("machine", "python", True, f"{platform.python_version()} on {platform.system()} {platform.release()}")
    yield Finding("machine", "processor", True, f"{processor_name()}, {available_cores()} cores")
    if board := read_jetson():
        state = f"JetPack {board.jetpack}, L4T {board.l4t}, {board.power_mode}, GPU {board.gpu}, CPU {board.cpu}"
        yield Finding("machine", "jetson", True, "; ".join(filter(None, (f"{board.board}: {state}", board.advice))))


def _engine(name: str) -> Finding:
    try:
        import_module(f"rtseg.engines.{_MODULES.get(name, name)}")
    except RtsegError as error:
        return Finding("engine", name, False, str(error))
    package = tensorrt_package() if name == "tensorrt" else _PACKAGES[name]
    return Finding("engine", name, True, f"{package} {installed_version(package)}")


def _numba() -> Finding:
    compiled = sum("numba" in kernel.backends for kernel in KERNELS.values())
    return Finding("kernels", "numba", bool(compiled), f"{compiled} of {len(KERNELS)}; the others are NumPy as they are")


def _cuda() -> Finding:
    problem = cuda.problem()
    return Finding("kernels", "cuda", not problem, problem or f"{len(KERNELS)} of {len(KERNELS)}")


def _gpu() -> Finding:
    versions = read_cuda_versions()
    return Finding("kernels", "cuda versions", not versions.advice(), versions.advice() or str(versions))


def _models() -> Finding:
    models = shipped_models()
    return Finding("models", "shipped", bool(models), ", ".join(models) or "none: reinstall rtseg")


def _sources() -> Iterator[Finding]:
    for source in capabilities():
        yield Finding("source", source.name, source.present, source.detail)


def _extras() -> list[str]:
    return sorted(metadata.metadata("rtseg").get_all("Provides-Extra") or [])


def _extra(extra: str) -> Finding:
    wanted = [_package(requirement) for requirement in metadata.requires("rtseg") or [] if _belongs(requirement, extra)]
    missing = [package for package in wanted if not installed_version(package)]
    remedy = f"pip install 'rtseg[{extra}]' adds what is missing: {', '.join(missing)}"
    return Finding("extra", extra, not missing, remedy if missing else ", ".join(wanted))


def _belongs(requirement: str, extra: str) -> bool:
    marker = requirement.partition(";")[2].replace('"', "'")
    return f"extra == '{extra}'" in marker and "python_version" not in marker


def _package(requirement: str) -> str:
    """Return the package name of a requirement, without extras, version and markers."""
    return requirement.replace("[", " ").replace("<", " ").replace(">", " ").replace("=", " ").replace(";", " ").split()[0]


def _plugin(plugin: Plugin) -> Finding:
    """Report whether a plug-in can be loaded and used by its name."""
    kind = plugin.group.removeprefix("rtseg.").removesuffix("s")
    name, twins = f"{kind} {plugin.name}", [one for one in plugins(plugin.group) if one.name == plugin.name]
    if plugin.name in _own_names(plugin.group):
        return Finding("plug-in", name, False, f"{plugin.package}: rtseg has a {kind} of this name, which is used instead")
    if len(twins) > 1:
        return Finding("plug-in", name, False, f"{plugin.package}: another package has one of this name: uninstall all but one")
    try:
        plugin.load()
    except RtsegError as error:
        return Finding("plug-in", name, False, str(error))
    return Finding("plug-in", name, True, plugin.package)


def _own_names(group: str) -> Collection[str]:
    return {
        "rtseg.sources": BUILT_IN_SCHEMES,
        "rtseg.engines": BUILT_IN_ENGINES,
        "rtseg.models": shipped_models(),
        "rtseg.measures": QUANTITIES,
    }.get(group, ())
