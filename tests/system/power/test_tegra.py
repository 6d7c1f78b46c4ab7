"""Test tegrastats on published lines of real Jetsons, and on a stand-in process."""

import sys

import pytest

from rtseg.errors import MeterAbsent
from rtseg.system.power.tegra import TegrastatsMeter, parse_line

ORIN_NANO = (  # 8 GB, JetPack 6; from the tests of github.com/henrygd/beszel
    "11-15-2024 08:38:09 RAM 6185/7620MB (lfb 8x2MB) SWAP 851/3810MB (cached 1MB) CPU [15%@729,11%@729,14%@729,13%@729,11%@729,"
    "8%@729] EMC_FREQ 43%@2133 GR3D_FREQ 63%@[621] NVDEC off NVJPG off NVJPG1 off VIC off OFA off APE 200 cpu@53.968C "
    "soc2@52.437C soc0@50.75C gpu@53.343C tj@53.968C soc1@51.656C VDD_IN 12479mW/12479mW VDD_CPU_GPU_CV 4667mW/4667mW "
    "VDD_SOC 2817mW/2817mW"
)
ORIN_NX = (  # 16 GB, JetPack 6
    "08-20-2026 20:27:02 RAM 9982/15656MB (lfb 55x4MB) SWAP 6301/16020MB (cached 45MB) CPU [8%@729,8%@729] GR3D_FREQ 0% "
    "cv0@51.812C cpu@55.906C gpu@54.437C tj@55.906C VDD_IN 7716mW/7716mW VDD_CPU_GPU_CV 908mW/908mW"
)
AGX_ORIN_5 = (  # JetPack 5, the GPU and the CV cluster are off
    "04-24-2023 00:01:24 RAM 1282/62795MB (lfb 15152x4MB) SWAP 0/31398MB (cached 0MB) CPU [0%@729,0%@729] EMC_FREQ 0%@2133 "
    "GR3D_FREQ 0%@0 GR3D2_FREQ 0%@0 VIC_FREQ 729 APE 174 CV0@-256C CPU@42.593C Tboard@32C SOC2@39.343C Tdiode@33.25C "
    "SOC0@39.375C CV1@-256C GPU@-256C tj@42.593C SOC1@40.468C CV2@-256C VDD_GPU_SOC 2399mW/2399mW VDD_CPU_CV 400mW/400mW "
    "VIN_SYS_5V0 4032mW/4032mW NC 0mW/0mW VDDQ_VDD2_1V8AO 301mW/301mW NC 0mW/0mW"
)
AGX_ORIN_7 = (  # JetPack 7.2: three values per rail, two per sensor
    "07-31-2026 14:58:05 RAM 4714/62878MB (lfb 7x4MB) SWAP 0/2048MB (cached 0MB) CPU [78%@1728,33%@1728,off,off] "
    "EMC_FREQ 2%@2133 GR3D_FREQ 0%@[0,0] NVENC0 off NVDEC0 off VIC off APE 174 cpu@50.718C/50.718C soc2@47.656C/47.656C "
    "soc0@47.156C/47.156C tj@50.718C/50.718C soc1@49C/49C VDD_GPU_SOC 2265mW/2265mW/2265mW VDD_CPU_CV 2643mW/2643mW/2643mW "
    "VIN_SYS_5V0 4722mW/4722mW/4722mW"
)
THOR_38 = (  # JetPack 7.0: an idle GPU reads below zero; with the board's input rail
    "05-14-2026 21:36:35 RAM 26063/125772MB (lfb 35x4MB) CPU [2%@972] VDD_GPU -392mW/-392mW VDD_CPU_SOC_MSS 3924mW/3835mW "
    "VIN_SYS_5V0 5064mW/5055mW VIN 15004mW/15096mW"
)
THOR_39 = (  # JetPack 7.2
    "07-23-2026 15:29:27 RAM 9091/125811MB (lfb 19x4MB) SWAP 0/2048MB (cached 0MB) CPU [40%@972,16%@972,18%@972] "
    "EMC_FREQ 7%@3200 GR3D_FREQ @[314,314,314] NVENC0_FREQ @1556 NVDEC0_FREQ @1556 VIC 59%@423 OFA_FREQ @1556 PVA0_FREQ off "
    "APE 300 cpu@34.312C/34.843C tj@35.906C/35.906C soc012@34.093C/34.437C gpu@35.906C/35.906C soc345@34.437C/34.437C "
    "VDD_GPU 4925mW/4925mW/4925mW VDD_CPU_SOC_MSS 7953mW/8332mW/8710mW VIN_SYS_5V0 6667mW/6717mW/6767mW"
)


@pytest.mark.parametrize(
    ("line", "watts", "hottest"),
    [
        (ORIN_NANO, 12.479, 53.968),
        (ORIN_NX, 7.716, 55.906),
        (AGX_ORIN_5, 2.399 + 0.4 + 4.032, 42.593),  # not the 1.8 V rail, which VIN_SYS_5V0 feeds
        (AGX_ORIN_7, 2.265 + 2.643 + 4.722, 50.718),
        (THOR_38, 15.004, None),
        (THOR_39, 4.925 + 7.953 + 6.667, 35.906),
    ],
)
def test_what_a_board_draws_and_how_hot_it_is(line, watts, hottest):
    reading = parse_line(line)
    assert reading.watts == pytest.approx(watts)
    assert max(reading.celsius.values(), default=None) == hottest


def test_the_newest_figure_counts_and_not_the_mean():
    assert parse_line(THOR_38).rails_w == {"VDD_GPU": -0.392, "VDD_CPU_SOC_MSS": 3.924, "VIN_SYS_5V0": 5.064, "VIN": 15.004}


def test_a_part_that_is_off_has_no_temperature():
    assert set(parse_line(AGX_ORIN_5).celsius) == {"cpu", "tboard", "soc2", "tdiode", "soc0", "tj", "soc1"}


@pytest.mark.parametrize("line", ["", "RAM 1/2MB", "VDD_NEW 100mW/100mW", "\x00\xff VDD_IN mW", "cpu@C"])
def test_a_line_that_is_new_to_us_gives_no_total(line):
    assert parse_line(line).watts is None


def test_a_process_is_read_line_by_line_and_ended():
    code = f"import time\nprint({ORIN_NANO!r}, flush=True)\nprint({ORIN_NX!r}, flush=True)\ntime.sleep(600)"
    meter = TegrastatsMeter((sys.executable, "-c", code))
    assert meter.read().watts in (12.479, 7.716)
    meter.close()
    meter.close()
    assert meter._process.poll() is not None
    assert not meter._thread.is_alive()


def test_there_is_none():
    with pytest.raises(MeterAbsent, match="there is no no-such-tegrastats"):
        TegrastatsMeter(("no-such-tegrastats",))


def test_one_that_says_nothing():
    with pytest.raises(MeterAbsent, match="says nothing: run it by hand"):
        TegrastatsMeter((sys.executable, "-c", ""))
