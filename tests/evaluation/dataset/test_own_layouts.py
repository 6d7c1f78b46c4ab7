"""Tests that own data are read in the layouts in which annotation tools and public datasets leave them."""

import base64
import json

import av
import cv2
import numpy as np
import pytest

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import open_dataset, report_names, scans
from rtseg.evaluation.dataset.drawn_region import PolygonRegion, coco_counts

SIZE = (30, 40)  # H, W
SQUARE = [[10, 5], [20, 5], [20, 15], [10, 15]]  # x, y: 10 by 10 pixels


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def gray(level=90, size=SIZE):
    return np.full(size, level, np.uint8)


def block(value=255, rows=slice(5, 15), columns=slice(10, 20)):
    mask = np.zeros(SIZE, np.uint8)
    mask[rows, columns] = value
    return mask


def expected():
    return block(1)


@pytest.mark.parametrize("word", ["_mask", "-mask", "_seg", "_gt", "_Mask", " mask"])
def test_a_mask_beside_its_picture(tmp_path, word):
    save(tmp_path / "patient1_frame2.jpg", np.dstack([gray(10), gray(200), gray(30)]))
    save(tmp_path / f"patient1_frame2{word}.png", block())
    (case,) = open_dataset(tmp_path)
    assert (case.name, case.subject, case.order) == ("patient1_frame2", "patient1", 2)
    assert np.array_equal(case.labels(["lumen"]), expected())
    assert case.image().shape == (*SIZE, 3)
    assert case.grey().shape == SIZE


def test_busi_joins_several_masks_and_reads_empty_ones(tmp_path):
    for folder, name in (("benign", "benign (1)"), ("normal", "normal (1)"), ("malignant", "malignant (1)")):
        save(tmp_path / folder / f"{name}.png", gray())
    save(tmp_path / "benign" / "benign (1)_mask.png", block())
    save(tmp_path / "benign" / "benign (1)_mask_1.png", block(rows=slice(20, 25)))
    save(tmp_path / "normal" / "normal (1)_mask.png", block(0))
    save(tmp_path / "malignant" / "malignant (1)_mask.png", block())
    cases = {case.name: case for case in open_dataset(tmp_path)}
    assert list(cases) == ["benign/benign (1)", "malignant/malignant (1)", "normal/normal (1)"]
    assert np.array_equal(cases["benign/benign (1)"].labels(1), np.maximum(expected(), block(1, rows=slice(20, 25))))
    assert not cases["normal/normal (1)"].labels(1).any()
    with pytest.raises(DatasetError, match="2 masks of a picture, which are joined, and there are 2 classes"):
        cases["benign/benign (1)"].labels(2)


def test_what_has_no_partner_or_another_size_is_counted_by_name(tmp_path, caplog):
    for name in "abcd":
        save(tmp_path / f"{name}.png", gray())
    save(tmp_path / "a_mask.png", block())
    save(tmp_path / "b_mask.png", gray(0, (31, 40)))
    save(tmp_path / "e_mask.png", block())
    assert [case.name for case in open_dataset(tmp_path)] == ["a"]
    assert "left out 1 of another size than the picture: b.png" in caplog.text
    assert "left out 2 without a mask: c.png, d.png" in caplog.text
    assert "left out 1 without its picture: e_mask.png" in caplog.text


def test_nothing_but_pictures_without_masks_is_refused(tmp_path):
    save(tmp_path / "a.png", gray())
    save(tmp_path / "a_mask.png", gray(0, (9, 9)))
    with pytest.raises(DatasetError, match=r"no picture with its mask \(1 of another size .*: a\.png\)"):
        open_dataset(tmp_path)


def test_masks_in_their_own_folder_may_add_a_word(tmp_path):
    save(tmp_path / "images" / "a.png", gray())
    save(tmp_path / "masks" / "a_mask.png", block())
    assert [case.name for case in open_dataset(tmp_path)] == ["a"]
    save(tmp_path / "masks" / "a.png", block())
    with pytest.raises(DatasetError, match=r"2 masks of .* are of 'a': keep one of them"):
        open_dataset(tmp_path)


def labelme(path, shapes, **values):
    table = {"imagePath": f"{path.stem}.png", "imageHeight": SIZE[0], "imageWidth": SIZE[1], "shapes": shapes}
    path.write_text(json.dumps(table | values))


def shape(label, points, kind="polygon", **values):
    return {"label": label, "points": points, "shape_type": kind} | values


def test_labelme(tmp_path, caplog):
    for name in ("a", "b", "c", "d"):
        save(tmp_path / f"{name}.png", gray())
    coded = base64.b64encode(cv2.imencode(".png", np.full((10, 10), 255, np.uint8))[1].tobytes()).decode()
    labelme(tmp_path / "a.json", [shape("Nerve", SQUARE), shape("vessel", [[30, 20]], "point")])
    labelme(tmp_path / "b.json", [shape("vessel", [[10, 5], [20, 15]], "rectangle")], imagePath="..\\photos\\b.png")
    labelme(tmp_path / "c.json", [shape("vessel", [[10, 5], [19, 14]], "mask", mask=coded)])
    labelme(tmp_path / "d.json", [])
    labelme(tmp_path / "gone.json", [])
    a, b, c, d = open_dataset(tmp_path)
    classes = ["vessel", "nerve"]
    assert np.array_equal(a.labels(classes), 2 * expected())
    assert np.array_equal(b.labels(classes), expected())
    assert np.array_equal(c.labels(classes), expected())
    assert not d.labels(classes).any()
    assert "left out 1 without its picture: gone.json" in caplog.text
    assert "1 point shapes, which enclose nothing: a.json" in caplog.text
    with pytest.raises(DatasetError, match="names its labels Nerve, vessel: give the classes by name"):
        a.labels(2)
    with pytest.raises(DatasetError, match="has the labels Nerve, vessel, and the classes are lesion: name both alike"):
        a.labels(["lesion"])
    report_names((a, b), ["nerve"])
    assert "the labels vessel are none of the classes, and count as background" in caplog.text


def test_a_circle_of_labelme_and_a_shape_that_is_broken(tmp_path):
    save(tmp_path / "a.png", gray())
    labelme(tmp_path / "a.json", [shape("x", [[20, 15], [20, 25]], "circle")])
    (case,) = open_dataset(tmp_path)
    assert case.labels(["x"]).sum() == pytest.approx(np.pi * 100, rel=0.02)
    labelme(tmp_path / "a.json", [shape("x", [[20, 15]], "polygon")])
    with pytest.raises(DatasetError, match=r"a\.json has a shape that cannot be read .*a polygon of 1 points"):
        open_dataset(tmp_path)


def compressed(counts):
    """Encode run lengths as COCO does."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr(bits + (0x20 if more else 0) + 48)
    return text


def runs(mask):
    flat, counts, now = mask.T.ravel() > 0, [], False
    while flat.size:
        length = int(np.argmax(flat != now)) if (flat != now).any() else flat.size
        counts.append(length)
        flat, now = flat[length:], not now
    return counts


def coco(path, images, annotations, categories=((1, "vessel"), (2, "nerve"))):
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [{"id": place, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for place, name in enumerate(images)]
    named = [{"id": number, "name": name} for number, name in categories]
    path.write_text(json.dumps({"images": listed, "annotations": annotations, "categories": named}))


def test_coco_with_polygons_and_run_lengths(tmp_path, caplog):
    for name in "abcdef":
        save(tmp_path / "images" / f"{name}.png", gray())
    square = [value for point in SQUARE for value in point]
    drawn = [
        [square, [0, 0, 2, 0, 2, 2, 0, 2]],
        {"counts": runs(block()), "size": list(SIZE)},
        {"counts": compressed(runs(block())), "size": list(SIZE)},
        [],
    ]
    annotations = [{"image_id": k, "category_id": 2, "segmentation": one} for k, one in enumerate(drawn)]
    names = [f"{name}.png" for name in "abcde"]
    coco(tmp_path / "annotations" / "instances.json", [*names, "gone.png"], annotations)
    a, b, c, e = open_dataset(tmp_path)
    classes = ("vessel", "nerve")
    assert np.array_equal(a.labels(classes), 2 * np.maximum(expected(), block(1, slice(0, 2), slice(0, 2))))
    assert np.array_equal(b.labels(classes), 2 * expected())
    assert np.array_equal(c.labels(classes), 2 * expected())
    assert not e.labels(classes).any()
    for line in ("1 with a box and no outline: d.png", "1 without its picture: gone.png", "1 of 4 pictures have no annotation"):
        assert line in caplog.text
    assert "1 with" in caplog.text
    assert "images/f.png" in caplog.text


def test_coco_run_lengths_that_do_not_fill_the_picture(tmp_path):
    save(tmp_path / "a.png", gray())
    coco(tmp_path / "a.json", ["a.png"], [{"image_id": 0, "category_id": 1, "segmentation": {"counts": [3], "size": [*SIZE]}}])
    with pytest.raises(DatasetError, match="does not fill its picture"):
        open_dataset(tmp_path)


def test_a_picture_outside_the_folder_is_not_read(tmp_path):
    save(tmp_path / "secret.png", gray())
    save(tmp_path / "data" / "a.png", gray())
    coco(tmp_path / "data" / "a.json", ["../secret.png", str(tmp_path / "secret.png"), "a.png"], [])
    assert [case.name for case in open_dataset(tmp_path / "data")] == ["a"]


@pytest.mark.parametrize("counts", [[5, 3, 1000, 2, 70, 1], [0, 1200], [1200], [31, 32, 33, 1, 64, 999]])
def test_compressed_run_lengths(counts):
    assert list(coco_counts(compressed(counts))) == counts


def test_a_polygon_covers_the_pixels_whose_centers_it_holds():
    path = pytest.importorskip("matplotlib.path")
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    centers = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], -1)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        turns = np.sort(rng.uniform(0, 2 * np.pi, 9))
        corners = np.stack([20 + rng.uniform(3, 22, 9) * np.cos(turns), 15 + rng.uniform(3, 18, 9) * np.sin(turns)], -1)
        ours = PolygonRegion("", (tuple(map(tuple, corners.tolist())),)).mask(SIZE)
        assert np.array_equal(ours, path.Path(corners).contains_points(centers).reshape(SIZE))


def nnunet(folder, labels, names=("scan1_frame1", "scan1_frame2", "scan2_frame1")):
    for name in names:
        save(folder / "imagesTr" / f"{name}_0000.png", gray())
        save(folder / "labelsTr" / f"{name}.png", block(2))
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "US"}, "labels": labels, "file_ending": ".png"}))
    return folder


@pytest.mark.parametrize(
    "labels", [{"background": 0, "nerve": 1, "vessel": 2}, {"0": "background", "1": "nerve", "2": "vessel"}], ids=["v2", "v1"]
)
def test_nnunet_by_the_names_of_its_labels(tmp_path, labels):
    cases = open_dataset(nnunet(tmp_path, labels))
    assert {scan: len(group) for scan, group in scans(cases).items()} == {"scan1": 2, "scan2": 1}
    assert np.array_equal(cases[0].labels(["vessel", "nerve"]), expected())
    assert np.array_equal(cases[0].labels(["vessel"]), expected())


def test_nnunet_with_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    for folder, name, mask in (("imagesTr", "a_0000", gray()), ("labelsTr", "a", block(1))):
        (tmp_path / folder).mkdir()
        nibabel.save(nibabel.Nifti1Image(mask.T[..., None], np.eye(4)), tmp_path / folder / f"{name}.nii.gz")
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "lumen": 1}}')
    (case,) = open_dataset(tmp_path)
    assert (case.name, case.spacing_mm) == ("a", None)
    image, labels = case.image_and_labels(["lumen"])
    assert image.shape == labels.shape == SIZE
    assert labels.sum() == 100


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "all": [1, 2]}, "trains regions of several labels"),
        ({"background": 0, "a": 1, "b": 1}, "gives two labels one value, or none"),
        ({"background": 0}, "gives two labels one value, or none"),
        ([], "cannot be read"),
    ],
)
def test_a_dataset_json_that_is_refused(tmp_path, labels, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(nnunet(tmp_path, labels))


def test_nnunet_with_a_value_or_a_channel_too_many(tmp_path):
    folder = nnunet(tmp_path, {"background": 0, "lumen": 1})
    with pytest.raises(DatasetError, match=r"holds the value 2, which is no class of dataset\.json"):
        open_dataset(folder)[0].labels(["lumen"])
    save(folder / "imagesTr" / "scan1_frame1_0001.png", gray())
    with pytest.raises(DatasetError, match="is a further channel"):
        open_dataset(folder)


def ddti(folder, svg):
    folder.mkdir(exist_ok=True)
    marks = f"<mark><image>1</image><svg>{svg}</svg></mark><mark><image>2</image><svg></svg></mark>"
    (folder / "7.xml").write_text(f"<case><number>7</number>{marks}</case>")
    for number in (1, 2):
        save(folder / f"7_{number}.jpg", gray())


def test_ddti(tmp_path, caplog):
    ddti(tmp_path, json.dumps([{"points": [{"x": x, "y": y} for x, y in SQUARE], "regionType": "freehand"}]))
    (case,) = open_dataset(tmp_path)
    assert (case.name, case.subject, case.order) == ("7_1", "7", 1)
    assert np.array_equal(case.labels(["nodule"]), expected())
    assert "left out 1 without a mask: 7_2.jpg" in caplog.text
    with pytest.raises(DatasetError, match="draws regions of one class without a name"):
        case.labels(["nodule", "cyst"])


@pytest.mark.parametrize("svg", ["[{]", '[{"corners": []}]'])
def test_ddti_with_a_broken_outline(tmp_path, svg):
    ddti(tmp_path, svg)
    with pytest.raises(DatasetError, match=r"7\.xml has an outline that cannot be read"):
        open_dataset(tmp_path)


def test_xml_with_declarations_is_not_parsed(tmp_path):
    (tmp_path / "1.xml").write_text('<!DOCTYPE case [<!ENTITY a "b">]><case><mark><svg>&a;</svg></mark></case>')
    with pytest.raises(DatasetError, match="with declarations"):
        open_dataset(tmp_path)


def video(path, frames=4):
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", 25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "gray"
        for place in range(frames):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(gray(20 * place), "gray")))
        file.mux(stream.encode(None))


@pytest.mark.parametrize(("folder", "numbers", "first"), [("a_masks", (0, 2), 0), ("masks", (1, 4), 1), ("a_from1", (2, 3), 1)])
def test_a_video_and_its_masks(tmp_path, folder, numbers, first):
    video(tmp_path / "a.mkv")
    for number in numbers:
        save(tmp_path / folder / f"mask{number:04d}.png", block(1))
    cases = open_dataset(tmp_path)
    assert [(case.subject, case.order) for case in cases] == [("a", number - first) for number in numbers]
    assert [int(case.image().mean()) for case in reversed(cases)] == [20 * (number - first) for number in reversed(numbers)]
    assert np.array_equal(cases[0].labels(1), expected())


def test_numbers_that_may_begin_with_0_or_1_are_refused(tmp_path):
    video(tmp_path / "a.mkv")
    save(tmp_path / "a_masks" / "2.png", block(1))
    with pytest.raises(
        DatasetError, match="say whether the first frame is 0 or 1, and rename it a_masks_from0 or a_masks_from1"
    ):
        open_dataset(tmp_path)
    (tmp_path / "a_masks").rename(tmp_path / "a_masks_from0")
    assert open_dataset(tmp_path)[0].order == 2
    save(tmp_path / "a_masks_from0" / "4.png", block(1))
    with pytest.raises(DatasetError, match=r"has masks of 2 to 4, and a\.mkv 4 frames: remove those beyond"):
        open_dataset(tmp_path)


def test_a_folder_of_two_layouts_is_refused(tmp_path):
    save(tmp_path / "a.png", gray())
    save(tmp_path / "a_mask.png", block())
    labelme(tmp_path / "a.json", [shape("x", SQUARE)])
    with pytest.raises(DatasetError, match="holds masks beside the pictures and LabelMe: which is the truth"):
        open_dataset(tmp_path)
