"""Describe the machine of a measurement: processor, device, clocks, versions, memory. Unknown values are None."""

import json
import os
import platform
import re
import subprocess
from collections import Counter
from importlib import metadata
from pathlib import Path

PACKAGES = ("rtseg", "numpy", "numba", "av", "opencv-python-headless", "openvino", "onnxruntime", "tensorrt", "pycuda", "torch")

_ROOT = Path("/")
_CPUS = "sys/devices/system/cpu"
_CHECKOUT = Path(__file__).resolve().parents[2]
_COMMAND_TIMEOUT_S = 10.0  # time limit of an external command


def describe_machine() -> dict[str, object]:
    """Return the machine and the versions of the packages, for a report's header."""
    versions = {package: version for package in PACKAGES if (version := installed_version(package))}
    return {
        "device": device_name(),
        "sku": sku_number(),
        "processor": processor_name(),
        "cores": available_cores(),
        "governors": governors(),
        "clocks_mhz": clocks_mhz(),
        "power_mode": power_mode(),
        "driver": nvidia_driver_version(),
        "cuda": cuda_version(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": versions,
        "commit": git_commit(),
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def processor_name(root: Path = _ROOT) -> str:
    """Return the processor's name from Linux's /proc/cpuinfo, or else from `platform`."""
    lines = (read_system_text(root / "proc/cpuinfo") or "").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_name(root: Path = _ROOT) -> str | None:
    """Return the device's name: a board's from its device tree (Jetson), a PC's from its firmware (DMI)."""
    return read_system_text(root / "proc/device-tree/model") or read_system_text(root / "sys/class/dmi/id/product_name")


def sku_number(root: Path = _ROOT) -> str | None:
    """Return the module's number, such as p3767-0005 (Jetson Orin Nano 8 GB), or the PC's SKU."""
    compatible = read_system_text(root / "proc/device-tree/compatible") or ""
    modules = re.findall(r"p\d{4}-\d{4}", compatible)
    return modules[-1] if modules else read_system_text(root / "sys/class/dmi/id/product_sku")


def governors(root: Path = _ROOT) -> dict[str, int] | None:
    """Return the number of cores under each frequency governor."""
    found = [read_system_text(path) for path in sorted((root / _CPUS).glob("cpu[0-9]*/cpufreq/scaling_governor"))]
    return dict(Counter(name for name in found if name)) or None


def clocks_mhz(root: Path = _ROOT) -> dict[str, float] | None:
    """Return the cores' clocks in MHz: the slowest and the fastest now, and the highest allowed."""
    now, most = (_numbers(root, f"cpu[0-9]*/cpufreq/{name}") for name in ("scaling_cur_freq", "scaling_max_freq"))
    if now and most:
        return {"slowest": min(now) / 1e3, "fastest": max(now) / 1e3, "allowed": max(most) / 1e3}
    told = [float(mhz) for mhz in re.findall(r"cpu MHz\s*:\s*([\d.]+)", read_system_text(root / "proc/cpuinfo") or "")]
    return {"slowest": min(told), "fastest": max(told)} if told else None


def power_mode() -> str | None:
    """Return a Jetson's power mode, such as MAXN, from `nvpmodel -q`."""
    found = re.search(r"NV Power Mode:\s*(\S+)", _command_output("nvpmodel", "-q") or "")
    return found[1] if found else None


def nvidia_driver_version(root: Path = _ROOT) -> str | None:
    """Return the NVIDIA driver's version, or a Jetson's L4T release."""
    told = read_system_text(root / "proc/driver/nvidia/version") or ""
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+[\d.]*)", told)
    return found[1] if found else _l4t(root)


def cuda_version(root: Path = _ROOT) -> str | None:
    """Return the version of the CUDA toolkit in /usr/local/cuda."""
    try:
        told = json.loads(read_system_text(root / "usr/local/cuda/version.json") or "{}")
    except ValueError:
        return None
    version = told.get("cuda", {}).get("version")
    return str(version) if version else None


def git_commit() -> str | None:
    """Return the checkout's git commit, with "+" when files differ from it; None for an installed package."""
    if not (_CHECKOUT / ".git").exists():
        return None
    number = _command_output("git", "-C", str(_CHECKOUT), "rev-parse", "--short=12", "HEAD")
    changed = _command_output("git", "-C", str(_CHECKOUT), "status", "--porcelain", "--untracked-files=no")
    return f"{number}+" if number and changed else number


def installed_version(package: str) -> str | None:
    """Return a package's version, None when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def memory_mb() -> float | None:
    """Return the resident memory of this process in megabytes (1e6 bytes); None when the system does not report it."""
    told = read_system_text(_ROOT / "proc/self/statm")
    return int(told.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if told else None


def thread_count() -> int | None:
    """Return the number of threads of this process, native ones included; None when the system does not report it."""
    found = re.search(r"Threads:\s*(\d+)", read_system_text(_ROOT / "proc/self/status") or "")
    return int(found[1]) if found else None


def read_system_text(path: Path) -> str | None:
    """Return the text of a system file, without the NULs of device trees; None when it is missing, empty or unreadable."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").replace("\0", " ").strip() or None
    except OSError:
        return None


def _numbers(root: Path, pattern: str) -> list[int]:
    return [int(text) for path in (root / _CPUS).glob(pattern) if (text := read_system_text(path)) and text.isdigit()]


def _l4t(root: Path) -> str | None:
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", read_system_text(root / "etc/nv_tegra_release") or "")
    return f"L4T {found[1]}.{found[2]}" if found else None


def _command_output(*command: str) -> str | None:
    """Return a command's output; None when it is missing, fails, prints nothing or exceeds the time limit."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
