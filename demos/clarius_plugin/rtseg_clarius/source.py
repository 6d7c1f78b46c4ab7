"""A Clarius probe as a source: `clarius:ADDRESS:PORT`, by the callbacks of the Cast API (github.com/clariusdev/cast)."""

import tempfile
import time
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

import rtseg
from rtseg.errors import SourceError

WIDTH, HEIGHT, FPS = 640, 480, 20.0


class ClariusSource(rtseg.PushSource):
    """Pushes the scan-converted pictures of a probe; the size of a pixel comes with each of them. Raises SourceError."""

    def __init__(self, address: str, port: int, fps: float) -> None:
        super().__init__(HEIGHT, WIDTH, fps)
        self._caster = self._make_caster()
        if not self._caster.init(tempfile.gettempdir(), WIDTH, HEIGHT):
            raise SourceError("the Cast API could not be started: is libcast of the same version as pyclariuscast?")
        if not self._caster.connect(address, port, "research"):
            self._caster.destroy()
            raise SourceError(f"no probe at {address}:{port}: look at the address in the Clarius App, and let it image")

    def close(self) -> None:
        """Disconnect from the probe."""
        is_first = self.state is not self.state.ENDED
        super().close()
        if is_first:
            self._caster.disconnect()
            self._caster.destroy()

    def _make_caster(self) -> Any:
        try:
            cast = import_module("pyclariuscast")
        except ImportError as error:
            raise SourceError(f"pyclariuscast cannot be imported ({error}): put the Cast API's files on the path") from error
        callbacks = self._on_image, _ignore, _ignore, _ignore, _ignore, _ignore
        return cast.Caster(*callbacks)  # pictures, raw data, spectra, motion, freeze, buttons

    def _on_image(
        self,
        image: bytes,
        width: int,
        height: int,
        size: int,
        microns_per_pixel: float,
        _timestamp_ns: int,  # of the probe's clock, whose offset is unknown
        _angle: float,
        _imu: Any,
    ) -> None:
        now_ns = time.perf_counter_ns()
        mm = microns_per_pixel / 1000
        spacing_mm = (mm, mm) if mm > 0 else None
        self.push(to_pixels(image, width, height, size), now_ns, spacing_mm=spacing_mm)


def to_pixels(image: bytes, width: int, height: int, size: int) -> npt.NDArray[np.uint8]:
    """Return a picture of the probe as (H, W) gray or (H, W, 3) RGB; it has one or four bytes a pixel. Raises SourceError."""
    if size not in (width * height, 4 * width * height):
        raise SourceError(f"a picture of {width}x{height} pixels has {size} bytes: ask the probe for uncompressed pictures")
    pixels = np.frombuffer(image, np.uint8, size)
    return pixels.reshape(height, width) if size == width * height else pixels.reshape(height, width, 4)[..., :3]


def open_clarius(where: str, *, fps: float | None = None, spacing_mm: tuple[float, float] | None = None) -> ClariusSource:
    """Open `clarius:ADDRESS:PORT`. spacing_mm: unused, since the probe states it. Raises SourceError."""
    del spacing_mm
    address, _, port = where.rpartition(":")
    if not address or not port.isdecimal():
        raise SourceError(f"{where!r} is no probe: give clarius:ADDRESS:PORT, as the Clarius App shows them")
    return ClariusSource(address, int(port), fps or FPS)


def _ignore(*_: Any) -> None:
    """Take no notice of what is not a picture."""
