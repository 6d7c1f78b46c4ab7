"""Test the names of several sources: stable, unique, without credentials, and each source only once."""

from pathlib import Path

import pytest

from rtseg.errors import ConfigError
from rtseg.streams.names import check_names, stream_names


def test_a_name_is_that_of_the_file_or_a_safe_address(tmp_path: Path):
    (tmp_path / "scan one.mp4").touch()
    files = [str(tmp_path / "scan one.mp4"), "missing.v2.nii.gz"]
    names = stream_names([*files, "rtsp://doctor:secret@probe.local:554/live", "camera:0", "synthetic:head?seed=3"])
    assert names == ["scan-one", "missing.v2", "rtsp-probe.local-554-live", "camera-0", "synthetic-head-seed-3"]
    assert "secret" not in " ".join(names)
    check_names(names)


def test_two_files_of_one_name_are_told_apart_whatever_their_order(tmp_path: Path):
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(str(tmp_path / folder / "scan.mp4"))
        Path(paths[-1]).touch()
    names = stream_names([*paths, "camera:1"])
    assert len(set(names)) == 3
    assert all(name.startswith("scan-") for name in names[:2])
    assert stream_names(["camera:1", *reversed(paths)]) == list(reversed(names))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("camera:0", "camera:/dev/video0"),
        ("rtsp://Probe:554/live", "rtsp://user:pw@probe:554/live/"),
        ("rtsp://probe/live", "RTSP://probe/live#rtsp_transport=udp"),
        ("clip:carotid", "clip:carotid"),
    ],
)
def test_a_probe_that_is_listed_twice_is_refused(one: str, other: str):
    with pytest.raises(ConfigError, match="is listed twice: name each source once"):
        stream_names([one, "camera:7", other])


def test_a_file_that_is_listed_twice_is_refused(tmp_path: Path):
    (tmp_path / "scan.mp4").touch()
    (tmp_path / "same.mp4").symlink_to(tmp_path / "scan.mp4")
    with pytest.raises(ConfigError, match=r"same\.mp4 is listed twice"):
        stream_names([str(tmp_path / "scan.mp4"), str(tmp_path / "same.mp4")])


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a\0b", ".hidden", "a b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str):
    with pytest.raises(ConfigError, match="cannot be part of a file's name"):
        check_names([name])


def test_names_that_differ_in_case_alone_are_refused():
    with pytest.raises(ConfigError, match="two streams are named 'left'"):
        check_names(["Left", "left"])
