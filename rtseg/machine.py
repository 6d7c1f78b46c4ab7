"""What a figure was measured on: processor, versions, memory in use."""

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("rtseg", "numpy", "numba", "av", "opencv-python-headless", "openvino", "onnxruntime")


def processor() -> str:
    """The processor's name, as Linux tells it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, object]:
    """The machine and the versions, for a report's head."""
    versions = {package: version for package in PACKAGES if (version := installed(package))}
    system = f"{platform.system()} {platform.release()}"
    return {
        "processor": processor(),
        "cores": cores(),
        "system": system,
        "python": platform.python_version(),
        "versions": versions,
    }


def installed(package: str) -> str | None:
    """A package's version, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def memory_mb() -> float | None:
    """The memory that this process holds now, in megabytes; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
