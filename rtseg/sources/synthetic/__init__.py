"""Simulates an ultrasound probe whose ground truth is known exactly."""

from rtseg.sources.synthetic.probe import SyntheticProbe, open_synthetic
from rtseg.sources.synthetic.script import Event, Script, parse_script

__all__ = ["Event", "Script", "SyntheticProbe", "open_synthetic", "parse_script"]
