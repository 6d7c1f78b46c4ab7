"""Test the facts about a machine on fake file trees; unknown values are None."""

from rtseg.system import machine


def tree(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_jetson(tmp_path):
    root = tree(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0",
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic, EABI: aarch64",
            "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.68"}}',
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "schedutil\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "729600\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1510400\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1510400\n",
        },
    )
    assert machine.device_name(root) == "NVIDIA Jetson Orin Nano Developer Kit"
    assert machine.sku_number(root) == "p3767-0005"
    assert machine.nvidia_driver_version(root) == "L4T 36.4.4"
    assert machine.cuda_version(root) == "12.6.68"
    assert machine.governors(root) == {"schedutil": 2}
    assert machine.clocks_mhz(root) == {"slowest": 729.6, "fastest": 1510.4, "allowed": 1510.4}


def test_a_desktop(tmp_path):
    root = tree(
        tmp_path,
        {
            "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build\n",
            "proc/cpuinfo": "processor: 0\nmodel name\t: A CPU\ncpu MHz\t\t: 2100.5\nprocessor: 1\ncpu MHz\t: 3000.0\n",
            "sys/class/dmi/id/product_name": "A PC\n",
            "sys/class/dmi/id/product_sku": "42\n",
            "usr/local/cuda/version.json": "not JSON",
        },
    )
    assert machine.processor_name(root) == "A CPU"
    assert machine.device_name(root) == "A PC"
    assert machine.sku_number(root) == "42"
    assert machine.nvidia_driver_version(root) == "570.86.10"
    assert machine.clocks_mhz(root) == {"slowest": 2100.5, "fastest": 3000.0}
    assert machine.cuda_version(root) is None


def test_a_machine_that_tells_nothing(tmp_path):
    told = (
        machine.device_name,
        machine.sku_number,
        machine.governors,
        machine.clocks_mhz,
        machine.nvidia_driver_version,
        machine.cuda_version,
    )
    assert [ask(tmp_path) for ask in told] == [None] * 6


def test_a_tool_that_is_absent_or_fails_tells_nothing():
    assert machine._command_output("no-such-tool") is None
    assert machine._command_output("false") is None


def test_this_process():
    described = machine.describe_machine()
    assert described["cores"] >= 1
    assert described["versions"]["rtseg"]
    assert machine.memory_mb() > 10
    assert machine.thread_count() >= 1
