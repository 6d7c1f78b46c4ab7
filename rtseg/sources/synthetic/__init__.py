"""Simulates an ultrasound probe whose ground truth is known exactly."""

from rtseg.sources.synthetic.probe import SyntheticProbe, open_synthetic
from rtseg.sources.synthetic.script import Script, ScriptedFault, parse_script

Event = ScriptedFault  # the earlier name

__all__ = ["Event", "Script", "ScriptedFault", "SyntheticProbe", "open_synthetic", "parse_script"]
