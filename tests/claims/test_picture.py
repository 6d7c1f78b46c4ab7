"""Compares the picture of the layers in CONTRIBUTING.md with the table of tests/claims/test_layers.py."""

import re
from pathlib import Path

import pytest
from claims.checkout import ROOT
from claims.test_layers import MAY_IMPORT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
PUBLIC = {"rtseg", "__main__"}  # rtseg/__init__.py and rtseg/__main__.py, which have a row of the table and no folder


def picture(page: str) -> list[set[str]]:
    """Return the folders and modules of each row of the picture, the highest row first."""
    drawn = page.split("<!-- layers: begin -->\n")[1].split("<!-- layers: end -->")[0]
    return [{word for word in line[4:58].split() if word} for line in drawn.splitlines()]


def upward(rows: list[set[str]], may_import: dict[str, set[str]]) -> list[str]:
    """Describe each import that the table allows and that would point up in the picture."""
    row_of = {name: at for at, row in enumerate(rows) for name in row}
    allowed = [(name, other) for name, others in may_import.items() for other in others if name in row_of and other in row_of]
    return sorted(f"{name} may import {other}" for name, other in allowed if row_of[other] < row_of[name])


ROWS = picture(PAGE)


def test_the_picture_and_the_table_name_the_same_folders():
    drawn = [name for row in ROWS for name in row]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == set(MAY_IMPORT) - PUBLIC


def test_the_table_lets_no_import_point_up():
    assert upward(ROWS, MAY_IMPORT) == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:rtseg|engines|kernels|demos|tests)/[\w/.]*)`", PAGE))))
def test_a_path_of_the_page_exists(path):
    assert path.startswith(("kernels/FOLDER", "engines/zoo/NAME")) or (ROOT / Path(path)).exists()


def test_an_import_that_points_up_is_found():
    assert upward([{"cli"}, {"frame", "trace"}], {"cli": {"frame"}, "frame": {"trace", "cli"}}) == ["frame may import cli"]


def test_a_row_is_read_without_its_description():
    page = f"<!-- layers: begin -->\n    {'cli  demos':<54}commands\n<!-- layers: end -->"
    assert picture(page) == [{"cli", "demos"}]
