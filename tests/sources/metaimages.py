"""Provides frames and a reader for the MetaImage tests."""

import numpy as np

from rtseg.sources import open_source

FRAMES = np.random.default_rng(3).integers(0, 256, (4, 12, 20), np.uint8)


def images(path):
    return [frame.image for frame in open_source(path)]
