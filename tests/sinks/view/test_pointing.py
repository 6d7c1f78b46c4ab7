"""Point at the page of `rtseg run --view` by plain HTTP: what is pointed at is followed."""

import numpy as np
import pytest
from pointed_stream import LEFT, ON_LEFT, ON_RIGHT, RIGHT, Stream
from trackers import blobs

from rtseg.frame import Frame, Life
from rtseg.result import Redaction


def test_a_point_starts_an_object_and_the_page_lists_it(stream: Stream):
    nothing = {"objects": [], "next_name": "object", "can_undo": False, "waiting": 0, "refusals": 0, "refused": ""}
    assert stream.pointing == nothing
    assert stream.point(point=ON_LEFT) == (200, "{}")
    assert stream.pointing["waiting"] == 1
    found = stream.step(3)
    assert found.segmentation.mask("object")[16, 20]
    assert not found.segmentation.mask("object")[16, 68]
    told = stream.pointing
    (one,) = told["objects"]
    assert (one["name"], one["lost"], told["next_name"], told["waiting"]) == ("object", False, "object-2", 0)
    assert one["area_px"] == found.segmentation.area_px("object")
    assert one["confidence"] > 0.9


def test_a_box_and_a_second_object(stream: Stream):
    stream.point(point=ON_LEFT)
    assert stream.point("vein", box=[60 / 96, 8 / 64, 16 / 96, 16 / 64]) == (200, "{}")
    found = stream.step(2).segmentation
    assert found.classes == ("object", "vein")
    assert found.objects["vein"].centroid == pytest.approx((15.5, 67.5), abs=1)


def test_what_is_taken_away_is_gone(stream: Stream):
    stream.point("both", point=ON_LEFT)
    stream.point("both", point=ON_RIGHT)
    before = stream.step(3).segmentation
    assert before.mask("both")[16, 68]
    assert stream.point("both", other_point=ON_RIGHT) == (200, "{}")
    after = stream.step(3).segmentation
    assert after.mask("both")[16, 20]
    assert not after.mask("both")[16, 68]


def test_forget(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step()
    assert stream.post("forget", {"name": "object"}) == (200, "{}")
    assert stream.step().segmentation.objects == {}
    status, text = stream.post("forget", {"name": "object"})
    assert (status, text) == (400, "there is no object 'object' to forget: none is followed")


def test_undo_forgets_what_was_new(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.point("vein", point=ON_RIGHT)
    stream.step()
    assert stream.post("undo", {})[0] == 200
    assert stream.step().segmentation.classes == ("object",)
    assert stream.post("undo", {})[0] == 200
    assert stream.step().segmentation.classes == ()
    assert stream.post("undo", {}) == (400, "there is nothing to undo: point at a structure first")


def test_undo_brings_a_corrected_mask_back(stream: Stream):
    stream.point(point=ON_LEFT)
    before = stream.step(3).segmentation.labels.copy()
    stream.point(point=ON_RIGHT)
    assert stream.step(2).segmentation.mask("object")[16, 68]
    assert stream.post("undo", {}) == (200, "{}")
    after = stream.step(2).segmentation.labels
    assert np.count_nonzero(after != before) < 0.02 * np.count_nonzero(before)


def test_undo_brings_a_forgotten_object_back(stream: Stream):
    stream.point("tumor", point=ON_LEFT)
    stream.step(2)
    stream.post("forget", {"name": "tumor"})
    stream.step()
    assert stream.post("undo", {}) == (200, "{}")
    assert stream.step().segmentation.mask("tumor")[16, 20]


def test_undo_of_an_old_correction_is_refused_and_changes_nothing(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step(2)
    stream.point(point=ON_RIGHT)
    stream.step(80)  # 3.2 s
    status, text = stream.post("undo", {})
    assert (status, text) == (400, "the mask of 'object' to go back to is 3 s old: correct the object by another click")
    assert list(stream.session.objects) == ["object"]


def test_an_object_that_the_session_dropped_blocks_no_undo(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step()
    stream.point("vein", point=ON_RIGHT)
    stream.session.forget("vein")
    stream.step()
    assert stream.post("undo", {})[0] == 400
    assert stream.post("undo", {})[0] == 200
    assert stream.step().segmentation.objects == {}


def test_a_lost_object_has_no_area_in_the_list_and_the_curve(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step(3)
    stream.step(5, RIGHT)
    (one,) = stream.pointing["objects"]
    assert (one["lost"], one["area_px"]) == (True, None)
    areas = stream.sink.screen.snapshot()["curve"]["areas"]["object"]
    assert areas[:3] == [None] * 3  # before it was pointed at
    assert areas[4] > 200
    assert areas[-1] is None


def test_the_curve_of_an_object_stays_its_own_when_another_is_forgotten(stream: Stream):
    stream.point("small", point=ON_LEFT)
    stream.point("both", point=ON_RIGHT)
    stream.point("both", point=ON_LEFT)
    stream.step(2)
    stream.post("forget", {"name": "small"})
    found = stream.step(2).segmentation
    areas = stream.sink.screen.snapshot()["curve"]["areas"]
    assert areas == {"both": [None] * 3 + [pytest.approx(found.area_px("both"), abs=260)] * 4}


def test_a_frozen_picture_takes_prompts(stream: Stream):
    still = blobs(2, LEFT, RIGHT).image
    for index in range(50):  # held for 2 s
        stream.write(Frame(still, 3 + index, (3 + index) * 40_000_000))
    assert stream.point(point=ON_LEFT) == (200, "{}")
    found = stream.write(Frame(still, 53, 53 * 40_000_000)).segmentation
    assert found.life is Life.HELD
    assert found.mask("object")[16, 20]


def test_an_old_picture_is_not_pointed_at(stream: Stream):
    number = stream.sink.screen.prompts._pictures._number
    stream.step(20)
    assert stream.point(picture=number, point=ON_LEFT)[0] == 200
    stream.step(20)
    status, text = stream.point(picture=number, point=ON_LEFT)
    assert (status, text) == (400, "the picture that you pointed at is 1.6 s old: point at one that is newer")
    status, text = stream.point(picture=10**9, point=ON_LEFT)
    assert (status, text) == (400, "the picture that you pointed at is gone: point at the one that is shown")


def test_a_picture_before_a_cut_is_not_pointed_at(stream: Stream):
    number = stream.sink.screen.prompts._pictures._number
    stream.session.reset("another scene")
    assert stream.step().segmentation.life is Life.NEW
    status, text = stream.point(picture=number, point=ON_LEFT)
    assert (status, text) == (400, "the view changed since you pointed: point at the picture that is shown now")


def test_a_withheld_picture_is_not_pointed_at(stream: Stream):
    stream.step(redaction=Redaction("strict", "unknown", 1, 0, is_withheld=True))
    status, text = stream.point(point=ON_LEFT)
    assert (status, text) == (400, "the ultrasound is withheld from the picture: point at it once it is shown")


def test_each_drawing_side_by_side_can_be_pointed_at(stream: Stream):
    class Twice:
        def draw(self, result, out=None):
            return np.repeat(np.hstack([result.frame.image] * 2)[..., None], 3, 2)

    stream.sink.screen.painter = Twice()
    stream.step()
    assert stream.point(point=[0.5 + ON_LEFT[0] / 2, ON_LEFT[1]]) == (200, "{}")
    assert stream.step().segmentation.mask("object")[16, 20]
