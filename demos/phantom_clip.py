"""Write a clip of the synthetic phantom, without an overlay, as input of the 720p benchmarks.

python demos/phantom_clip.py OUT.mp4 ["synthetic:vessel?height=720&width=1280&frames=150&fps=30&seed=1"]
"""

import sys
from contextlib import closing

import av

from rtseg import open_source

SOURCE = "synthetic:vessel?height=720&width=1280&frames=150&fps=30&seed=1"


def write_clip(out: str, uri: str) -> None:
    """Encode the source's gray frames as H.264 in yuv420p."""
    with closing(open_source(uri)) as source, av.open(out, "w", metadata_errors="replace") as container:
        stream = container.add_stream("libx264", rate=round(source.info.fps), options={"crf": "20", "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = source.info.height, source.info.width, "yuv420p"
        for frame in source:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, "gray")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    write_clip(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else SOURCE)
