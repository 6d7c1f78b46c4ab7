"""What a Jetson says of itself: the board, L4T and JetPack, the power mode, the clocks.

Read from files alone, which every user may read; a file that is absent or strange is "unknown". Power and temperatures are
the benchmark's.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
_MODE = re.compile(r"pmode:(\d+)")
_NAMED = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>")

_JETPACKS = {  # by L4T, as NVIDIA's archive of JetPack releases lists them
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
_GPUS = ("gpu", "ga10b", "gv11b")  # parts of the GPU's name among the devices with a clock
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock's range and where it is now, in hertz."""

    now: int
    least: int
    most: int

    @property
    def is_held(self) -> bool:
        """Whether it cannot fall, as after `jetson_clocks`."""
        return self.least == self.most

    def __str__(self) -> str:
        held = (
            "held at its most"
            if self.is_held and self.now == self.most
            else f"of {self.least / 1e6:.0f} to {self.most / 1e6:.0f}"
        )
        return f"{self.now / 1e6:.0f} MHz, {held}"


@dataclass(frozen=True, slots=True)
class Jetson:
    """One board. gpu, cpu: None where their clocks cannot be read."""

    board: str
    l4t: str
    jetpack: str
    power_mode: str
    gpu: Clock | None
    cpu: Clock | None

    @property
    def advice(self) -> str:
        """What to do before anything is measured, or nothing."""
        held = self.gpu is not None and self.gpu.is_held
        return "" if held else "its clocks move: sudo nvpmodel -m 0 and sudo jetson_clocks before you measure"


def read_jetson(root: Path = Path("/")) -> Jetson | None:
    """The Jetson that this is, None on any other machine. root: of its file system."""
    release = _RELEASE.search(_text(root / "etc/nv_tegra_release"))
    board = _text(root / "proc/device-tree/model").strip("\0\n ")
    if not release and "Jetson" not in board:
        return None
    l4t = f"{release[1]}.{release[2]}" if release else UNKNOWN
    jetpack = _JETPACKS.get(l4t, UNKNOWN)
    cpu = _clock(root / "sys/devices/system/cpu/cpu0/cpufreq", "scaling_", 1000)
    return Jetson(board or UNKNOWN, l4t, jetpack, _power_mode(root), _gpu_clock(root), cpu)


def _power_mode(root: Path) -> str:
    """The mode's name, as in MAXN, or its number where nobody names it."""
    mode = _MODE.search(_text(root / "var/lib/nvpmodel/status"))
    if not mode:
        return UNKNOWN
    names: dict[int, str] = {int(number): name for number, name in _NAMED.findall(_text(root / "etc/nvpmodel.conf"))}
    return names.get(int(mode[1]), f"mode {int(mode[1])}")


def _gpu_clock(root: Path) -> Clock | None:
    folder = root / "sys/class/devfreq"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [name for name in names if any(part in name for part in _GPUS)]
    return _clock(folder / found[0], "", 1) if found else None


def _clock(folder: Path, prefix: str, unit: int) -> Clock | None:
    """A clock of devfreq (hertz) or cpufreq (kilohertz)."""
    values = [_text(folder / f"{prefix}{name}_freq").strip() for name in ("cur", "min", "max")]
    return Clock(*(unit * int(value) for value in values)) if all(value.isdigit() for value in values) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
