import cv2
import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.sources.synthetic import Event, SyntheticProbe, open_synthetic, parse_script
from rtseg.sources.synthetic.bmode import DYNAMIC_RANGE_DB
from rtseg.sources.synthetic.vessel import DISTENSION

SMALL = "vessel?height=128&width=160"
GEOMETRIES = pytest.mark.parametrize("geometry", ["linear", "curvilinear"])


def probe(options="", size=SMALL):
    return open_synthetic(f"{size}&{options}")


@GEOMETRIES
def test_picture_and_truth_follow_from_seed_and_index_alone(geometry):
    first, second = (probe(f"seed=4&geometry={geometry}&faults=cut@5") for _ in range(2))
    streamed = {frame.index: frame.image for frame, _ in zip(first, range(8), strict=False)}
    for index in (7, 0, 5, 3):  # any order
        assert np.array_equal(second.image(index), streamed[index])
        assert np.array_equal(second.truth(index), first.truth(index))
    other = probe(f"seed=5&geometry={geometry}")
    assert not np.array_equal(other.image(0), streamed[0])
    assert not np.array_equal(other.truth(0), first.truth(0))


@GEOMETRIES
def test_the_lumen_is_dark_its_wall_bright_and_the_truth_lies_on_the_edge(geometry):
    for seed in range(4):
        source = probe(f"seed={seed}&geometry={geometry}&drift_mm=8", "vessel?height=240&width=320")
        image, truth = source.image(9 * seed), source.truth(9 * seed)
        pixels = 3 if geometry == "linear" else 2
        kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
        ring = (cv2.dilate(truth, kernel) - cv2.dilate(truth, np.ones((3, 3), np.uint8))) > 0
        inside = cv2.erode(truth, np.ones((3, 3), np.uint8)) > 0
        assert image[ring].mean() > 3 * image[inside].mean() + 10
        assert image[inside].mean() < 40
        assert np.percentile(image[inside], 98) < 80


def test_the_area_follows_the_radius():
    source = probe("seed=2&drift_mm=0", "vessel?height=400&width=400")
    spacing = source.info.spacing_mm[0]
    radii = np.array([np.sqrt(source.truth(index).sum() * spacing**2 / np.pi) for index in range(42)])
    assert radii.max() / radii.min() == pytest.approx(1 + DISTENSION, abs=0.02)
    assert 2.7 < radii.min() < 4.0
    centres = [cv2.moments(source.truth(index), True) for index in (0, 5, 9)]
    assert np.ptp([m["m10"] / m["m00"] for m in centres]) < 0.3  # without drift it beats about one place


def test_the_heart_beats_at_its_rate():
    source = probe("bpm=60&fps=20&drift_mm=0", "vessel?height=200&width=200")
    areas = np.array([source.truth(index).sum() for index in range(40)])
    assert np.array_equal(areas[:20], areas[20:])
    assert np.count_nonzero((areas[1:-1] > areas[:-2]) & (areas[1:-1] >= areas[2:])) <= 6  # a main and a second wave a beat


def test_the_drift_is_smooth():
    source = probe("seed=1&drift_mm=3", "vessel?height=200&width=240")
    x = np.array([cv2.moments(source.truth(index), True)["m10"] / source.truth(index).sum() for index in range(60)])
    assert np.ptp(x) > 5
    assert np.abs(np.diff(x)).max() < 2


def test_speckle_is_fully_developed_and_moves_with_the_tissue():
    from rtseg.sources.synthetic.geometry import PROBES, View
    from rtseg.sources.synthetic.tissue import Tissue

    tissue = Tissue(View(PROBES["linear"], 256, 256), 1.0, np.random.default_rng(0))
    amplitude = np.hypot(*np.moveaxis(tissue.scatterers(0.0)[..., :2], -1, 0))
    assert amplitude.mean() / amplitude.std() == pytest.approx(1.91, abs=0.08)  # the Rayleigh distribution's
    later = np.hypot(*np.moveaxis(tissue.scatterers(1 / 25)[..., :2], -1, 0))
    second = np.hypot(*np.moveaxis(tissue.scatterers(2.25)[..., :2], -1, 0))
    assert np.corrcoef(amplitude.ravel(), later.ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(amplitude.ravel(), second.ravel())[0, 1]) < 0.2


def test_speckle_is_carried_along_by_the_drift():
    source = probe("seed=1&drift_mm=5&bpm=20", "vessel?height=200&width=240")
    before, after = source.image(0)[100:].astype(np.float32), source.image(6)[100:].astype(np.float32)
    (dx, dy), _ = cv2.phaseCorrelate(before, after, cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F))
    moments = [cv2.moments(source.truth(index), True) for index in (0, 6)]
    true_dx, true_dy = ((moments[1][k] / moments[1]["m00"] - moments[0][k] / moments[0]["m00"]) for k in ("m10", "m01"))
    assert abs(true_dx) > 1.5
    assert dx == pytest.approx(true_dx, abs=1)
    assert dy == pytest.approx(true_dy, abs=1)


def test_below_the_lumen_it_is_brighter_and_at_its_sides_darker():
    spacing, brighter, darker = 40 / 240, [], []
    for seed in range(6):
        source = probe(f"seed={seed}", "vessel?height=240&width=320")
        truth = source.truth(0)
        rows, columns = np.nonzero(truth)
        radius, bottom, middle = (columns.max() - columns.min()) / 2, rows.max() + int(2 / spacing), int(columns.mean())
        strip = source.image(0)[bottom : bottom + int(6 / spacing)].mean(axis=0)
        below = strip[middle - int(radius / 2) : middle + int(radius / 2)].mean()
        edges = [strip[edge - 3 : edge + 4].mean() for edge in (columns.min() - 2, columns.max() + 2)]
        beside = [strip[edge - 8 : edge + 9].mean() for edge in (columns.min() - 24, columns.max() + 24)]
        brighter.append(below - np.mean(beside))
        darker.append(np.mean(beside) - np.mean(edges))
    assert np.mean(brighter) > 4
    assert np.mean(darker) > 8


@GEOMETRIES
def test_outside_the_sector_everything_is_black(geometry):
    source = probe(f"geometry={geometry}", "vessel?height=120&width=300")
    image = source.image(0)
    assert image[:, 0].max() == 0
    assert image[:, -1].max() == 0
    assert source.truth(0)[:, 0].max() == 0
    assert np.count_nonzero(image) > 0.15 * image.size


def test_a_freeze_repeats_the_frame_before_it_bit_for_bit():
    source = probe("faults=freeze@5+4")
    held = source.image(4)
    assert all(np.array_equal(source.image(index), held) for index in range(5, 9))
    assert all(np.array_equal(source.truth(index), source.truth(4)) for index in range(5, 9))
    assert not np.array_equal(source.image(9), held)
    assert not np.array_equal(source.truth(9), source.truth(4))
    from_the_start = probe("faults=freeze@0+2")
    assert np.array_equal(from_the_start.image(1), from_the_start.image(0))


def test_a_freeze_may_carry_a_coders_noise():
    source = probe("faults=freeze@5+4:2")
    pictures = [source.image(index).astype(int) for index in range(4, 7)]
    assert not np.array_equal(pictures[1], pictures[2])
    assert 0 < np.abs(pictures[1] - pictures[0]).max() <= 2


def test_a_cut_shows_another_patient():
    source = probe("faults=cut@6")
    change = [np.abs(source.image(i).astype(int) - source.image(i - 1)).mean() for i in range(1, 10)]
    assert change[5] > 1.5 * max(change[:5] + change[6:])
    assert np.mean(source.truth(5) != source.truth(6)) > 5 * np.mean(source.truth(4) != source.truth(5))


def test_a_lifted_probe_gives_a_dark_frame_with_bands_and_no_lumen():
    source = probe("faults=lift@3+2")
    image = source.image(3)
    assert source.truth(3).max() == 0
    assert source.truth(5).max() == 1
    assert image[64:].mean() < 0.3 * source.image(2)[64:].mean()
    profile = image[:20, 30:130].mean(axis=1)
    assert profile[:6].mean() > 100
    assert np.count_nonzero((profile[1:-1] > profile[:-2]) & (profile[1:-1] > profile[2:])) >= 2
    assert not np.array_equal(source.image(3), source.image(4))


def test_dropped_frames_leave_a_gap_in_the_index():
    source = probe("frames=12&faults=drop@4+3")
    assert [frame.index for frame in source] == [0, 1, 2, 3, 7, 8, 9, 10, 11]
    assert source.info.frames == 12


def test_gain_shifts_the_grey_levels():
    plain, louder = probe(), probe("faults=gain@2+2:-6")
    assert np.array_equal(plain.image(1), louder.image(1))
    assert np.array_equal(plain.image(4), louder.image(4))
    middle = (plain.image(2) > 60) & (plain.image(2) < 200)
    difference = plain.image(2)[middle].astype(int) - louder.image(2)[middle]
    assert np.median(difference) == pytest.approx(6 * 255 / DYNAMIC_RANGE_DB, abs=1)
    assert np.array_equal(plain.truth(2), louder.truth(2))


def test_depth_shrinks_the_anatomy():
    plain, deeper = probe("drift_mm=0"), probe("drift_mm=0&faults=depth@3:1.5")
    assert np.array_equal(plain.truth(2), deeper.truth(2))
    assert deeper.truth(3).sum() == pytest.approx(plain.truth(3).sum() / 1.5**2, rel=0.06)
    assert deeper.image(3)[:, 2].max() == 0  # the probe is as wide as before, the picture wider


def test_the_spacing_is_the_geometrys():
    assert probe().info.spacing_mm == pytest.approx((40 / 128, 40 / 128))
    assert probe().info.fps == 25
    assert probe("frames=3").info.frames == 3


def test_it_is_endless_and_closes():
    source = probe()
    frames = iter(source)
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    source.close()
    assert next(frames, None) is None


@pytest.mark.parametrize("size", ["height=16&width=16", "height=17&width=333", "height=333&width=19"])
@GEOMETRIES
def test_any_size(size, geometry):
    source = open_synthetic(f"vessel?{size}&geometry={geometry}")
    assert source.image(0).shape == source.truth(0).shape == (source.info.height, source.info.width)
    assert source.truth(0).max() == 1


def test_the_events_are_told_as_values():
    source = probe("faults=freeze@60+20,cut@120,gain@5:-3.5,depth@9+2:0.5,freeze@90+2:1")
    assert source.events == (
        Event("freeze", 60, 20),
        Event("cut", 120),
        Event("gain", 5, None, -3.5),
        Event("depth", 9, 2, 0.5),
        Event("freeze", 90, 2, 1.0),
    )
    assert isinstance(source, SyntheticProbe)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("heart", "no phantom 'heart': use synthetic:vessel"),
        ("vessel?colour=1", "no option 'colour': use seed, geometry, height"),
        ("vessel?seed=x", "seed=x is out of range: give a whole number from 0"),
        ("vessel?seed=-1", "seed=-1"),
        ("vessel?height=15", "height=15 is out of range: give a whole number from 16 to 4320"),
        ("vessel?width=99999999999", "width=99999999999"),
        ("vessel?fps=0", "fps=0 is out of range: give a number from 0.1 to 1000"),
        ("vessel?fps=nan", "fps=nan"),
        ("vessel?bpm=fast", "bpm=fast"),
        ("vessel?frames=0", "frames=0"),
        ("vessel?geometry=square", "geometry=square is unknown: use linear, curvilinear"),
        ("vessel?faults=melt@3", "faults=melt@3 cannot be read: use freeze@START"),
        ("vessel?faults=freeze", "faults=freeze cannot be read"),
        ("vessel?faults=freeze@3", r"faults=freeze@3 lacks something or is out of range: write freeze@START\+FRAMES"),
        ("vessel?faults=lift@3+0", r"write lift@START\+FRAMES"),
        ("vessel?faults=cut@3+4", "write cut@START"),
        ("vessel?faults=drop@3+4:2", r"write drop@START\+FRAMES"),
        ("vessel?faults=gain@3:60", "write gain@START"),
        ("vessel?faults=gain@3:1.2.3", "write gain@START"),
        ("vessel?faults=depth@3:0", "write depth@START"),
    ],
)
def test_what_is_wrong_with_the_options_is_told(options, message):
    with pytest.raises(ConfigError, match=message):
        parse_script(options)


def test_what_happens_while_it_runs_is_as_if_it_had_been_scripted():
    source = SyntheticProbe(parse_script(SMALL), deepest=1.5)
    frames = iter(source)
    before = [next(frames).image for _ in range(3)]
    assert source.happen("freeze", 4) == Event("freeze", 3, 4)
    scripted = SyntheticProbe(parse_script(f"{SMALL}&faults=freeze@3+4"), deepest=1.5)
    for index in range(3, 9):
        np.testing.assert_array_equal(next(frames).image, scripted.image(index))
    np.testing.assert_array_equal(before[2], scripted.image(4))
    assert source.happen("depth", 5, 1.5).value == 1.5
    assert not np.array_equal(next(frames).image, scripted.image(9))


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (("depth", 5, 1.9), "1.9 times as deep is beyond this probe"),
        (("depth", 5, 2.5), "out of range: write depth@START"),
        (("freeze",), "out of range: write freeze@START"),
        (("sneeze", 4), "cannot be read: use freeze@START"),
    ],
)
def test_what_cannot_happen_is_told(event, message):
    with pytest.raises(ConfigError, match=message):
        SyntheticProbe(parse_script(SMALL), deepest=1.5).happen(*event)
