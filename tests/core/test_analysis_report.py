"""All readings of one small study, and what is written of them; grids and clouds as figures."""

import json
import re
from pathlib import Path

import pytest

from coconut_core.analysis import READINGS
from coconut_core.analysis.report import READERS, make_folder, read_all, write_report
from coconut_core.analysis.study import Section, Study
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import COLOURS, MARKERS, Cloud, draw_clouds, draw_grid, side_by_side
from coconut_core.problems import Problem, generate_problems
from tests.core.tiny_models import tiny_model


@pytest.fixture(scope="module")
def found() -> dict[str, Section | str]:
    return read_all(Study(tiny_model("qwen2", max_positions=512), generate_problems("prosqa", 36, seed=1), 2))


def test_every_reading_finds_something_and_has_its_control(found: dict[str, Section | str]) -> None:
    assert list(found) == list(READERS) == list(READINGS)
    for name, section in found.items():
        assert isinstance(section, Section), f"{name}: {section}"
        assert section.figures
        assert section.tables
        assert "ontrol" in section.about
        shown = json.dumps(section.record) + "".join(" ".join(table.head) for table in section.tables)
        assert "control" in shown or name == "depth", name
        for table in section.tables:
            assert table.rows
            assert {len(row) for row in table.rows} == {len(table.head)}, f"{name}: {table.caption}"


def test_a_report_is_written(found: dict[str, Section | str], tmp_path: Path) -> None:
    about = {"model": "tiny", "problems": 36}
    paths = write_report(tmp_path / "new" / "folder", about, found)
    assert all(path.is_file() for path in paths)
    names = {path.name for path in paths}
    assert {"analysis.json", "analysis.md", "distance.svg", "inner-products.svg", "probes.svg"} <= names

    def no_constant(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    record = json.loads(paths[0].read_text(encoding="utf-8"), parse_constant=no_constant)
    assert record["model"] == "tiny"
    assert list(record["readings"]) == list(READINGS)
    assert record["left_out"] == {}
    text = paths[1].read_text(encoding="utf-8")
    assert set(re.findall(r"!\[[\w-]+\]\(([\w-]+\.svg)\)", text)) == {n for n in names if n.endswith(".svg")}


def test_the_same_findings_give_the_same_bytes(found: dict[str, Section | str], tmp_path: Path) -> None:
    part = {name: found[name] for name in ("pca",)}
    one, other = (write_report(tmp_path / name, {}, part) for name in ("one", "other"))
    assert len(one) == 3
    assert all(first.read_bytes() == second.read_bytes() for first, second in zip(one, other, strict=True))


def test_the_same_study_finds_the_same(found: dict[str, Section | str]) -> None:
    study = Study(tiny_model("qwen2", max_positions=512), generate_problems("prosqa", 36, seed=1), 2)
    again = read_all(study, ["search", "values", "probes"])
    for name, section in again.items():
        assert section.record == found[name].record


def test_what_the_problems_do_not_have_is_left_out_and_said(tmp_path: Path) -> None:
    problems = [
        Problem(f"Is {name} a lempus or rompus?", (f"<<1+{n}={n + 1}>>",), "1")
        for n, name in enumerate(["Alex", "Bob", "Eva", "Sam"] * 10)
    ]
    study = Study(tiny_model("llama"), problems, 2)
    said: list[str] = []
    found = read_all(study, say=said.append)
    assert said == list(READINGS)
    left_out = {name for name, each in found.items() if isinstance(each, str)}
    assert left_out == {"search", "inner-products", "values", "attention"}
    text = write_report(tmp_path, {}, found)[1].read_text(encoding="utf-8")
    assert "Left out: this reading needs problems with graphs" in text
    with pytest.raises(CoconutError, match="needs problems with graphs"):
        read_all(study, ["search"])
    with pytest.raises(CoconutError, match="unknown reading 'lense': choose from search, inner-products"):
        read_all(study, ["pca", "lense"])


def test_without_thoughts_the_state_at_bot_is_read() -> None:
    found = read_all(Study(tiny_model("gpt2", max_positions=512), generate_problems("prosqa", 4, seed=1), 0))
    left_out = {name for name, each in found.items() if isinstance(each, str)}
    assert left_out == {"attention", "pca", "probes"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CoconutError, match="cannot write into"):
        make_folder(tmp_path / "file" / "report")


# -- grids and clouds --------------------------------------------------------------------------------------


def test_a_grid_tells_its_numbers(tmp_path: Path) -> None:
    nan = float("nan")
    grid = draw_grid([[0.25, 0.5], [nan, 1.0]], ["one", "two"], ["left", "right"], "a grid", "x", "y", top=1.0)
    grid.save_svg(tmp_path / "grid.svg")
    svg = (tmp_path / "grid.svg").read_text()
    for word in ("a grid", "one", "two", "left", "right", "0.25", "0.50", "1.00"):
        assert f"<!-- {word} -->" in svg
    assert "nan" not in svg
    assert grid.to_text(40).splitlines() == [
        "a grid",
        "y against x",
        "     left  right",
        "one  0.25   0.50",
        "two         1.00",
    ]
    assert all(len(line) <= 10 for line in grid.to_text(10).splitlines()[2:])
    assert draw_grid([[nan]], ["r"], ["c"], "empty", "x", "y").to_text() == "empty: nothing to draw yet"
    draw_grid([[0.0]], ["r"], ["c"], "zero", "x", "y").save_svg(tmp_path / "zero.svg")


def test_clouds_have_a_marker_each_and_a_line_through_their_middles(tmp_path: Path) -> None:
    clouds = [Cloud(f"cloud {number}", [number, number + 1.0], [0.0, 1.0]) for number in range(9)]
    figure = side_by_side([draw_clouds(clouds, "nine clouds", "x", "y"), draw_clouds([], "none", "x", "y")])
    figure.save_svg(tmp_path / "a.svg")
    figure.save_svg(tmp_path / "b.svg")
    svg = (tmp_path / "a.svg").read_bytes()
    assert svg == (tmp_path / "b.svg").read_bytes()
    assert all(f"<!-- cloud {number} -->".encode() in svg for number in range(9))
    text = figure.to_text(60, 12)
    assert "o cloud 0" in text
    assert text.endswith("none: nothing to draw yet")
    places = range(2 * len(COLOURS))
    looks = {(COLOURS[n % len(COLOURS)], MARKERS[(n + n // len(COLOURS)) % len(MARKERS)]) for n in places}
    assert len(looks) == 2 * len(COLOURS), "no two of the first fourteen look the same"
