"""Write small films of moving, noisy ultrasound for tests of several streams."""

from pathlib import Path

import av
import numpy as np
import pytest

from rtseg.sources import open_source


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory):
    """Return a function that writes `count` different films of 96 x 64 pixels, and returns their paths."""
    folder = tmp_path_factory.mktemp("films")

    def write(count: int, frames: int = 20) -> list[Path]:
        paths = [folder / f"probe-{number}-{frames}.mkv" for number in range(count)]
        for seed, path in enumerate(paths):
            if not path.exists():
                _write_film(path, seed, frames)
        return paths

    return write


def _write_film(path: Path, seed: int, frames: int) -> None:
    noise = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "gray"
        for frame in open_source(f"synthetic:vessel?height=64&width=96&frames={frames}&seed={seed}"):
            image = frame.image if frame.image.ndim == 2 else frame.image[:, :, 0]
            grainy = np.clip(image + noise.normal(0, 12, image.shape), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(grainy), "gray")))
        container.mux(stream.encode(None))
