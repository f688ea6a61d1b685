"""Exports of trees of branches, of sets of findings, and of steps as tables."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from math import nan
from pathlib import Path

import duckdb
import pytest
from markdown_it import MarkdownIt
from pyarrow import parquet

from coconut_core.common.errors import CoconutError
from coconut_core.records.trace import Trace
from coconut_tui.export import (
    EXPORTS,
    TABLES,
    Chapter,
    TracedRun,
    TracedTree,
    export_named,
    render_findings,
    steps_csv,
    steps_parquet,
    write_export,
)
from coconut_tui.export.note import note_html
from coconut_tui.export.table import COLUMNS
from tests.tui.browser import Browser, find_browser
from tests.tui.findings_by_hand import CONTROL, EVIL


@pytest.fixture
def tree(trace: Trace) -> TracedTree:
    """The run by hand, and a branch of it with another answer, which was on screen."""
    wrong = replace(trace, text="### Alex is a bompus.", steps=trace.steps[:3])
    return TracedTree((TracedRun("main", trace), TracedRun("zero@3", wrong, "main", 2, "zero@3")), 1)


def chapters(tree: TracedTree) -> list[Chapter]:
    note = f"# Seen\n\nIt *leaves* it. {EVIL}{CONTROL} [a](http://x.example/) ![b](http://x.example/y.png)"
    return [
        Chapter(tree, "One", ("frontier",), "2026-11-30", note, "coconut-tui --finding x", 1, {"model": "m"}),
        Chapter(
            TracedTree.of(tree.runs[0].trace), EVIL, (EVIL,), CONTROL, note + "w" * 5000, EVIL, 2, {EVIL: EVIL}
        ),
    ]


# -- trees -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", EXPORTS, ids=lambda each: each.name)
def test_every_form_holds_every_branch(tree: TracedTree, each: object) -> None:
    text = each.render(tree).replace("\\", "")  # type: ignore[attr-defined]
    assert "zero@3" in text
    assert "Alex is a gorpus." in text
    assert "Alex is a bompus." in text
    assert export_named("html").render(tree.here.trace) == export_named("html").render(
        TracedTree.of(tree.here.trace)
    )


def test_json_of_a_tree_is_read_again_and_by_readers_of_traces_too(tree: TracedTree, tmp_path: Path) -> None:
    path = write_export(tree, tmp_path / "tree.json")
    assert TracedTree.load(path) == tree
    assert Trace.load(path) == tree.here.trace
    alone = write_export(tree.runs[0].trace, tmp_path / "alone.json")
    assert TracedTree.load(alone) == TracedTree.of(tree.runs[0].trace)
    assert alone.read_text("utf-8") == tree.runs[0].trace.json_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"current": 7}, "there is no branch 7"),
        ({"current": "x"}, "the entry 'current' must be a whole number"),
        ({"branches": 3}, "the entry 'branches' must be a list, not a whole number"),
        ({"branches": [{"name": "x"}]}, "branch 0: the entry 'trace' is missing"),
        ({"branches": [{"name": "x", "trace": {}}]}, "branch 0 is not a coconut trace"),
        ({"branches": []}, "there is no branch 1"),
    ],
)
def test_a_damaged_tree_is_one_line(tree: TracedTree, change: dict, told: str, tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text(json.dumps({**tree.to_json(), **change}), encoding="utf-8")
    with pytest.raises(CoconutError) as raised:
        TracedTree.load(path)
    assert str(path) in str(raised.value)
    assert told in str(raised.value)


def test_the_markdown_of_a_tree_has_a_section_for_each_branch(tree: TracedTree) -> None:
    hostile = replace(tree, runs=(tree.runs[0], replace(tree.runs[1], name=f"# {EVIL}", parent="<b>|")))
    shown = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(export_named("markdown").render(hostile))
    )
    assert (shown.count("<h1>"), shown.count("<h2>")) == (1, 3)
    assert "<script" not in shown
    assert "<b>" not in shown


# -- tables ------------------------------------------------------------------------------------------------


def test_tables_have_a_row_for_each_step_of_each_branch(tree: TracedTree, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(export_named("csv").render(tree))))
    assert [(row["branch"], row["step"]) for row in rows] == [
        *(("main", str(number)) for number in range(10)),
        *(("zero@3", str(number)) for number in range(3)),
    ]
    third = rows[12]
    assert (third["thought"], third["token_1"], float(third["p_1"]), third["edit"]) == (
        "3",
        "gorpus",
        0.88,
        "zero",
    )
    assert (float(third["frontier"]), float(third["wrong_candidate"])) == (0.88, 0.06)
    assert (rows[4]["fed"], rows[4]["thought"], rows[4]["frontier"]) == ("###", "", "")
    path = write_export(tree, tmp_path / "steps.parquet")
    table = parquet.read_table(path)
    assert table.column_names == list(COLUMNS) == list(rows[0])
    assert [str(number) for number in table["p_1"].to_pylist()] == [row["p_1"] for row in rows]
    best = duckdb.sql(f"select branch, max(frontier) from '{path}' group by branch order by 1").fetchall()
    assert best == [("main", 0.97), ("zero@3", 0.97)]


def test_a_step_that_is_no_number_is_empty_in_tables(trace: Trace) -> None:
    spoilt = replace(trace.steps[0], top=(), watched={}, entropy=nan, norm=nan, cosine=nan)
    chapter = Chapter(TracedTree.of(replace(trace, steps=(spoilt,))), title='a,\n"b')
    row = next(csv.DictReader(io.StringIO(steps_csv([chapter]))))
    assert (row["finding"], row["entropy"], row["norm"], row["token_1"]) == ('a,\n"b', "", "", "")
    table = parquet.read_table(io.BytesIO(steps_parquet([chapter])))
    assert table["entropy"].to_pylist() == [None]
    assert parquet.read_table(io.BytesIO(steps_parquet([]))).num_rows == 0


def test_the_command_writes_tables_of_saved_trees(tree: TracedTree, tmp_path: Path) -> None:
    saved = write_export(tree, tmp_path / "tree.json")
    command = [str(Path(sys.executable).with_name("coconut-tui")), "export", str(saved)]
    done = subprocess.run(
        [*command, "--format", "csv", "--to", "-"], capture_output=True, text=True, check=True
    )
    assert done.stdout == TABLES[0].render(tree)


# -- a page of findings ------------------------------------------------------------------------------------


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))


def test_a_note_is_rendered_and_can_do_nothing() -> None:
    note = f"# Head\n\n*it* {EVIL}{CONTROL} <b>x</b> <javascript:alert(1)>\n\n[a](http://x/) ![b](http://y/)\n\n|a|b|\n|-|-:|\n|1|2|"
    html = note_html(note)
    tags = {tag for tag, _ in Elements(html).elements}
    assert tags == {"h3", "p", "em", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert not [attributes for _, attributes in Elements(html).elements if attributes]
    assert "a (<code>http://x/</code>)" in html
    assert r"\x1b[31m" in html


def test_a_page_of_findings_has_one_script_and_nothing_that_reaches_out(tree: TracedTree) -> None:
    page = Elements(render_findings(EVIL, chapters(tree)))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2
    assert not {"img", "link", "iframe", "object", "a", "form", "b", "base"} & set(tags) - {"b"}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "href", "style")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    command = find_browser()
    if command is None:
        pytest.skip("no Chromium on this machine (install chromium, or name one in COCONUT_TEST_BROWSER)")
    with Browser(command) as opened:
        yield opened


def test_a_browser_steps_through_findings_and_branches(
    browser: Browser, tree: TracedTree, tmp_path: Path
) -> None:
    path = tmp_path / "findings.html"
    path.write_text(render_findings("Mine", chapters(tree)), encoding="utf-8")
    browser.events.clear()
    browser.open(path)

    def value(script: str) -> object:
        return browser.value(script)

    position = "document.getElementById('position').textContent"
    in_sight = "[...document.querySelectorAll('{}')].filter(one => one.checkVisibility())"
    shown = in_sight.format("[data-run]") + ".map(one => one.dataset.run).join()"
    share = in_sight.format(".share") + ".map(one => one.textContent).filter(Boolean).join()"
    assert value(position) == "2 of 3: thought 2, would say lempus 0.52"  # the step that was noted
    assert value(shown) == "1"  # and its branch
    assert value("document.querySelector('.note-text em').textContent") == "leaves"
    assert "coconut-tui --finding x" in str(value("document.querySelector('.noted pre').textContent"))
    browser.press("ArrowRight")
    assert str(value(position)).startswith("3 of 3: thought 3")
    value("document.querySelectorAll('[data-show]')[2].click()")  # the branch main
    assert value(shown) == "0"
    assert str(value(position)).startswith("1 of 10: thought 1")
    assert "0.97" in str(value(share))
    value("document.querySelectorAll('[data-show]')[3].click()")
    assert str(value(position)).startswith("3 of 3")  # where it was left
    value("document.querySelectorAll('[data-show]')[1].click()")  # the second finding
    assert value(shown) == "2"
    assert str(value(position)).startswith("3 of 10: thought 3")
    assert value("document.querySelectorAll('[aria-pressed=true]').length") == 1
    assert value("document.title") == "Mine"
    assert browser.problems() == []
    assert browser.requests() == [path.as_uri()]
