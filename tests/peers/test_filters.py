"""Compare our filters with other libraries' of the same equation, where installed; they are no dependencies of rtseg."""

import numpy as np
import pytest

from rtseg.bench.speckle import FILTERS, speckle_phantom

for package in ("skimage", "medpy", "findpeaks"):
    pytest.importorskip(package, reason="pip install scikit-image MedPy findpeaks, to compare with them")

SAME = {  # minimum share of equal pixels
    "OpenCV medianBlur 3": 1.0,
    "OpenCV medianBlur 5": 1.0,
    "OpenCV medianBlur 7": 1.0,
    "scikit-image rank.median 5": 1.0,
    "OpenCV bilateralFilter 5": 0.99,
    "OpenCV bilateralFilter 9": 0.99,
    "MedPy anisotropic_diffusion": 1.0,
}


@pytest.fixture(scope="module")
def peers():
    from peers.filters import BASELINE_FILTERS

    return {peer.name: peer for peer in BASELINE_FILTERS}


@pytest.mark.parametrize("name", SAME)
def test_the_same_equation_gives_the_same_picture(peers, name):
    from peers.compare import share_alike

    image, peer = speckle_phantom((0.8, 1.2)).image, peers[name]
    ours = FILTERS[peer.ours](image)
    assert share_alike(peer.apply(image), ours) >= SAME[name]
    assert share_alike(image, ours) < 0.5


def test_every_peer_names_one_of_ours_and_leaves_a_flat_picture_flat(peers):
    flat = np.full((20, 20), 90, np.uint8)
    for peer in peers.values():
        assert peer.ours in FILTERS
        assert np.ptp(peer.apply(flat)[8:-8, 8:-8]) == 0, peer.name
