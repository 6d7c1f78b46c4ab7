"""Creates synthetic probes with small images."""

from rtseg.sources.synthetic import open_synthetic

SMALL = "vessel?height=128&width=160"


def probe(options="", size=SMALL):
    return open_synthetic(f"{size}&{options}")
