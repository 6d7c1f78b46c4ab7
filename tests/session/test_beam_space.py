"""Tests beam space: labels equal to those of the screen, the geometry's round trip, and refusals."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import networks
import numpy as np
import pytest
import trackers

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life, StreamInfo
from rtseg.kernels import Fan, to_fan
from rtseg.pipeline import Pipeline
from rtseg.replay import RedactedBeamSpaceSession, ReplayedBeamSpaceSession
from rtseg.session.beam_geometry import BeamFile, parse_geometry
from rtseg.session.beam_space import BeamSpaceSession, frame_to_lines, lines_to_frame
from rtseg.session.prompts import Prompt
from rtseg.session.sector import SectorFinder, WholeFrame
from rtseg.session.sector.shape import Sector, SectorKind, as_outline, box_sector, unknown_sector
from rtseg.session.sector_beams import BeamsOfSector, fan_of_sector
from rtseg.session.session import Session
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources import open_source

SIZE = (340, 400)
NETWORK = (400, 400)
FANS = [
    Fan((-60.0, 200.0), 90.0, 330.0, -0.55, 0.55),
    Fan((-50.0, 190.0), 90.0, 330.0, -0.6, 0.65),
    Fan((10.0, 200.0), 3.0, 300.0, -0.6, 0.6),
]
STEERED_LEFT = Fan((-50.0, 205.0), 90.0, 330.0, -0.68, 0.56)
DEEPER = Fan((-10.0, 200.0), 40.0, 300.0, -0.35, 0.35)
SPEC = networks.spec(size=NETWORK, mean=(130.0,), std=(20.0,), states=(), image_input="input", logits_output="output")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVinoEngine]:
    """Return a network that takes pixels above 130 for the class."""
    made = OpenVinoEngine(networks.stateless(tmp_path_factory.mktemp("beams") / "threshold.onnx", SPEC, NETWORK))
    yield made
    made.close()


def phantom(fan: Fan, index: int = 0) -> Frame:
    """Return a fan of tissue with a bright disk and a bright line on the screen."""
    tissue = np.random.default_rng(index).integers(25, 95, (300, 200), np.uint8)  # flat tissue would be a menu
    lit = to_fan(tissue, fan, SIZE)
    bright = cv2.circle(np.zeros(SIZE, np.uint8), (190, 170), 45, 200, -1)
    bright = cv2.line(bright, (170, 250), (230, 240), 200, 9)
    return Frame(np.where((lit > 0) & (bright > 0), bright, lit), index, index * 40_000_000)


def values(fan: Fan, **changes: Any) -> dict[str, Any]:
    angles = [float(np.rad2deg(angle)) for angle in (fan.left, fan.right)]
    made = {
        "size": [*SIZE],
        "unit": "px",
        "apex": [fan.apex[1], fan.apex[0]],
        "radii": [fan.near, fan.far],
        "angles_deg": angles,
    }
    return {**made, "samples": 400, "lines": 400, **changes}


def written(folder: Path, described: object) -> Path:
    path = folder / "fan.json"
    path.write_text(described if isinstance(described, str) else json.dumps(described))
    return path


def assert_equal_within_a_pixel(found: np.ndarray, expected: np.ndarray) -> None:
    square = np.ones((3, 3), np.uint8)
    border = cv2.dilate(expected, square) != cv2.erode(expected, square)
    assert expected.any()
    assert not ((found != expected) & ~border).any()


@pytest.mark.parametrize("fan", FANS, ids=["curved", "steered", "phased"])
def test_labels_are_those_of_the_screen_within_a_pixel(engine: OpenVinoEngine, fan: Fan, tmp_path: Path) -> None:
    frame = phantom(fan)
    expected = Session(engine, temporal=None, locator=WholeFrame()).step(frame).labels
    for geometry in (parse_geometry(str(written(tmp_path, values(fan)))), parse_geometry("sector")):
        session = BeamSpaceSession(engine, geometry=geometry, temporal=None)
        session.warm_up(StreamInfo(*SIZE, 25.0))
        found = session.step(frame)
        assert found.labels.shape == SIZE
        assert_equal_within_a_pixel(found.labels, expected)
        assert found.confidence[0] > 0.9
        color = replace(frame, image=np.repeat(frame.image[..., None], 3, 2))
        assert np.array_equal(BeamSpaceSession(engine, geometry=geometry, temporal=None).step(color).labels, found.labels)


def test_several_classes_come_back_unmixed(tmp_path: Path) -> None:
    grid = BeamFile.read(written(tmp_path, values(FANS[0]))).grid(SectorFinder().observe(phantom(FANS[0]))[0], None, NETWORK)
    lines = np.repeat(np.repeat(np.array([[3, 0, 7], [9, 3, 0]], np.uint8), 200, 0), 134, 1)[:, :400]
    back = lines_to_frame(lines, grid, SIZE)
    assert set(np.unique(back)) == {0, 3, 7, 9}
    again = frame_to_lines(Frame(back, 0, 0), grid)
    settled = cv2.erode(lines, np.ones((7, 7))) == cv2.dilate(lines, np.ones((7, 7)))
    settled[:4] = settled[-4:] = settled[:, :4] = settled[:, -4:] = False
    assert np.array_equal(again[settled], lines[settled])


@pytest.mark.parametrize("speckle", range(3))
@pytest.mark.parametrize("fan", [*FANS, STEERED_LEFT], ids=["curved", "steered", "phased", "steered left"])
def test_the_fan_of_a_sector_is_the_one_that_was_drawn(fan: Fan, speckle: int) -> None:
    found = fan_of_sector(SectorFinder().observe(phantom(fan, speckle))[0])
    for ours, true in zip(corners(found), corners(fan), strict=True):
        assert np.hypot(*(ours - true)) < 6.0
    assert (found.left, found.right) == pytest.approx((fan.left, fan.right), abs=0.02)


def corners(fan: Fan) -> list[np.ndarray]:
    return [
        np.array([fan.apex[0] + radius * np.cos(angle), fan.apex[1] + radius * np.sin(angle)])
        for radius in (fan.near, fan.far)
        for angle in (fan.left, fan.right)
    ]


def test_millimeters_are_those_of_the_pixel_size(tmp_path: Path) -> None:
    sector = SectorFinder().observe(phantom(FANS[0]))[0]
    pixels = BeamFile.read(written(tmp_path, values(FANS[0]))).grid(sector, None, NETWORK)
    millimeters = values(FANS[0], unit="mm", apex=[100.0, -30.0], radii=[45.0, 165.0])
    file = BeamFile.read(written(tmp_path, millimeters))
    assert corners(file.grid(sector, (0.5, 0.5), NETWORK).fan) == [pytest.approx(corner) for corner in corners(pixels.fan)]
    for spacing, said in ((None, "pixel size is unknown"), ((0.5, 0.6), "not square")):
        with pytest.raises(ConfigError, match=said):
            file.grid(sector, spacing, NETWORK)


@pytest.mark.parametrize(
    "changes",
    [
        {"radii": [90.0, 90.0]},
        {"radii": [-1.0, 90.0]},
        {"radii": [90.0, float("nan")]},
        {"radii": [90.0]},
        {"radii": [True, 90]},
        {"radii": "90,330"},
        {"angles_deg": [30, -30]},
        {"angles_deg": [-200, 30]},
        {"apex": [1e300, 0]},
        {"apex": None},
        {"samples": 0},
        {"samples": 2.5},
        {"lines": 100_000},
        {"lines": True},
        {"size": [340]},
        {"unit": "inch"},
        {"unit": ["px"]},
        {"depth": 3},
    ],
    ids=str,
)
def test_an_impossible_file_is_refused_with_the_remedy(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=": give ") as caught:
        parse_geometry(str(written(tmp_path, values(FANS[0], **changes))))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", "[" * 60_000, "x" * 100_000, '{"size": [1, 2]}', "\xff"], ids=lambda text: text[:5]
)
def test_what_is_no_geometry_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=": give "):
        parse_geometry(str(written(tmp_path, text)))


@pytest.mark.parametrize("name", ["missing.json", ".", "sectors", "nul\0"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=": give a JSON file"):
        parse_geometry(str(tmp_path / name))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": [480, 640]}, "640x480 and these are 400x340"),
        ({"apex": [2000.0, -60.0]}, "outside the frame"),
        ({"radii": [900.0, 3300.0]}, "outside the frame"),
        ({"angles_deg": [-15.0, 15.0]}, "not the sector on the screen"),
        ({"apex": [290.0, -60.0]}, "not the sector on the screen"),
    ],
)
def test_a_geometry_of_another_picture_is_refused(
    engine: OpenVinoEngine, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    session = BeamSpaceSession(engine, geometry=parse_geometry(str(written(tmp_path, values(FANS[0], **changes)))))
    with pytest.raises(ConfigError, match=said):
        session.step(phantom(FANS[0]))


def test_a_changed_sector_is_derived_anew_or_its_mask_is_withheld(engine: OpenVinoEngine, tmp_path: Path) -> None:
    derived = BeamSpaceSession(engine, geometry=BeamsOfSector(), temporal=None)
    given = BeamSpaceSession(engine, geometry=BeamFile.read(written(tmp_path, values(FANS[0]))), temporal=None)
    for index in range(20):
        derived.step(phantom(FANS[0], index))
        assert given.step(phantom(FANS[0], index)).labels.any()
    for index in range(20, 80):
        frame = phantom(DEEPER, index)
        found, withheld = derived.step(frame), given.step(frame)
    assert_equal_within_a_pixel(found.labels, Session(engine, temporal=None, locator=WholeFrame()).step(frame).labels)
    assert "give the geometry of this depth and probe" in withheld.reason
    assert not withheld.labels.any()
    for index in range(80, 140):
        again = given.step(phantom(FANS[0], index))
    assert again.labels.any()
    assert "geometry" not in again.reason, "the depth of the file is back"


class ScriptedLocator:
    """Gives one sector after another, and the last one from then on."""

    def __init__(self, *sectors: Sector) -> None:
        self._left = list(sectors)

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """Return the next sector."""
        return (self._left.pop(0) if len(self._left) > 1 else self._left[0]), ""

    def forget(self) -> None:
        """Do nothing."""


def with_ragged_end(sector: Sector) -> Sector:
    """Return the sector with one low corner pulled up, so that its lower end is no arc."""
    corners = np.array(sector.outline)
    lowest = int(np.argmax(corners[:, 1]))
    corners[lowest, 1] -= 0.1 * np.ptp(corners[:, 1])
    ragged = replace(sector, outline=as_outline(corners))
    with pytest.raises(ConfigError, match="its lower end is not an arc"):
        fan_of_sector(ragged)
    return ragged


def test_a_worse_outline_of_the_same_layout_keeps_the_beams_and_says_so(engine: OpenVinoEngine) -> None:
    good = SectorFinder().observe(phantom(FANS[0]))[0]
    bad = with_ragged_end(good)
    assert bad.overlap(good) > 0.8
    session = BeamSpaceSession(engine, geometry=BeamsOfSector(), temporal=None, locator=ScriptedLocator(good, bad, bad, good))
    first, second, third, fourth = (session.step(phantom(FANS[0], index)) for index in range(4))
    for found in (first, second, third, fourth):
        assert_equal_within_a_pixel(found.labels, first.labels)
    assert "the beams are those of the sector before" in second.reason
    assert "the beams are those of the sector before" in third.reason
    assert "beams" not in first.reason + fourth.reason


def test_another_layout_without_beams_has_no_mask(engine: OpenVinoEngine) -> None:
    good = SectorFinder().observe(phantom(FANS[0]))[0]
    other = box_sector((20, 20, 150, 100), SIZE)
    session = BeamSpaceSession(engine, geometry=BeamsOfSector(), temporal=None, locator=ScriptedLocator(good, other))
    assert session.step(phantom(FANS[0])).labels.any()
    withheld = session.step(phantom(FANS[0], 1))
    assert (withheld.labels.any(), withheld.confidence) == (False, (0.0,))
    assert "it is not a fan: give --beam-space FILE.json" in withheld.reason
    held = [session.step(replace(phantom(FANS[0], 1), index=index, captured_ns=index * 40_000_000)) for index in range(2, 20)]
    assert held[-1].life is Life.HELD
    assert "it is not a fan" in held[-1].reason


@pytest.mark.parametrize("kind", ["sector", "file"])
def test_a_replay_in_beam_space_gives_the_masks_of_the_recording(engine: OpenVinoEngine, tmp_path: Path, kind: str) -> None:
    geometry = parse_geometry("sector" if kind == "sector" else str(written(tmp_path, values(FANS[0]))))

    class PhantomSource:
        info = StreamInfo(*SIZE, 25.0)

        def __iter__(self) -> Iterator[Frame]:
            return (phantom(FANS[0], index) for index in range(8))

        def close(self) -> None:
            """Do nothing."""

    session = RedactedBeamSpaceSession(engine, geometry=geometry)
    folder = tmp_path / "recording"
    masks = [result.segmentation.labels for result in Pipeline(PhantomSource(), session, RecordSink(folder, session))]
    assert all(mask.any() for mask in masks)
    again = ReplayedBeamSpaceSession(engine, geometry=geometry)
    replayed = [result.segmentation.labels for result in Pipeline(open_source(f"replay:{folder}"), again)]
    assert (again.equal, again.different) == (8, 0)
    assert np.array_equal(masks, replayed)


def test_before_the_fan_is_found_there_is_no_mask(engine: OpenVinoEngine) -> None:
    session = BeamSpaceSession(engine, geometry=BeamsOfSector())
    flat = Frame(to_fan(np.full((64, 64), 160, np.uint8), FANS[0], SIZE), 0, 0)  # as a menu
    found = session.step(flat)
    assert session.sector.kind is SectorKind.UNKNOWN
    assert not found.labels.any()
    assert found.confidence == (0.0,)
    assert "the fan is not found yet" in found.reason


@pytest.mark.parametrize("kind", ["point", "box", "mask", "stroke"])
def test_what_is_pointed_at_on_the_screen_is_followed_in_the_lines(tmp_path: Path, kind: str) -> None:
    disk = cv2.circle(np.zeros(SIZE, np.uint8), (190, 170), 20, 1, -1) > 0
    prompts = {
        "point": Prompt(points=((190, 170),)),
        "box": Prompt(box=(160, 140, 60, 60)),
        "mask": Prompt(mask=disk),
        "stroke": Prompt(strokes=(((180, 170), (200, 170)),)),
    }
    tracking = OpenVinoEngine(trackers.tracker(tmp_path / "track.onnx", size=(192, 192)))
    session = BeamSpaceSession(tracking, geometry=parse_geometry(str(written(tmp_path, values(FANS[0])))), locator=WholeFrame())
    session.prompt(prompts[kind])
    for index in range(7):
        found = session.step(phantom(FANS[0], index))
    assert found.labels[170, 190] == 1
    assert not found.labels[245, 200]  # the line is no part of it
    assert found.objects is not None
    assert found.objects["object"].centroid == pytest.approx((170, 190), abs=6)
    tracking.close()


def test_a_prompt_is_held_until_the_fan_is_found(tmp_path: Path) -> None:
    tracking = OpenVinoEngine(trackers.tracker(tmp_path / "track.onnx", size=(192, 192)))
    good = SectorFinder().observe(phantom(FANS[0]))[0]
    locator = ScriptedLocator(unknown_sector(SIZE), unknown_sector(SIZE), good)
    session = BeamSpaceSession(tracking, geometry=BeamsOfSector(), locator=locator)
    session.prompt(Prompt(points=((190, 170),)))
    seen = [bool(session.step(phantom(FANS[0], index)).labels.any()) for index in range(5)]
    assert not any(seen[:2])
    assert seen[-1]
    tracking.close()


def test_a_picture_without_a_fan_is_refused(engine: OpenVinoEngine) -> None:
    ultrasound_all_over = np.random.default_rng(0).integers(100, 255, SIZE, np.uint8)
    with pytest.raises(ConfigError, match=r"it is not a fan: give --beam-space FILE.json"):
        BeamSpaceSession(engine, geometry=BeamsOfSector()).step(Frame(ultrasound_all_over, 0, 0))


def test_a_network_that_gives_ellipses_is_refused(engine: OpenVinoEngine) -> None:
    class Elliptic:
        spec = replace(engine.spec, ellipse=engine.spec.classes)

    with pytest.raises(ConfigError, match="leave --beam-space out"):
        BeamSpaceSession(Elliptic(), geometry=BeamsOfSector())  # type: ignore[arg-type]
