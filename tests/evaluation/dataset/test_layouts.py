"""Tests the reading of HC18 and CAMUS as downloaded, and of damaged copies."""

import cv2
import numpy as np
import pytest

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import open_dataset, scans, split
from rtseg.measure.ventricle import disc_volume
from rtseg.sources.synthetic.probe import open_synthetic

nibabel = pytest.importorskip("nibabel")


@pytest.fixture
def hc18(tmp_path):
    """Write two exams of HC18, one of them with two images, and the table beside the folder."""
    folder = tmp_path / "training_set"
    folder.mkdir()
    for stem in ("000_HC", "010_HC", "010_2HC"):
        outline = cv2.ellipse(np.zeros((60, 80), np.uint8), (40, 30), (25, 18), 20, 0, 360, 255, 1)
        assert cv2.imwrite(str(folder / f"{stem}.png"), np.full((60, 80), 50, np.uint8))
        assert cv2.imwrite(str(folder / f"{stem}_Annotation.png"), outline)
    rows = "filename,pixel size(mm),head circumference (mm)\n000_HC.png,0.07,44.3\n"
    (tmp_path / "training_set_pixel_size_and_HC.csv").write_text(rows)
    return folder


def volume(path, planes, zooms, unit="unknown"):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = nibabel.Nifti1Image(planes, np.eye(4))
    file.header.set_zooms(zooms)
    file.header.set_xyzt_units(unit)
    nibabel.save(file, path)


@pytest.fixture
def camus(tmp_path):
    """Write two patients of CAMUS: one with a sequence and its ED frame, one with ED and ES frames only."""
    x, y = np.meshgrid(np.arange(40), np.arange(30), indexing="ij")
    picture = (4 * x + y).astype(np.uint8)  # (x, y): brighter to the right
    truth = (x > 20).astype(np.uint8) + (y > 15).astype(np.uint8)
    frames = np.stack([picture, picture + 1, picture + 2], -1)
    for view in ("2CH", "4CH"):
        stem = tmp_path / "patient0001" / f"patient0001_{view}"
        volume(stem.with_name(f"{stem.name}_half_sequence.nii.gz"), frames, (0.3, 0.15, 1))
        volume(stem.with_name(f"{stem.name}_half_sequence_gt.nii.gz"), np.stack([truth] * 3, -1), (0.3, 0.15, 1))
        volume(stem.with_name(f"{stem.name}_ED.nii.gz"), picture, (0.3, 0.15))
        volume(stem.with_name(f"{stem.name}_ED_gt.nii.gz"), truth, (0.3, 0.15))
    for moment in ("ES", "ED"):
        stem = tmp_path / "patient0002" / f"patient0002_2CH_{moment}"
        volume(stem.with_name(f"{stem.name}.nii.gz"), picture, (0.3, 0.15))
        volume(stem.with_name(f"{stem.name}_gt.nii.gz"), truth, (0.3, 0.15))
    return tmp_path


def test_hc18_fills_the_outline_and_reads_the_table(hc18):
    first, second, third = open_dataset(hc18)
    assert [(case.subject, case.order) for case in (first, second, third)] == [("000", 1), ("010", 1), ("010", 2)]
    assert (first.spacing_mm, first.head_circumference_mm) == ((0.07, 0.07), 44.3)
    assert second.spacing_mm is None
    labels = first.labels(1)
    assert set(np.unique(labels)) == {0, 1}
    assert labels.sum() == pytest.approx(np.pi * 25 * 18, rel=0.06)


def test_hc18_without_the_hidden_files_of_macos(hc18):
    for path in (*hc18.iterdir(), hc18.parent / "training_set_pixel_size_and_HC.csv"):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    assert [case.name for case in open_dataset(hc18)] == ["000_HC", "010_HC", "010_2HC"]


def test_hc18_with_a_picture_or_numbers_lost(hc18):
    (hc18.parent / "training_set_pixel_size_and_HC.csv").write_text("filename,pixel size(mm)\n000_HC.png,wide\n")
    with pytest.raises(DatasetError, match=r"pixel_size_and_HC\.csv cannot be read .*: its columns are filename"):
        open_dataset(hc18)
    (hc18.parent / "training_set_pixel_size_and_HC.csv").unlink()
    (hc18 / "010_HC.png").unlink()
    with pytest.raises(DatasetError, match=r"has no 010_HC\.png beside it: copy it there"):
        open_dataset(hc18)


def test_camus_takes_the_sequence_where_there_is_one(camus):
    cases = open_dataset(camus)
    found = {scan: [case.name for case in group] for scan, group in scans(cases).items()}
    assert found["patient0001 2CH"] == [f"patient0001_2CH_half_sequence_{frame}" for frame in range(3)]
    assert found["patient0002 2CH"] == ["patient0002_2CH_ED", "patient0002_2CH_ES"]  # in the order of the heart beat
    assert list(found) == ["patient0001 2CH", "patient0001 4CH", "patient0002 2CH"]


def test_camus_is_upright_and_in_millimetres(camus):
    case = open_dataset(camus)[2]
    image, labels = case.image_and_labels(3)
    assert image.shape == labels.shape == (30, 40)
    assert image[0, 10] == 4 * 10 + 2
    assert labels[29].tolist() == [1] * 21 + [2] * 19
    assert case.spacing_mm == pytest.approx((0.15, 0.3))


def test_camus_is_split_by_patient_with_all_views(camus):
    training, held_out = split(open_dataset(camus), ["patient0001"])
    assert {case.subject for case in training} == {"patient0002"}
    assert {case.recording for case in held_out} == {"2CH", "4CH"}
    with pytest.raises(DatasetError, match="no subject 'patient0001 2CH' to hold out: there are patient0001, patient0002"):
        split(open_dataset(camus), ["patient0001 2CH"])


def test_camus_with_damaged_files(camus):
    image = camus / "patient0002" / "patient0002_2CH_ED.nii.gz"
    image.write_bytes(image.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"2CH_ED\.nii\.gz is cut off or damaged: 0 of its 1 frames"):
        [case.image() for case in open_dataset(camus)]
    volume(image, np.full((40, 30), 700, np.int16), (0.3, 0.15))
    with pytest.raises(DatasetError, match=r"grey levels from 700 to 700: scale them"):
        [case.image() for case in open_dataset(camus)]
    image.unlink()
    with pytest.raises(DatasetError, match=r"has no patient0002_2CH_ED\.nii\.gz beside it"):
        open_dataset(camus)


def test_hc18_outlines_that_the_picture_s_border_cuts_are_filled(hc18):
    cut, whole = np.zeros((540, 800), np.uint8), np.zeros((540, 800), np.uint8)
    for picture, thickness in ((cut, 1), (whole, cv2.FILLED)):
        cv2.ellipse(picture, (700, 270), (180, 140), 20, 0, 360, 255, thickness)
    assert cv2.imwrite(str(hc18 / "000_HC_Annotation.png"), cut)
    assert np.count_nonzero(open_dataset(hc18)[0].labels(1) != whole // 255) < 0.005 * whole.size / 4


def test_hc18_outlines_that_go_round_nothing(hc18):
    line = np.zeros((60, 80), np.uint8)
    line[20, 10:50] = 255
    assert cv2.imwrite(str(hc18 / "000_HC_Annotation.png"), line)
    with pytest.raises(DatasetError, match=r"000_HC_Annotation\.png shows an outline that goes round nothing: draw it closed"):
        open_dataset(hc18)[0].labels(1)


def test_camus_masks_of_near_whole_numbers(camus):
    path = camus / "patient0002" / "patient0002_2CH_ED_gt.nii.gz"
    truth = np.tile(np.arange(4, dtype=np.float32), (40, 10))[:, :30]
    volume(path, truth * np.float32(0.99999), (0.3, 0.15))
    case = open_dataset(camus)[-2]
    assert np.array_equal(case.labels(3), truth.T)


@pytest.mark.parametrize("wrong", [0.5, -1.0, np.nan, np.inf])
def test_camus_masks_of_other_numbers(camus, wrong):
    volume(camus / "patient0002" / "patient0002_2CH_ED_gt.nii.gz", np.full((40, 30), wrong, np.float32), (0.3, 0.15))
    with pytest.raises(DatasetError, match=r"2CH_ED_gt\.nii\.gz holds values that are no labels: save it as whole numbers"):
        open_dataset(camus)[-2].labels(3)


def test_camus_images_of_0_to_1_are_not_taken_for_black(camus):
    image = camus / "patient0002" / "patient0002_2CH_ED.nii.gz"
    volume(image, np.full((40, 30), 0.75, np.float32), (0.3, 0.15))
    with pytest.raises(DatasetError, match=r"grey levels from 0\.75 to 0\.75: scale them to 0\.\.255"):
        open_dataset(camus)[-2].image()


@pytest.mark.parametrize(
    ("unit", "zooms", "spacing_mm"),
    [
        ("meter", (0.0003, 0.00015), (0.15, 0.3)),
        ("micron", (300, 150), (0.15, 0.3)),
        ("unknown", (0.3, 0.15), (0.15, 0.3)),
        ("unknown", (1, 1), None),
    ],
)
def test_camus_pixel_sizes_in_the_header_s_unit(camus, unit, zooms, spacing_mm):
    volume(camus / "patient0002" / "patient0002_2CH_ED.nii.gz", np.zeros((40, 30), np.uint8), zooms, unit)
    assert open_dataset(camus)[-2].spacing_mm == (spacing_mm and pytest.approx(spacing_mm))


def test_camus_pixels_that_no_picture_has(camus):
    volume(camus / "patient0002" / "patient0002_2CH_ED.nii.gz", np.zeros((40, 30), np.uint8), (0.3, 0.15), "meter")
    with pytest.raises(DatasetError, match=r"has pixels of 150 x 300 mm: mend its header"):
        open_dataset(camus)


def test_camus_with_frames_that_nobody_drew(camus):
    truth = camus / "patient0001" / "patient0001_2CH_half_sequence_gt.nii.gz"
    volume(truth, np.zeros((40, 30, 2), np.uint8), (0.3, 0.15, 1))
    with pytest.raises(DatasetError, match=r"_gt\.nii\.gz has 2 frames and \w+_half_sequence\.nii\.gz 3: copy both"):
        open_dataset(camus)


def test_the_volumes_of_a_ventricle_in_the_layout_of_camus(tmp_path):
    """Write a beating phantom as CAMUS is laid out; its volumes are those of the masks that are read."""
    heart = open_synthetic("heart?seed=5&height=180&width=240&fps=25")
    picked = range(0, 12, 4)
    down, along = heart.info.spacing_mm
    for kind, planes in (("", [heart.image(i) for i in picked]), ("_gt", [heart.truth(i) for i in picked])):
        path = tmp_path / "patient0001" / f"patient0001_4CH_half_sequence{kind}.nii.gz"
        volume(path, np.stack([plane.T for plane in planes], -1), (along, down, 1))
    cases = open_dataset(tmp_path)
    assert [case.subject for case in cases] == ["patient0001"] * 3
    for case, index in zip(cases, picked, strict=True):
        image, labels = case.image_and_labels(("left ventricle",))
        np.testing.assert_array_equal(image, heart.image(index))
        assert disc_volume(labels == 1, case.spacing_mm) == pytest.approx(heart.volume_ml(index), rel=0.01)
