"""Encodes and decodes the content of a TRANSFORM message: twelve floats, column by column."""

import struct

import numpy as np

from rtseg.errors import MessageError
from rtseg.frame import Matrix
from rtseg.igtl.message import Content

_LAYOUT = struct.Struct(">12f")


def read_transform(content: Content) -> Matrix:
    """Return the matrix, 4 x 4. Raises MessageError."""
    if len(content) != _LAYOUT.size:
        raise MessageError(f"a TRANSFORM has {len(content)} bytes instead of {_LAYOUT.size}")
    values = np.array(_LAYOUT.unpack(content))
    if not np.isfinite(values).all():
        raise MessageError("a TRANSFORM holds what is no number")
    rows = [*values.reshape(4, 3).T.tolist(), [0.0, 0.0, 0.0, 1.0]]
    return tuple(tuple(row) for row in rows)


def write_transform(matrix: Matrix) -> bytes:
    """Return the content of a message with `matrix`."""
    return _LAYOUT.pack(*(matrix[row][column] for column in range(4) for row in range(3)))
