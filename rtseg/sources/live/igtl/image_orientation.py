"""Turns the image of a message upright where its metadata state how PLUS holds it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rtseg.frame import Matrix
from rtseg.igtl.image import IgtlImage
from rtseg.sources.files.orientation import Orientation

_KEYS = ("ultrasoundimageorientation", "imageorientation")  # as PLUS writes them in its files, in any case


def turn_upright(picture: IgtlImage, metadata: Mapping[str, str]) -> IgtlImage:
    """Return the picture with the near side at its top and the marked side where MF has it; its matrix follows.

    Without a statement the picture is returned as it is: PLUS turns its images to MF before it sends them.
    """
    letters = next((value.strip() for key, value in metadata.items() if key.lower() in _KEYS), "")
    orientation = Orientation(letters)
    height, width = picture.pixels.shape[:2]
    # Where each upright pixel lies in the stored image, found by turning the positions themselves.
    corners = np.array([[0, 1], [2, 3]], np.uint8)
    turned = orientation.upright(corners)
    if np.array_equal(turned, corners):
        return picture
    steps = {0: (0, 0), 1: (width - 1, 0), 2: (0, height - 1), 3: (width - 1, height - 1)}  # (column, row) of each corner
    first, right, below = (np.array(steps[int(turned[place])]) for place in ((0, 0), (0, 1), (1, 0)))
    to_stored = np.eye(4)
    to_stored[:2, 0], to_stored[:2, 1], to_stored[:2, 3] = np.sign(right - first), np.sign(below - first), first
    rows = (np.array(picture.matrix) @ to_stored).tolist()
    matrix: Matrix = tuple(tuple(row) for row in rows)
    return replace(picture, pixels=orientation.upright(picture.pixels), matrix=matrix)
