"""Codes an image with the run lengths of DICOM (PS3.5, annex G), in a loop that lets other threads run."""

import struct

import numpy as np
import numpy.typing as npt

from rtseg.kernels.runtime.cpu import compiled

Bytes = npt.NDArray[np.uint8]

_LONGEST = 128  # bytes of a run
_HEADER = struct.Struct("<16I")  # the number of segments, and the offset of each


class RunLengthCoder:
    """Codes images of one shape, (H, W) or (H, W, 3) uint8; each row of each color is coded for itself, without loss."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape[0], shape[1], shape[2] if len(shape) == 3 else 1
        row = shape[1] + shape[1] // _LONGEST + 2  # bytes at most: a run of two inside a literal would cost more
        self._room = np.empty(self._shape[2] * (row * shape[0] + 1), np.uint8)
        self.code(np.zeros(shape, np.uint8))  # which compiles the loop

    def code(self, image: Bytes) -> bytes:
        """Return the coded image, of an even number of bytes."""
        pixels = np.ascontiguousarray(image).reshape(self._shape)
        offsets, end = [0] * 15, 0
        for color in range(self._shape[2]):
            offsets[color] = _HEADER.size + end
            end = int(_pack(pixels, color, self._room, end))
            if end % 2:
                self._room[end] = 0
                end += 1
        return _HEADER.pack(self._shape[2], *offsets) + self._room[:end].tobytes()


@compiled
def _pack(pixels: Bytes, color: int, out: Bytes, end: int) -> int:
    """Write the runs of one color to out[end:], and return where they end."""
    height, width = pixels.shape[0], pixels.shape[1]
    for y in range(height):
        x = 0
        while x < width:
            first = x
            value = pixels[y, x, color]
            x += 1
            while x < width and x - first < _LONGEST and pixels[y, x, color] == value:
                x += 1
            if x - first > 1:
                out[end] = 257 - (x - first)
                out[end + 1] = value
                end += 2
                continue
            while x < width and x - first < _LONGEST:
                if x + 2 < width:
                    value = pixels[y, x, color]
                    if value == pixels[y, x + 1, color] and value == pixels[y, x + 2, color]:
                        break
                x += 1
            out[end] = x - first - 1
            for i in range(first, x):
                out[end + 1 + i - first] = pixels[y, i, color]
            end += 1 + x - first
    return end
