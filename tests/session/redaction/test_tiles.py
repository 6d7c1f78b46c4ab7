"""Test which tiles of a picture hold more than a search has seen."""

import numpy as np
import screens

from rtseg.session.redaction.tiles import TileGrid

SIZE = (240, 320)


def test_a_tile_may_hold_as_many_edges_as_the_tiles_around_it():
    grid, nothing = TileGrid(*SIZE), np.zeros(SIZE, np.uint8)
    searched = screens.speckle(SIZE, 1)
    searched[112:128, 160:176] = 90  # one tile without edges among speckle
    seen = grid.see([searched], nothing, None)
    around = seen.counts[0, 6:9, 9:12]
    assert seen.counts[0, 7, 10] >= 0.8 * around[around != seen.counts[0, 7, 10]].mean()


def test_a_tile_far_from_all_edges_may_hold_none():
    grid, nothing = TileGrid(*SIZE), np.zeros(SIZE, np.uint8)
    searched = np.full(SIZE, 90, np.uint8)
    searched[:32] = screens.speckle((32, 320), 1)
    seen = grid.see([searched], nothing, None)
    assert (seen.counts[0, 4:] <= 6).all()
