import math

import numpy as np
import pytest
import screens

from rtseg.errors import ConfigError
from rtseg.frame import Frame
from rtseg.session.sector import FixedSector, SectorFinder, SectorKind, WholeFrame, parse_locator
from rtseg.session.sector.edges import find_edges
from rtseg.session.sector.shape import box_sector, clip_polygon, frame_outline, unknown_sector, whole_sector
from rtseg.sources.synthetic import open_synthetic
from rtseg.sources.synthetic.geometry import TRANSDUCERS, ScanView

SCREEN = (300, 400)
LINEAR = screens.rectangle(SCREEN, 50, 30, 220, 250)
FAN = screens.fan(SCREEN, (150, 5), 0.5, 55, 280)
PHASED = screens.fan(SCREEN, (150, 34), 0.6, 0, 250)


def run(frames, finder=None):
    """Return the sector after each frame, and the reasons by index."""
    finder = finder or SectorFinder()
    seen = [(frame.index, *finder.observe(frame)) for frame in frames]
    return [sector for _, sector, _ in seen], {index: reason for index, _, reason in seen if reason}


def iou(sector, inside):
    mask = sector.mask()
    return np.count_nonzero(mask & inside) / np.count_nonzero(mask | inside)


@pytest.mark.parametrize("geometry", ["linear", "curvilinear"])
@pytest.mark.parametrize(("height", "width", "depth"), [(240, 320, 1.0), (301, 403, 1.4), (480, 640, 1.6)])
def test_sector_of_the_made_up_probe_is_found_from_one_frame(geometry, height, width, depth):
    options = f"vessel?height={height}&width={width}&geometry={geometry}&frames=1&faults=depth@0:{depth}"
    (sector,), _ = run(open_synthetic(options))
    inside = ScanView(TRANSDUCERS[geometry], height, width, depth).inside
    assert sector.kind is SectorKind(geometry)
    assert not (inside & ~sector.mask()).any()
    assert iou(sector, inside) > 0.955


@pytest.mark.parametrize(
    ("inside", "kind"),
    [(LINEAR, SectorKind.LINEAR), (FAN, SectorKind.CURVILINEAR), (PHASED, SectorKind.PHASED)],
    ids=["linear", "fan", "phased"],
)
@pytest.mark.parametrize("ground", [0, 60])
def test_sector_is_found_among_letters(inside, kind, ground):
    sectors, _ = run(screens.frames(inside, 13, ground=ground))
    assert sectors[-1].kind is kind
    assert iou(sectors[-1], inside) > 0.95
    assert np.count_nonzero(inside & ~sectors[-1].mask()) < 0.001 * np.count_nonzero(inside)


@pytest.mark.parametrize("shape", [(1080, 1920), (1500, 2700)])
def test_sector_of_a_large_screen_is_found(shape):
    inside = screens.fan(shape, (shape[1] * 0.45, shape[0] * 0.03), 0.6, shape[0] * 0.2, shape[0] * 0.9)
    (sector,), _ = run(screens.frames(inside, 1, letters=False))
    assert sector.kind is SectorKind.CURVILINEAR
    assert iou(sector, inside) > 0.96
    assert not (inside & ~sector.mask()).any()


def test_a_fan_that_the_frame_cuts_off_keeps_all_its_tissue():
    inside = screens.fan(SCREEN, (200, -125), 0.5, 60, 900)
    (sector,), _ = run(screens.frames(inside, 1, letters=False))
    assert sector.kind is SectorKind.CURVILINEAR
    assert not (inside & ~sector.mask()).any()
    assert iou(sector, inside) > 0.97


def test_tissue_that_fades_into_the_dark_is_not_cut():
    attenuation = np.linspace(0, 300, SCREEN[0])[:, None]  # gray levels per row: echoes in decibels fade with depth
    fading = [(screens.speckle(SCREEN, i) - attenuation).clip(0, 255).astype(np.uint8) for i in range(13)]
    sectors, _ = run(Frame(picture, i, 0) for i, picture in enumerate(fading))
    assert not any(picture[-100:].any() for picture in fading)
    assert {sector.box for sector in sectors} == {(0, 0, *SCREEN)}


def test_a_frame_that_is_all_tissue_is_surely_whole():
    (sector,), _ = run([Frame(screens.speckle(SCREEN, 0), 0, 0)])
    assert (sector.kind, sector.confidence) == (SectorKind.WHOLE, 1.0)


def test_a_dark_vessel_is_no_edge():
    tissue = np.where(screens.fan(SCREEN, (200, 150), math.pi, 0, 50), 0, screens.speckle(SCREEN, 0)).astype(np.uint8)
    (sector,), _ = run([Frame(tissue, 0, 0)])
    assert sector.kind is SectorKind.WHOLE


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (16, 16), (17, 400), (400, 3)])
@pytest.mark.parametrize("fill", [0, 255, None], ids=["black", "white", "noise"])
def test_any_frame_has_a_sector_inside_itself(shape, fill):
    noise = np.random.default_rng(3).integers(0, 256, (13, *shape, 3), np.uint8)
    pictures = noise if fill is None else np.full_like(noise, fill)
    sectors, _ = run(Frame(picture, i, 0) for i, picture in enumerate(pictures))
    for sector in sectors:
        top, left, height, width = sector.box
        assert 0 <= top < top + height <= shape[0]
        assert 0 <= left < left + width <= shape[1]


def test_a_screen_without_ultrasound_is_unknown_first_and_whole_for_want_of_better():
    letters = screens.screen(np.zeros(SCREEN, bool))
    sectors, reasons = run(Frame(letters, i, 0) for i in range(13))
    assert [sector.kind for sector in sectors[:9]] == [SectorKind.UNKNOWN] * 9  # a search takes 10 frames
    assert (sectors[-1].kind, sectors[-1].confidence) == (SectorKind.WHOLE, 0.0)
    assert not reasons


def test_a_sector_that_comes_late_is_found():
    letters = screens.screen(np.zeros(SCREEN, bool))
    blank = [Frame(letters, i, 0) for i in range(20)]
    sectors, reasons = run([*blank, *screens.frames(LINEAR, 50, start=20)])
    assert sectors[19].kind is SectorKind.WHOLE
    assert sectors[-1].kind is SectorKind.LINEAR
    assert len(reasons) == 1


def test_the_box_does_not_move():
    sectors, _ = run(screens.frames(FAN, 40))
    assert len({sector.box for sector in sectors[12:]}) == 1


@pytest.mark.parametrize("geometry", ["linear", "curvilinear"])
@pytest.mark.parametrize("depth", [1.25, 1.6])
def test_a_change_of_depth_is_noticed_in_two_frames(geometry, depth):
    options = f"vessel?height=160&width=200&geometry={geometry}&frames=40&faults=depth@30:{depth}"
    sectors, reasons = run(open_synthetic(options))
    (index,) = reasons
    assert index in (30, 31)  # at once where the surroundings light up
    assert "another depth, probe or layout" in reasons[index]
    assert iou(sectors[-1], ScanView(TRANSDUCERS[geometry], 160, 200, depth).inside) > 0.94


def test_a_lifted_probe_and_gain_and_a_frozen_picture_leave_the_sector_alone():
    options = "vessel?height=160&width=200&geometry=curvilinear&frames=70&faults=lift@16+12,gain@34+12:-8,freeze@54+8"
    sectors, reasons = run(open_synthetic(options))
    assert not reasons
    assert len({sector.box for sector in sectors}) == 1


def test_a_menu_that_comes_up_beside_the_sector_is_none_of_it():
    menu = [screens.screen(LINEAR, i) for i in range(30, 48)]
    for picture in menu:
        picture[150:290, 290:390] = 70
        picture[165:280:14, 300:380:3] = 230
    live = screens.frames(LINEAR, 30)
    sectors, reasons = run([*live, *(Frame(picture, 30 + i, 0) for i, picture in enumerate(menu))])
    assert sectors[-1] == sectors[29]
    assert not [index for index in reasons if index >= 12]


def test_a_picture_that_grows_to_fill_the_frame_is_whole_again():
    full = [Frame(screens.speckle(SCREEN, i), i, 0) for i in range(20, 34)]
    sectors, reasons = run([*screens.frames(LINEAR, 20, letters=False), *full])
    assert sectors[19].kind is SectorKind.LINEAR
    assert (sectors[-1].kind, sectors[-1].confidence) == (SectorKind.WHOLE, 1.0)
    assert list(reasons) == [20]  # a cut: so much of the picture changed


def test_frames_of_another_size_and_a_forgotten_stream_begin_anew():
    finder = SectorFinder()
    run(screens.frames(LINEAR, 13), finder)
    small, reason = finder.observe(Frame(screens.speckle((100, 120), 0), 13, 0))
    assert (small.size, reason) == ((100, 120), "")
    finder.forget()
    (sector,), _ = run(screens.frames(FAN, 1, letters=False), finder)
    assert iou(sector, FAN) > 0.95


def test_a_box_by_name():
    named = parse_locator("10, 20,30,40")
    assert isinstance(named, FixedSector)
    sector, reason = named.observe(Frame(np.zeros((50, 70), np.uint8), 0, 0))
    named.forget()
    assert (sector.box, sector.kind, reason) == ((10, 20, 30, 40), SectorKind.LINEAR, "")
    assert np.argwhere(sector.mask()).min(axis=0).tolist() == [10, 20]
    assert np.count_nonzero(sector.mask()) == 30 * 40
    assert named.observe(Frame(np.zeros((60, 80), np.uint8), 1, 0))[0].size == (60, 80)


def test_off_is_the_whole_frame_for_want_of_better():
    off = parse_locator("off")
    assert isinstance(off, WholeFrame)
    off.forget()
    sector, reason = off.observe(Frame(screens.screen(LINEAR), 0, 0))
    assert (sector, reason) == (whole_sector(SCREEN), "")
    assert isinstance(parse_locator("auto"), SectorFinder)


@pytest.mark.parametrize("text", ["", "on", "1,2,3", "1,2,3,4,5", "1,2,3,x", "-1,2,3,4", "1.5,2,3,4"])
def test_what_is_no_sector_is_refused(text):
    with pytest.raises(ConfigError, match=r"is not a sector: give auto, off or TOP,LEFT,HEIGHT,WIDTH in pixels"):
        parse_locator(text)


@pytest.mark.parametrize("box", [(0, 0, 51, 10), (0, 0, 10, 71), (45, 0, 6, 10), (0, 0, 0, 5), (0, 0, 5, 0)])
def test_a_box_that_is_not_in_the_frame_is_refused(box):
    with pytest.raises(ConfigError, match=r"does not lie in the frame of 70x50: give TOP,LEFT,HEIGHT,WIDTH in pixels, or auto"):
        FixedSector(box).observe(Frame(np.zeros((50, 70), np.uint8), 0, 0))


def test_overlap_is_intersection_over_union():
    size = (50, 70)
    one, other = box_sector((0, 0, 21, 41), size), box_sector((0, 20, 21, 41), size)
    assert one.overlap(one) == pytest.approx(1)
    assert one.overlap(other) == pytest.approx(1 / 3, abs=0.01)
    assert one.overlap(whole_sector((60, 70))) == 0
    assert str(one) == "linear 41x21"
    assert unknown_sector(size).box == whole_sector(size).box


def test_a_polygon_is_clipped_by_a_line():
    half = clip_polygon(frame_outline((11, 21)), np.array([10.0, 0.0]), np.array([-1.0, 0.0]))
    assert sorted(map(tuple, half)) == [(0, 0), (0, 10), (10, 0), (10, 10)]
    assert len(clip_polygon(half, np.array([15.0, 0.0]), np.array([1.0, 0.0]))) == 0


@pytest.mark.parametrize(("ragged", "support"), [(0, 1.0), (20, 0.3)])
def test_support_is_the_share_of_a_side_where_the_picture_ends_at_once(ragged, support):
    above = np.zeros((200, 200), np.uint8)
    depths = np.random.default_rng(1).integers(0, ragged + 1, 200)
    for x, depth in enumerate(depths):
        above[: 120 - depth, x] = 50
    hull = np.array([(0, 0), (199, 0), (199, 119), (0, 119)], float)
    (edge,) = find_edges(hull, above, 3)
    assert (edge.support == support) if not ragged else (edge.support < support)
    assert edge.inward.tolist() == [0, -1]
    assert 118 <= edge.point[1] <= 121


def test_a_sector_is_stated_known_or_unknown():
    frame = Frame(screens.screen(LINEAR), 0, 0)
    assert parse_locator("off").observe(frame)[0].knowledge == "stated"
    assert parse_locator("10,20,30,40").observe(frame)[0].knowledge == "stated"
    assert unknown_sector(SCREEN).knowledge == whole_sector(SCREEN).knowledge == "unknown"
    assert whole_sector(SCREEN, 1.0).knowledge == "known"
    sectors, _ = run(screens.frames(LINEAR, 10))
    assert sectors[-1].knowledge == "known"


def test_two_scenes_of_a_slide_show_are_not_mixed_into_one_sector():
    left, right = screens.rectangle(SCREEN, 50, 20, 200, 150), screens.rectangle(SCREEN, 60, 220, 200, 160)
    shows = [*screens.frames(left, 3, letters=False), *screens.frames(right, 3, start=3, letters=False)] * 2
    finder = SectorFinder()
    for index, frame in enumerate(shows):
        sector, _ = finder.observe(Frame(frame.image, index, 0))
        assert iou(sector, left if index % 6 < 3 else right) > 0.95


def test_a_layout_after_a_cut_is_not_seen_through_the_sector_before():
    small, large = screens.rectangle(SCREEN, 60, 100, 160, 160), screens.rectangle(SCREEN, 10, 20, 280, 360)
    finder = SectorFinder()
    run(screens.frames(large, 12, letters=False), finder)
    other = screens.screen(small, 12, letters=True, ground=40)
    sector, _ = finder.observe(Frame(other, 12, 0))
    assert sector.knowledge == "unknown" or iou(sector, small) > 0.9
