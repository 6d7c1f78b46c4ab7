"""How fast the USB port is at which a grabber hangs."""

from contextlib import suppress
from pathlib import Path


def usb_speed(device: str, root: Path = Path("/sys")) -> float | None:
    """Megabits a second of the port of a V4L2 device, as in /dev/video0; None where it is not at one, or is not known.

    Source: Linux's sysfs, Documentation/ABI/testing/sysfs-bus-usb.
    """
    place = (root / "class/video4linux" / Path(device).resolve().name).resolve()
    for folder in (place, *place.parents):
        with suppress(OSError, ValueError):
            return float((folder / "speed").read_text())
    return None
