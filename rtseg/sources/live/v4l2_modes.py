"""Lists the modes of a V4L2 device: formats, sizes and rates.

Source: Linux, Documentation/userspace-api/media/v4l (VIDIOC_ENUM_FMT, VIDIOC_ENUM_FRAMESIZES, VIDIOC_ENUM_FRAMEINTERVALS).
"""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from rtseg.sources.live.capture_mode import CaptureMode
from rtseg.sources.pixels.pixel_formats import FOURCC

_CAPTURE = 1  # buffers of video capture
_DISCRETE = 1
_FORMAT, _SIZE, _RATE = struct.Struct("=3I32s5I"), struct.Struct("=3I6I2I"), struct.Struct("=5I6I2I")
_MAX, _MAX_MODES = 64, 512  # of each, and of all: a driver that lists endlessly is no reason to hang

_Ioctl = Callable[[int, int, bytearray], object]


def list_modes(path: str, ioctl: _Ioctl | None = None) -> list[CaptureMode]:
    """Return the modes that a device's driver lists; none where it cannot be asked.

    A format that rtseg does not read stands with its four letters. Of sizes and rates in steps the largest are returned.
    """
    call = ioctl or _linux_ioctl()
    if call is None:
        return []
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return []
    try:
        modes = (mode for code in _formats(call, descriptor) for mode in _modes(call, descriptor, code))
        return list(islice(modes, _MAX_MODES))
    finally:
        os.close(descriptor)


def _linux_ioctl() -> _Ioctl | None:
    try:
        from fcntl import ioctl
    except ImportError:  # Windows
        return None
    return lambda descriptor, request, data: ioctl(descriptor, request, data, True)


def _formats(call: _Ioctl, descriptor: int) -> Iterator[int]:
    for index in range(_MAX):
        answer = _ask(call, descriptor, 2, _FORMAT, (index, _CAPTURE, 0, b"", 0, 0, 0, 0, 0))
        if answer is None:
            return
        yield answer[4]


def _modes(call: _Ioctl, descriptor: int, code: int) -> Iterator[CaptureMode]:
    letters = struct.pack("<I", code).decode("latin-1")
    form = next((name for name, known in FOURCC.items() if known == letters), letters.strip())
    for index in range(_MAX):
        answer = _ask(call, descriptor, 74, _SIZE, (index, code, *[0] * 9))
        if answer is None:
            return
        width, height = (answer[3], answer[4]) if answer[2] == _DISCRETE else (answer[4], answer[7])
        for rate in _rates(call, descriptor, code, (width, height)):
            yield CaptureMode(form, height, width, rate)
        if answer[2] != _DISCRETE:
            return


def _rates(call: _Ioctl, descriptor: int, code: int, size: tuple[int, int]) -> Iterator[float]:
    for index in range(_MAX):
        answer = _ask(call, descriptor, 75, _RATE, (index, code, *size, *[0] * 9))
        if answer is None:
            return
        numerator, denominator = answer[5], answer[6]
        yield denominator / numerator if numerator else 0.0
        if answer[4] != _DISCRETE:
            return


def _ask(
    call: _Ioctl, descriptor: int, number: int, layout: struct.Struct, values: tuple[object, ...]
) -> tuple[Any, ...] | None:
    """Return the driver's answer, None at the end of a list."""
    data = bytearray(layout.pack(*values))
    with suppress(OSError):
        call(descriptor, 3 << 30 | layout.size << 16 | ord("V") << 8 | number, data)
        return layout.unpack(data)
    return None
