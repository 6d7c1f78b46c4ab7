"""Draws screens of invented scanners, whose sector, letters and millimeters per pixel are known exactly."""

from rtseg.sources.synthetic.screens.composer import MadeScreen, make_screen
from rtseg.sources.synthetic.screens.layout import HELD_OUT_LAYOUTS, TUNING_LAYOUTS, ScreenLayout, draw_layout

__all__ = ["HELD_OUT_LAYOUTS", "TUNING_LAYOUTS", "MadeScreen", "ScreenLayout", "draw_layout", "make_screen"]
