"""Test the facts about a Jetson on file trees made from NVIDIA's documentation; none was recorded on a device."""

from pathlib import Path

import pytest

from rtseg.doctor import environment
from rtseg.system import jetson
from rtseg.system.jetson import ClockFrequency, Jetson, read_jetson

MODES = "< POWER_MODEL ID=0 NAME={} >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME={} >\n< POWER_MODEL ID=2 NAME={} >\n"

BOARDS = {
    "Orin Nano": {
        "model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        "release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64",
        "modes": MODES.format("15W", "25W", "MAXN_SUPER"),
        "mode": 2,
        "gpu": ("17000000.gpu", 306000000, 306000000, 1020000000),
        "cpu": (729600, 729600, 1728000),
    },
    "Orin NX": {
        "model": "NVIDIA Jetson Orin NX Engineering Reference Developer Kit",
        "release": "# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64",
        "modes": MODES.format("MAXN", "10W", "15W"),
        "mode": 0,
        "gpu": ("17000000.gpu", 918000000, 918000000, 918000000),
        "cpu": (1984000, 1984000, 1984000),
    },
    "AGX Orin": {
        "model": "Jetson AGX Orin Developer Kit",
        "release": "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: generic, EABI: aarch64",
        "modes": MODES.format("MAXN", "MODE_15W", "MODE_30W"),
        "mode": 0,
        "gpu": ("17000000.ga10b", 1300500000, 306000000, 1300500000),
        "cpu": (2201600, 729600, 2201600),
    },
    "AGX Thor": {
        "model": "NVIDIA Jetson AGX Thor Developer Kit",
        "release": "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64",
        "modes": MODES.format("MAXN", "120W", "90W"),
        "mode": 1,
        "gpu": ("gpu-gpc-0", 1386000000, 315000000, 1575000000),
        "cpu": (2601000, 972000, 2601000),
    },
}

EXPECTED = {
    "Orin Nano": ("36.4.3", "6.2", "MAXN_SUPER", ClockFrequency(306000000, 306000000, 1020000000)),
    "Orin NX": ("36.4.0", "6.1", "MAXN", ClockFrequency(918000000, 918000000, 918000000)),
    "AGX Orin": ("35.4.1", "5.1.2", "MAXN", ClockFrequency(1300500000, 306000000, 1300500000)),
    "AGX Thor": ("38.2.0", "7.0", "120W", ClockFrequency(1386000000, 315000000, 1575000000)),
}


def put(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{content}\n")


def tree(root: Path, name: str) -> Path:
    board = BOARDS[name]
    put(root / "proc/device-tree/model", f"{board['model']}\0")
    put(root / "etc/nv_tegra_release", board["release"])
    put(root / "etc/nvpmodel.conf", board["modes"])
    put(root / "var/lib/nvpmodel/status", f"fmode:cool\npmode:{board['mode']:04d}")
    device, *gpu = board["gpu"]
    for other in ("bwmgr", device):
        for value, file in zip(gpu, ("cur", "min", "max"), strict=True):
            put(root / "sys/class/devfreq" / other / f"{file}_freq", value)
    for value, file in zip(board["cpu"], ("cur", "min", "max"), strict=True):
        put(root / "sys/devices/system/cpu/cpu0/cpufreq" / f"scaling_{file}_freq", value)
    return root


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_read(name: str, tmp_path: Path) -> None:
    l4t, jetpack, mode, gpu = EXPECTED[name]
    now, least, most = BOARDS[name]["cpu"]
    cpu = ClockFrequency(1000 * now, 1000 * least, 1000 * most)
    assert read_jetson(tree(tmp_path, name)) == Jetson(BOARDS[name]["model"], l4t, jetpack, mode, gpu, cpu)


def test_clocks_that_move_are_told(tmp_path: Path) -> None:
    moving, held = (read_jetson(tree(tmp_path / name, name)) for name in ("AGX Orin", "Orin NX"))
    assert moving is not None
    assert held is not None
    assert "sudo jetson_clocks before you measure" in moving.advice
    assert held.advice == ""
    assert (str(moving.gpu), str(held.gpu)) == ("1300 MHz, of 306 to 1300", "918 MHz, held at its most")


def test_another_machine_is_none(tmp_path: Path) -> None:
    assert read_jetson(tmp_path) is None
    put(tmp_path / "proc/device-tree/model", "Raspberry Pi 5 Model B")
    assert read_jetson(tmp_path) is None


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    put(tmp_path / "proc/device-tree/model", "NVIDIA Jetson Something New\0")
    put(tmp_path / "var/lib/nvpmodel/status", "nonsense")
    put(tmp_path / "sys/class/devfreq/17000000.gpu/cur_freq", "fast")
    assert read_jetson(tmp_path) == Jetson("NVIDIA Jetson Something New", "unknown", "unknown", "unknown", None, None)


def test_a_mode_without_a_name_is_its_number(tmp_path: Path) -> None:
    tree(tmp_path, "Orin NX")
    put(tmp_path / "etc/nvpmodel.conf", "")
    found = read_jetson(tmp_path)
    assert found is not None
    assert found.power_mode == "mode 0"


def test_the_doctor_tells_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = read_jetson(tree(tmp_path, "Orin Nano"))
    monkeypatch.setattr(environment, "read_jetson", lambda: board)
    lines = {finding.name: finding.detail for finding in environment.examine_environment() if finding.group == "machine"}
    assert lines["jetson"].startswith("NVIDIA Jetson Orin Nano")
    assert "JetPack 6.2, L4T 36.4.3, MAXN_SUPER, GPU 306 MHz, of 306 to 1020" in lines["jetson"]
    assert "sudo jetson_clocks" in lines["jetson"]
    monkeypatch.setattr(environment, "read_jetson", jetson.read_jetson)
