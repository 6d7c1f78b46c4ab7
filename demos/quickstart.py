"""Segment a clip, write the overlay, and print areas, latencies and the memory's state: a first script with rtseg.

python demos/quickstart.py [OUT.mp4]
"""

import sys
from statistics import mean

import rtseg


def main(out: str = "overlay.mp4") -> None:
    """Segment the bundled clip, write the overlay to `out`, and print the results."""
    engine = rtseg.load_engine("carotid-int8")  # a shipped model's name, or an .onnx file
    source = rtseg.open_source("clip:carotid")  # a file, a folder, a camera, a stream, synthetic:
    session = rtseg.Session(engine)
    pipeline = rtseg.Pipeline(source, session, rtseg.VideoSink(out, rtseg.Overlay(opacity=0.4)), warmup=10)

    areas = []
    for result in pipeline:
        lumen = result.segmentation
        areas.append(lumen.area_px("lumen"))
        if result.frame.index % 25 == 0:
            print(
                f"frame {result.frame.index:3d}  {lumen.life.value:5s} {areas[-1]:6d} px  {result.trace.total_ns / 1e6:5.1f} ms"
            )

    report = pipeline.report
    print(f"{len(areas)} frames; the lumen's area is {mean(areas):.0f} px in the mean, from {min(areas)} to {max(areas)} px")
    print(f"latency: p50 {report.percentile_ms(50):.1f} ms, p99 {report.percentile_ms(99):.1f} ms")
    print(f"the overlay is in {out}")
    engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
