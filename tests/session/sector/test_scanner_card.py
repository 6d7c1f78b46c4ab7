import re
import subprocess
import sys

import numpy as np
import pytest
import screens
from session.sector.test_screen_sector import SCREEN, SHAPES, with_menus

from rtseg.errors import ConfigError
from rtseg.frame import Frame
from rtseg.session.sector import SectorFinder
from rtseg.session.sector.scanner_card import CardLocator, ScannerCard, layout_cells, read_card
from rtseg.session.sector.shape import box_sector
from rtseg.sources.synthetic.screens.clip_writer import ScreenSet, write_screens


def live(count, start=0, kind="linear"):
    return [Frame(with_menus(screens.speckle(SCREEN, start + i), SHAPES[kind]), start + i, 0) for i in range(count)]


def card_of(frames):
    finder = SectorFinder()
    sectors = [finder.observe(frame)[0] for frame in frames]
    return ScannerCard(sectors[-1], layout_cells(frames[-1].image, sectors[-1]), 29.97, 0.5, "full")


@pytest.fixture(scope="module")
def card():
    return card_of(live(10))


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = card_of(live(10, kind="curvilinear"))
    (path := tmp_path / "card.toml").write_text(card.to_toml())
    again = read_card(path)
    assert (again.layout, again.fps, again.duplicates, again.color_range) == (card.layout, 29.97, 0.5, "full")
    assert again.sector.overlap(card.sector) > 0.999
    assert (again.sector.kind, again.sector.size) == (card.sector.kind, card.sector.size)


def test_a_card_is_toml_and_holds_no_text_of_the_screen(card):
    tomllib = pytest.importorskip("tomllib")
    assert set(tomllib.loads(card.to_toml())) == {"card", "sector", "layout", "scale", "grabber", "color"}
    strings = set(re.findall(r'"([^"]*)"', card.to_toml()))
    assert {text for text in strings if set(text) - {"0", "1"}} <= {"linear", "full", "not read"}


def test_the_sector_is_known_from_the_first_frame(card):
    locator = CardLocator(card, "card.toml")
    seen = [locator.observe(frame) for frame in live(40, start=60)]
    assert all(sector is card.sector and not reason for sector, reason in seen)


def test_a_layout_that_no_longer_fits_is_told_and_not_used(card):
    locator = CardLocator(card, "card.toml")
    [locator.observe(frame) for frame in live(10)]
    other = [Frame(np.ascontiguousarray(frame.image[:, ::-1]), 20 + i, 0) for i, frame in enumerate(live(40))]
    seen = [locator.observe(frame) for frame in other]
    reasons = [reason for _, reason in seen if reason]
    assert "the layout no longer fits card.toml: another depth, probe or layout" in reasons
    assert np.count_nonzero(seen[-1][0].mask() & SHAPES["linear"][:, ::-1]) > 0.9 * np.count_nonzero(SHAPES["linear"])


def test_a_card_of_another_scanner_or_size_is_refused_by_name(card):
    other = Frame(np.ascontiguousarray(live(1)[0].image[::-1, ::-1]), 0, 0)
    with pytest.raises(
        ConfigError, match=r"ge\.toml is the card of another scanner or layout: make it again with rtseg doctor"
    ):
        CardLocator(card, "ge.toml").observe(other)
    small = Frame(np.zeros((240, 320), np.uint8), 0, 0)
    with pytest.raises(ConfigError, match=r"ge\.toml is of frames of 640x480 and these are 320x240"):
        CardLocator(card, "ge.toml").observe(small)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text.replace("[sector]", "[sektor]"),
        lambda text: text.replace('"linear"', '"round"'),
        lambda text: text.replace("frame = [480, 640]", "frame = [100, 100]"),
        lambda text: text.replace('cells = ["1', 'cells = ["2'),
        lambda text: text.replace("outline = [[", "outline = [[1e9, 4], ["),
        lambda text: "x" * 100_000,
    ],
)
def test_what_is_no_card_is_refused(card, tmp_path, change):
    (path := tmp_path / "card.toml").write_text(change(card.to_toml()))
    with pytest.raises(ConfigError, match=r"card.toml is no scanner card \(.*\): make it again with rtseg doctor"):
        read_card(path)


def test_cells_show_the_surroundings_alone():
    image, sector = np.zeros((180, 320), np.uint8), box_sector((60, 100, 60, 100), (180, 320))
    image[60:120, 100:200] = 200
    assert not any("1" in row for row in layout_cells(image, sector))
    image[:10, :10] = 200
    assert [row.count("1") for row in layout_cells(image, sector)] == [1] + [0] * 17


def test_doctor_saves_a_card_that_run_uses(tmp_path):
    write_screens(ScreenSet(seed=5, count=1, layouts=(1,), frames=30), tmp_path)
    clip, path = str(tmp_path / "000.mp4"), str(tmp_path / "card.toml")
    for words in (["doctor", "--source", clip, "--save", path, "--seconds", "20"], ["run", clip, "--scanner", path]):
        done = subprocess.run(
            [sys.executable, "-m", "rtseg.cli", *words], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    both = ["run", clip, "--scanner", path, "--sector", "off"]
    refused = subprocess.run(
        [sys.executable, "-m", "rtseg.cli", *both], capture_output=True, text=True, timeout=300, check=False
    )
    assert refused.returncode
    assert "leave --sector or --scanner out" in refused.stderr + refused.stdout
