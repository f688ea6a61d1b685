"""Figures: the same bytes each time, nothing told by colour alone, and text that fits where it goes."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import (
    COLOURS,
    HATCHES,
    MARKERS,
    Figure,
    Line,
    Stack,
    draw_lines,
    draw_stacks,
)
from coconut_core.common.text_plots import FILLS, SIGNS

RISING = Line(
    "rising", [0, 1, 2, 3], [10.0, 20.0, 60.0, 90.0], [5.0, 12.0, 50.0, 80.0], [18.0, 30.0, 70.0, 96.0]
)
FLAT = Line("flat", [0, 1, 2, 3], [50.0, 50.0, 50.0, 50.0])


def lines() -> Figure:
    return draw_lines([RISING, FLAT], "two lines", "k", "per cent", marks=[(1.5, "here")], y_range=(0, 100))


def stacks() -> Figure:
    parts = [Stack("low", [60.0, 0.0]), Stack("middle", [0.0, 30.0]), Stack("high", [40.0, 70.0])]
    return draw_stacks(parts, ["one", "two"], "two bars", "k", "per cent")


def plotted(text: str) -> list[str]:
    """The rows inside the frame, without the scale."""
    rows = (re.fullmatch(r"[ 0-9.]*[│┤](.*)│", line) for line in text.splitlines())
    return [row[1] for row in rows if row]


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        lines().beside(stacks()).save_svg(tmp_path / name)
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert b"<dc:date>" not in first
    stacks().beside(lines()).save_svg(tmp_path / "c.svg")
    assert first != (tmp_path / "c.svg").read_bytes()


def test_an_svg_has_its_lines_bands_and_hatches(tmp_path: Path) -> None:
    lines().beside(stacks()).save_svg(tmp_path / "new folder" / "figure.svg")
    text = (tmp_path / "new folder" / "figure.svg").read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    groups = set(re.findall(r'<g id="([a-zA-Z]+)_[0-9]+"', text))
    assert {"axes", "legend", "FillBetweenPolyCollection"} <= groups
    assert text.count("<pattern") == 2, "the second and the third part of a bar are hatched"
    for word in ("two lines", "two bars", "rising", "flat", "here", "low", "middle", "high", "per cent"):
        assert f"<!-- {word} -->" in text
    for colour in COLOURS[:3]:
        assert colour.lower() in text


def test_nothing_is_told_by_colour_alone() -> None:
    for signs in (COLOURS, MARKERS, HATCHES, FILLS):
        assert len(set(signs)) == len(signs) == len(COLOURS)
    assert len(set(SIGNS)) == len(SIGNS) > len(COLOURS), "in text there is nothing but signs"


@pytest.mark.parametrize(("width", "height"), [(60, 12), (80, 20), (120, 30)])
def test_text_fits_and_has_no_escape_codes(width: int, height: int) -> None:
    title = "a title that is longer than any terminal is wide, as the path of a checkpoint can well be, I fear"
    for figure in (lines(), stacks(), draw_lines([FLAT], title, "k", "per cent")):
        text = figure.to_text(width, height)
        assert "\x1b" not in text
        assert all(len(line) <= width for line in text.splitlines()[1:])
        assert height <= len(text.splitlines()) <= height + 5
    assert draw_lines([FLAT], title, "k", "per cent").to_text().startswith(title)


def test_lines_as_text() -> None:
    text = lines().to_text(60, 21)
    rows = plotted(text)
    assert text.startswith("two lines\nper cent against k\n")
    assert "o rising" in text
    assert "x flat" in text
    assert "│ 1.5 here" in text
    first = "".join(row[0] for row in rows)
    last = "".join(row[-1] for row in rows)
    assert len(rows[0]) == len(rows[-1]) > 40
    assert first.count("x") == last.count("x") == 1
    assert last.index("o") < last.index("x") < first.index("o"), "rising from below the flat line to above it"
    assert ":" in first
    assert ":" in last


def test_stacks_as_text_take_the_room_of_their_values() -> None:
    rows = plotted(stacks().to_text(60, 24))
    left, right = [
        "".join(row[column] for row in rows) for column in (len(rows[0]) // 4, 3 * len(rows[0]) // 4)
    ]
    assert left.count("█") / len(left) == pytest.approx(0.6, abs=0.08)
    assert left.count(".") / len(left) == pytest.approx(0.4, abs=0.08)
    assert "/" not in left, "a part of nothing takes no room"
    assert "█" not in right
    assert right.count("/") / len(right) == pytest.approx(0.3, abs=0.08)
    assert left == left.replace("█.", "!"), "the first part is at the bottom"


def test_nothing_to_draw_yet(tmp_path: Path) -> None:
    nan = float("nan")
    for figure in (
        draw_lines([], "empty", "x", "y"),
        draw_lines([Line("gap", [1.0], [nan])], "empty", "x", "y"),
        draw_stacks([], [], "empty", "x", "y"),
        draw_stacks([Stack("none", [0.0])], ["bar"], "empty", "x", "y"),
    ):
        assert figure.to_text() == "empty: nothing to draw yet"
        figure.save_svg(tmp_path / "empty.svg")


def test_a_single_point_is_drawn_with_its_interval() -> None:
    text = draw_lines([Line("one", [3], [50.0], [30.0], [70.0])], "t", "x", "y", y_range=(0, 100)).to_text(
        60, 20
    )
    middle = "".join(row[len(row) // 2] for row in plotted(text)).strip()
    assert middle.startswith(":")
    assert middle.endswith(":")
    assert middle.count("o") == 1


def test_more_lines_than_signs_and_a_gap_in_one() -> None:
    many = [Line(f"line {number}", [0.0, 1.0], [float(number), float("nan")]) for number in range(9)]
    text = draw_lines(many, "many", "x", "y").to_text()
    assert all(f"line {number}" in text for number in range(9))


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "figure.svg"):
        with pytest.raises(CoconutError, match="cannot write"):
            lines().save_svg(path)


def test_the_module_imports_neither_library() -> None:
    code = (
        "import sys, coconut_core.common.plots\n"
        "heavy = {'matplotlib', 'plotext', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
