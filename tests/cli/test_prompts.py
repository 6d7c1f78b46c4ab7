"""Tests of `rtseg run --prompt`: what is pointed at is followed by name, and what cannot be is refused in one line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import trackers
from typer.testing import CliRunner, Result

from rtseg.cli.app import app
from rtseg.cli.options.prompts import PromptOptions, chosen_model
from rtseg.errors import ConfigError


def rtseg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trackers.tracker(tmp_path_factory.mktemp("cli") / "track.onnx", 4)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures with two blobs."""
    folder = tmp_path_factory.mktemp("clip")
    for index in range(8):
        cv2.imwrite(str(folder / f"{index:03d}.png"), trackers.blobs(index, (12, 8), (60, 8)).image)
    return folder


def lines_of(clip: Path, tracker: Path, folder: Path, *options: object) -> list[dict]:
    done = rtseg("run", clip, "--model", tracker, "--sector", "off", "--json", folder / "out.jsonl", *options)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()][1:]


def test_objects_are_followed_by_name_from_their_frame_on(clip: Path, tracker: Path, tmp_path: Path):
    named = ("--prompt", "20,16", "--name", "tumor", "--prompt", "box:60,8,16,16", "--name", "vein", "--at", 0, "--at", 3)
    lines = lines_of(clip, tracker, tmp_path, *named, "--masks", tmp_path / "masks")
    assert [list(line["objects"]) for line in lines] == [["tumor"]] * 3 + [["tumor", "vein"]] * 5
    assert not any(one["lost"] for line in lines for one in line["objects"].values())
    mask = cv2.imread(str(tmp_path / "masks" / "000007.png"), cv2.IMREAD_UNCHANGED)
    assert (mask[16, 20], mask[16, 68], mask[50, 50]) == (1, 2, 0)


def test_a_mask_file_shows_an_object(clip: Path, tracker: Path, tmp_path: Path):
    mask = np.zeros(trackers.SIZE, np.uint8)
    mask[8:24, 60:76] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    (line, *_) = lines_of(clip, tracker, tmp_path, "--prompt", tmp_path / "mask.png")
    assert line["objects"]["object"]["centroid"] == pytest.approx((15.5, 67.5), abs=1)


def test_without_a_prompt_one_line_says_what_to_do(clip: Path, tracker: Path):
    done = rtseg("run", clip, "--model", tracker)
    assert done.exit_code == 0
    assert done.output.count("nothing is followed yet") == 1
    assert "familiar" not in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "200,16"], "outside the picture"),
        (["--prompt", "20;16"], "--prompt is not '20;16'"),
        (["--prompt", "box:1,2,3"], "--prompt is not"),
        (["--prompt", "no-such.png"], "--prompt is not"),
        (["--prompt", "20,16", "--at", "8"], "--at 8 lies beyond the end: the source has 8 frames"),
        (["--prompt", "not:20,16"], "only takes away"),
        (["--at", "3"], "give --prompt too"),
        (["--prompt", "20,16", "--at", "1", "--at", "2"], "--at is given 2 times and --prompt 1 times"),
        ([part for k in range(50) for part in ("--prompt", f"{k},16")], "follows 4 objects"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_one_line(clip: Path, tracker: Path, options: list[str], message: str):
    done = rtseg("run", clip, "--model", tracker, "--sector", "off", *options)
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())


def test_a_prompt_for_a_network_of_classes_is_refused(tiny: Path):
    done = rtseg("run", "synthetic:vessel?height=64&width=96&frames=2", "--model", tiny, "--prompt", "20,16")
    assert "follows nothing that is pointed at" in done.output


def test_a_mask_of_another_size_is_refused(clip: Path, tracker: Path, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((10, 10), 255, np.uint8))
    done = rtseg("run", clip, "--model", tracker, "--prompt", tmp_path / "mask.png")
    assert "the mask is 10x10 and the picture 96x64 pixels" in done.output


def given(*texts: str, **options: list) -> list[tuple]:
    return [(one.name, one.at) for one in PromptOptions(list(texts), **options).parse()]


def test_each_prompt_is_an_object_unless_it_takes_away_or_has_the_same_name():
    assert given("1,2") == [("object", 0)]
    assert given("1,2", "not:3,4") == [("object", 0)]
    assert given("1,2", "not:3,4", "5,6", at=[7]) == [("object 1", 7), ("object 2", 7)]
    assert given("1,2", "5,6", name=["tumor"]) == [("tumor", 0)]
    assert given("1,2", "5,6", name=["a", "b"], at=[0, 9]) == [("a", 0), ("b", 9)]
    (both,) = PromptOptions(["1,2", "not:3,4", "box:0,0,9,9"], name=["a"]).parse()
    assert (both.prompt.points, both.prompt.other_points, both.prompt.box) == (((1, 2),), ((3, 4),), (0, 0, 9, 9))


def test_the_model_goes_by_the_number_of_objects():
    one, two, five = (PromptOptions([f"{k},1" for k in range(count)]).parse() for count in (1, 2, 5))
    assert (chosen_model("", []), chosen_model("", one), chosen_model("", two)) == ("carotid", "track", "track-4")
    assert chosen_model("own.onnx", two) == "own.onnx"
    with pytest.raises(ConfigError, match="shows 5 objects, and 4 at most"):
        chosen_model("", five)


def test_a_preview_is_called_one_and_the_models_that_ship_are_not(capsys):
    for name, is_preview in {"track": True, "track-4": True, "carotid": False, "own/track.onnx": False}.items():
        assert chosen_model(name, []) == name
        assert (f"{name} is a preview that misses its aims" in " ".join(capsys.readouterr().out.split())) is is_preview


def test_what_is_pointed_at_is_followed_without_a_model(tmp_path):
    source = "synthetic:vessel?seed=7&height=240&width=240&frames=12"
    done = CliRunner().invoke(
        app, ["run", source, "--prompt", "120,120", "--prompt", "60,60", "--json", str(tmp_path / "a.jsonl")]
    )
    assert done.exit_code == 0, done.output
    last = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[-1])
    assert set(last["objects"]) == {"object 1", "object 2"}
