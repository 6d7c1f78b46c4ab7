"""Read the facts about a Jetson: the board, L4T and JetPack, the power mode, the clocks.

All are read from files that every user may read; a missing or malformed file gives "unknown". For power and temperatures, see
`rtseg.system.power`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
_MODE = re.compile(r"pmode:(\d+)")
_NAMED = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>")

_JETPACK_BY_L4T = {  # by L4T, as NVIDIA's archive of JetPack releases lists them
    "35.3.1": "5.1.1",
    "35.4.1": "5.1.2",
    "35.5.0": "5.1.3",
    "35.6.0": "5.1.4",
    "36.2": "6.0 DP",
    "36.3.0": "6.0",
    "36.4.0": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "38.2.0": "7.0",
}
_GPU_NAMES = ("gpu", "ga10b", "gv11b")  # substrings of the GPU's devfreq name
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ClockFrequency:
    """Holds a clock's current frequency and its range."""

    current_hz: int  # hertz
    min_hz: int  # hertz
    max_hz: int  # hertz

    @property
    def is_locked(self) -> bool:
        """Return True when the frequency is fixed, as after `jetson_clocks`."""
        return self.min_hz == self.max_hz

    def __str__(self) -> str:
        held = (
            "held at its most"
            if self.is_locked and self.current_hz == self.max_hz
            else f"of {self.min_hz / 1e6:.0f} to {self.max_hz / 1e6:.0f}"
        )
        return f"{self.current_hz / 1e6:.0f} MHz, {held}"


@dataclass(frozen=True, slots=True)
class Jetson:
    """Holds the facts about one board."""

    board: str  # model name from the device tree
    l4t: str  # Linux for Tegra release, such as "36.4.3"
    jetpack: str  # JetPack release, such as "6.2"
    power_mode: str  # nvpmodel's name of it, such as "MAXN"
    gpu: ClockFrequency | None  # None when it cannot be read
    cpu: ClockFrequency | None  # None when it cannot be read

    @property
    def advice(self) -> str:
        """Return the step to take before a measurement, or ""."""
        held = self.gpu is not None and self.gpu.is_locked
        return "" if held else "its clocks move: sudo nvpmodel -m 0 and sudo jetson_clocks before you measure"


def read_jetson(root: Path = Path("/")) -> Jetson | None:
    """Return the facts about this Jetson, None on any other machine. root: of the file system."""
    release = _RELEASE.search(_text(root / "etc/nv_tegra_release"))
    board = _text(root / "proc/device-tree/model").strip("\0\n ")
    if not release and "Jetson" not in board:
        return None
    l4t = f"{release[1]}.{release[2]}" if release else UNKNOWN
    jetpack = _JETPACK_BY_L4T.get(l4t, UNKNOWN)
    cpu = _clock(root / "sys/devices/system/cpu/cpu0/cpufreq", "scaling_", 1000)
    return Jetson(board or UNKNOWN, l4t, jetpack, _power_mode(root), _gpu_clock(root), cpu)


def _power_mode(root: Path) -> str:
    """Return the power mode's name, such as MAXN, or its number when nvpmodel.conf does not name it."""
    mode = _MODE.search(_text(root / "var/lib/nvpmodel/status"))
    if not mode:
        return UNKNOWN
    names: dict[int, str] = {int(number): name for number, name in _NAMED.findall(_text(root / "etc/nvpmodel.conf"))}
    return names.get(int(mode[1]), f"mode {int(mode[1])}")


def _gpu_clock(root: Path) -> ClockFrequency | None:
    folder = root / "sys/class/devfreq"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [name for name in names if any(part in name for part in _GPU_NAMES)]
    return _clock(folder / found[0], "", 1) if found else None


def _clock(folder: Path, prefix: str, unit: int) -> ClockFrequency | None:
    """Read a clock of devfreq (unit 1: hertz) or cpufreq (unit 1000: kilohertz); None when it cannot be read."""
    values = [_text(folder / f"{prefix}{name}_freq").strip() for name in ("cur", "min", "max")]
    return ClockFrequency(*(unit * int(value) for value in values)) if all(value.isdigit() for value in values) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
