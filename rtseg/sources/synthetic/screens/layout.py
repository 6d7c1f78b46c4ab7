"""Draw the layout of an invented scanner from its number: what stands where on its screen, and in which colors."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

from rtseg.errors import ConfigError

Color: TypeAlias = tuple[int, int, int]

TUNING_LAYOUTS = tuple(range(30))  # may be looked at while the finder is tuned
HELD_OUT_LAYOUTS = tuple(range(30, 40))  # to measure with, and never to be looked at while it is tuned
_SEED = 210_001  # of the layouts; another value would mix the two sets


class ScreenMode(str, Enum):
    """Names what a screen shows; ten layouts in a row have all of them."""

    SINGLE = "single"  # one B-mode picture
    COLOR = "color"  # with a color box
    ECG = "ecg"  # with a trace below it
    DUPLEX = "duplex"  # with a half of spectral Doppler
    DUAL = "dual"  # two B-mode pictures, of which one or both are live
    THUMBNAILS = "thumbnails"  # with a strip of small pictures
    ALONE = "alone"  # nothing else on the screen
    LIGHT = "light"  # a bright theme
    DARK = "dark"  # a low gain
    FROZEN = "frozen"  # a picture that stands still, and an icon that blinks


@dataclass(frozen=True, slots=True)
class ScreenTheme:
    """Holds the colors of a screen."""

    ground: Color
    """The screen behind everything."""
    canvas: Color
    """The area around the ultrasound."""
    panel: Color
    """Bars and menus."""
    ink: Color
    """Letters."""
    accent: Color
    """Highlighted letters, frames and marks."""

    @property
    def canvas_ink(self) -> Color:
        """Return the color of letters on the canvas, which may be dark where the rest is bright."""
        is_bright, has_bright_ink = sum(self.canvas) > 380, sum(self.ink) > 380
        return self.ink if is_bright != has_bright_ink else (30, 30, 30) if is_bright else (205, 205, 205)


@dataclass(frozen=True, slots=True)
class ScreenLayout:
    """Describes a layout; lengths are shares of the frame's height or width."""

    number: int
    """The number that it was drawn from."""
    mode: ScreenMode
    """What it shows."""
    theme: ScreenTheme
    """Its colors."""
    title: float
    """Height of the title bar; 0: none."""
    left: float
    """Width of the left menu."""
    right: float
    """Width of the right menu."""
    bottom: float
    """Height of the bottom bar."""
    thumbnails: str
    """Side of the strip of small pictures: left, right, bottom, or "" for none."""
    scale: str
    """Side of the depth scale: left or right."""
    is_scale_at_sector: bool
    """Whether the scale stands at the sector's box, and not at the canvas's rim."""
    tick_style: str
    """line, dot or ruler."""
    label_side: str
    """in or out: the side of the ticks on which the numbers stand."""
    bar: str
    """Side of the gray bar: left, right, or "" for none."""
    font: int
    """Index of the font's family."""
    letters: float
    """Height of a letter."""
    has_buttons: bool
    """Whether menus are made of buttons, and not of lines of text."""
    has_corner_text: bool
    """Whether settings stand in the canvas's corners."""
    has_canvas_frame: bool
    """Whether a line is drawn around the canvas."""
    has_numbers: bool
    """Whether the depth scale has numbers; five layouts in six have them."""


def draw_layout(number: int) -> ScreenLayout:
    """Return the layout of a number, 0 to 39. Raises ConfigError."""
    if number not in TUNING_LAYOUTS + HELD_OUT_LAYOUTS:
        raise ConfigError(f"there is no layout {number}: the layouts are 0 to {HELD_OUT_LAYOUTS[-1]}")
    rng = np.random.default_rng((_SEED, number))
    mode = list(ScreenMode)[number % len(ScreenMode)]
    thumbnails = str(rng.choice(["left", "right", "bottom"]))
    if mode is not ScreenMode.THUMBNAILS and rng.random() < 0.8:
        thumbnails = ""
    bar = str(rng.choice(["left", "right", ""], p=[0.45, 0.35, 0.2]))
    return ScreenLayout(
        number,
        mode,
        _draw_theme(rng, is_light=mode is ScreenMode.LIGHT),
        title=float(rng.choice([0.0, rng.uniform(0.03, 0.11)], p=[0.15, 0.85])),
        left=float(rng.choice([0.0, rng.uniform(0.05, 0.2)], p=[0.5, 0.5])),
        right=float(rng.choice([0.0, rng.uniform(0.06, 0.22)], p=[0.35, 0.65])),
        bottom=float(rng.choice([0.0, rng.uniform(0.03, 0.12)], p=[0.4, 0.6])),
        thumbnails=thumbnails,
        scale=str(rng.choice(["left", "right"])),
        is_scale_at_sector=bool(rng.random() < 0.6),
        tick_style=str(rng.choice(["line", "dot", "ruler"])),
        label_side=str(rng.choice(["in", "out"])),
        bar=bar,
        font=int(rng.integers(0, 100)),
        letters=float(rng.uniform(0.017, 0.03)),
        has_buttons=bool(rng.random() < 0.5),
        has_corner_text=bool(rng.random() < 0.6),
        has_canvas_frame=bool(rng.random() < 0.3),
        has_numbers=bool(rng.random() < 5 / 6),
    )


def _draw_theme(rng: np.random.Generator, *, is_light: bool) -> ScreenTheme:
    """Return a theme: black, nearly black, gray or colored, or a light one."""
    accent = _color(rng, 60, 255)
    if is_light:
        level = int(rng.integers(190, 250))
        ground = _near(rng, level, 12)
        canvas = (0, 0, 0) if rng.random() < 0.6 else ground
        return ScreenTheme(ground, canvas, _near(rng, level - 40, 15), _near(rng, 30, 25), accent)
    level = int(rng.choice(np.array([0, rng.integers(4, 24), rng.integers(35, 75)]), p=[0.45, 0.3, 0.25]))
    ground = _near(rng, level, 6) if level else (0, 0, 0)
    if level and rng.random() < 0.3:
        ground = (level // 3, level // 2, min(255, level * 2))
    canvas = (0, 0, 0) if rng.random() < 0.6 else ground
    ink = _near(rng, int(rng.integers(150, 245)), 25)
    return ScreenTheme(ground, canvas, _near(rng, level + int(rng.integers(15, 60)), 18), ink, accent)


def _near(rng: np.random.Generator, level: int, spread: int) -> Color:
    red, green, blue = np.clip(level + rng.integers(-spread, spread + 1, 3), 0, 255)
    return int(red), int(green), int(blue)


def _color(rng: np.random.Generator, low: int, high: int) -> Color:
    red, green, blue = rng.integers(low, high, 3)
    return int(red), int(green), int(blue)
