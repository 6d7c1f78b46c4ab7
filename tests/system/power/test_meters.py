"""Test RAPL, the kernel's sensors and NVML on fake file trees and a fake library, and the sampling of meters."""

from types import SimpleNamespace

import pytest

from rtseg.errors import MeterAbsent
from rtseg.system.power import PowerSampler, Reading, find_meters
from rtseg.system.power.nvml import NvmlMeter
from rtseg.system.power.rapl import RaplMeter
from rtseg.system.power.sensors import HwmonMeter, ThermalMeter
from rtseg.system.power.watch import MeterSeries

S = 1_000_000_000


def tree(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


def test_rapl_adds_its_packages_and_survives_their_wrap(tmp_path):
    files = {
        f"intel-rapl:{n}/{name}": value for n in (0, 1) for name, value in [("energy_uj", 900), ("max_energy_range_uj", 1000)]
    }
    meter = RaplMeter(tree(tmp_path, files | {"intel-rapl:0:0/energy_uj": 5}))
    tree(tmp_path, {"intel-rapl:0/energy_uj": 950, "intel-rapl:1/energy_uj": 100, "intel-rapl:0:0/energy_uj": 900})
    assert meter.read().joules == pytest.approx((50 + 200) / 1e6)
    tree(tmp_path, {"intel-rapl:0/energy_uj": 960})
    assert meter.read().joules == pytest.approx((60 + 200) / 1e6)


def test_rapl_that_is_not_there_or_not_ours(tmp_path):
    with pytest.raises(MeterAbsent, match="no intel-rapl zone"):
        RaplMeter(tmp_path)
    with pytest.raises(MeterAbsent, match="run as root"):
        RaplMeter(tree(tmp_path, {"intel-rapl:0/max_energy_range_uj": 1000}))


def test_the_monitors_of_an_orin_and_of_a_thor(tmp_path):
    orin = {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": 5000, "curr1_input": 900, "in2_label": "NC", "in2_input": 1}
    thor = {"name": "ina238", "power1_input": 15_004_000}
    meter = HwmonMeter(tree(tmp_path / "orin", {f"class/hwmon/hwmon1/{name}": value for name, value in orin.items()}))
    assert meter.read().rails_w == {"VDD_IN": 4.5}
    assert meter.read().watts == 4.5
    meter = HwmonMeter(tree(tmp_path / "thor", {f"class/hwmon/hwmon4/{name}": value for name, value in thor.items()}))
    assert meter.read().watts == pytest.approx(15.004)
    with pytest.raises(MeterAbsent, match="no INA power monitor"):
        HwmonMeter(tree(tmp_path / "pc", {"class/hwmon/hwmon0/name": "coretemp"}))


def test_temperatures_and_throttling(tmp_path):
    zones = {"cpu-thermal": 48500, "gpu-thermal": -256000, "tj-thermal": 51000}
    files = {
        f"class/thermal/thermal_zone{i}/{name}": text
        for i, zone in enumerate(zones.items())
        for name, text in zip(("type", "temp"), zone, strict=True)
    }
    count = "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    meter = ThermalMeter(tree(tmp_path, files | {count: 7}))
    assert meter.read() == Reading(celsius={"cpu-thermal": 48.5, "tj-thermal": 51.0})
    tree(tmp_path, {count: 9})
    assert meter.read().throttled == ("processor, thermal",)
    assert meter.read().throttled == ()
    with pytest.raises(MeterAbsent, match="is empty"):
        ThermalMeter(tmp_path / "nothing")


class FakeNvml:
    """Replaces the functions of pynvml that rtseg calls; counts: whether the GPU has an energy counter."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self, counts=True):
        self.counts, self.millijoules, self.open = counts, 5000, 0

    def nvmlInit(self):  # noqa: N802
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index:
            raise self.NVMLError("not found")
        return "gpu"

    def nvmlDeviceGetName(self, gpu):  # noqa: N802
        return b"A GPU"

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):  # noqa: N802
        if not self.counts:
            raise self.NVMLError("not supported")
        return self.millijoules

    def nvmlDeviceGetPowerUsage(self, gpu):  # noqa: N802
        return 71_500

    def nvmlDeviceGetTemperature(self, gpu, sensor):  # noqa: N802
        return 64

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, gpu):  # noqa: N802
        return 0x1 | 0x4 | 0x40  # 0x1, idle, does not count as throttling

    def nvmlDeviceGetMemoryInfo(self, gpu):  # noqa: N802
        return SimpleNamespace(used=2_000_000_000)


def test_a_gpu():
    driver = FakeNvml()
    meter = NvmlMeter(library=driver)
    driver.millijoules += 2500
    assert meter.name == "NVML, A GPU"
    assert meter.read() == Reading(71.5, 2.5, {"GPU": 64.0}, ("software power cap", "hardware thermal slowdown"), {}, 2000.0)
    meter.close()
    meter.close()
    assert driver.open == 0


def test_an_older_gpu_counts_no_energy():
    assert NvmlMeter(library=FakeNvml(counts=False)).read().joules is None


def test_a_gpu_that_is_not_there_lets_the_driver_go():
    driver = FakeNvml()
    with pytest.raises(MeterAbsent, match="no GPU 1"):
        NvmlMeter(1, driver)
    assert driver.open == 0


class ScriptedMeter:
    """Returns the given readings one by one, and raises those that are exceptions."""

    name = "told"

    def __init__(self, readings):
        self.readings = iter(readings)

    def read(self):
        reading = next(self.readings)
        if isinstance(reading, Exception):
            raise reading
        return reading

    def close(self):
        pass


def series(*readings):
    found = MeterSeries(ScriptedMeter(readings))
    for second, _ in enumerate(readings):
        found.read(found._began_ns + second * 10 * S)
    return found.to_json(frames=100)


def test_watts_become_energy_and_energy_a_frame():
    told = series(Reading(10.0, celsius={"tj": 40.0}), Reading(20.0, celsius={"tj": 60.0}), Reading(20.0, celsius={"tj": 55.0}))
    assert told["joules"] == 10 * 15 + 10 * 20
    assert told["millijoules_a_frame"] == 3500
    assert told["mean_watts"] == 17.5
    assert told["celsius"] == {"tj": {"begin": 40.0, "end": 55.0, "most": 60.0}}


def test_a_counter_counts_better_than_we_do():
    told = series(Reading(10.0, joules=7.0), Reading(99.0, joules=57.0, throttled=("hot",)))
    assert (told["joules"], told["throttled_readings"]) == (50.0, {"hot": 1})


def test_a_meter_that_fails_leaves_what_it_told():
    told = series(Reading(10.0), Reading(10.0), MeterAbsent("gone"))
    assert (told["readings"], told["joules"]) == (2, 100.0)


def test_no_power_is_none_and_not_nought():
    told = series(Reading(celsius={"cpu": 40.0}), Reading(celsius={"cpu": 41.0}))
    assert (told["joules"], told["mean_watts"], told["most_watts"]) == (None, None, None)


def test_the_watch_reads_at_the_begin_and_at_the_end_and_leaves_no_thread():
    class ConstantMeter(ScriptedMeter):
        def __init__(self):
            self.count = 0

        def read(self):
            self.count += 1
            return Reading(5.0)

    meter = ConstantMeter()
    with PowerSampler([meter], interval_s=3600) as watch:
        pass
    assert meter.count == 2
    assert watch.to_json(1)["told"]["readings"] == 2
    assert not watch._thread.is_alive()


def test_every_meter_is_found_or_said_to_be_absent():
    meters, absent = find_meters()
    kinds = {meter.name.split(",")[0] for meter in meters}
    for meter in meters:
        meter.close()
    assert kinds | set(absent) == {"RAPL", "NVML", "tegrastats", "hwmon power monitors", "thermal zones"}
    assert all(absent.values())
