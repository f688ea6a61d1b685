"""Exports of a run: whole, safe whatever stands in it, and replayed by a real browser where there is one."""

import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from math import inf, nan
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from coconut_core.common.errors import CoconutError
from coconut_core.problems.base import Graph, Problem
from coconut_core.records.trace import UNREADABLE, StepRecord, TokenRecord, Trace
from coconut_tui import export
from coconut_tui.export import EXPORTS, export_for, export_named, write_export
from tests.tui.browser import Browser, find_browser

EVIL = (
    "</p><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "$title |a| `b` *c*"
)
CONTROL = "\x00\x1b[31m\x07\u202e\r\u2028end"


@pytest.fixture
def hostile(trace: Trace) -> Trace:
    """A run whose every text tries to be something else."""
    names = tuple(f"{EVIL}{CONTROL}{number}" for number in range(3))
    step = StepRecord(
        "thought",
        1,
        0,
        "",
        (TokenRecord(EVIL + CONTROL, 0.5), TokenRecord("-->]]>", 7.0)),
        float("nan"),
        float("inf"),
        edit=EVIL + CONTROL,
        watched={names[0]: float("nan"), names[1]: -3.0, names[2]: 9.0},
    )
    word = StepRecord("token", 1, 0, EVIL + CONTROL, (), 0.0, 1.0, ended=EVIL)
    graph = Graph(names, ((0, 1), (1, 0), (2, 2), (0, 1)), 0, 1, 2)
    return Trace(
        model=EVIL,
        question=EVIL + CONTROL + "\n```\n# heading",
        prompt=(),
        steps=(step, word),
        text=EVIL + CONTROL,
        stopped_by="end",
        settings={"verdict": EVIL + CONTROL, "first_thought_hops": 0},
        problem=Problem(EVIL, (), EVIL, graph),
    )


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.elements:
            tag = self.elements[-1][0]
            self.text[tag] = self.text.get(tag, "") + data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


# -- the table and the files -------------------------------------------------------------------------------


def test_the_table_finds_a_form_by_name_and_by_extension() -> None:
    for each in EXPORTS:
        assert export_named(each.name) is each
        assert export_for(Path(f"a/run{each.extension.upper()}")) is each
    assert len({each.extension for each in EXPORTS}) == len(EXPORTS)
    with pytest.raises(CoconutError, match=r"choose one of html, markdown, text, json"):
        export_named("pdf")
    with pytest.raises(CoconutError, match=r"end it in \.html"):
        export_for(Path("run.pdf"))


def test_a_file_is_written_whole_and_never_over_another(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    assert write_export(trace, path) == path
    whole = path.read_text(encoding="utf-8")
    with pytest.raises(CoconutError, match="exists already"):
        write_export(trace, path, export_named("json"))
    assert path.read_text(encoding="utf-8") == whole
    write_export(trace, path, export_named("text"), replace=True)
    assert path.read_text(encoding="utf-8").startswith("╭")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(CoconutError, match="cannot write"):
        write_export(trace, tmp_path / "not-there" / "run.md")


def test_json_is_the_trace_again(trace: Trace, tmp_path: Path) -> None:
    assert Trace.load(write_export(trace, tmp_path / "run.json")) == trace


def test_a_trace_whose_numbers_cannot_be_is_refused_before_it_is_exported(trace: Trace, tmp_path: Path) -> None:
    path = write_export(trace, tmp_path / "run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["settings"]["first_thought_hops"] = -5
    path.write_text(json.dumps(record), encoding="utf-8")
    assert Trace.load(path).first_thought_hops == 1
    record["steps"][0]["index"] = 0
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(CoconutError, match="a thought cannot have the number 0"):
        Trace.load(path)


def test_exports_need_no_torch_and_no_textual(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "run.json")
    code = (
        "import sys\nfrom coconut_core.records.trace import Trace\nfrom coconut_tui.export import EXPORTS\n"
        f"trace = Trace.load({str(tmp_path / 'run.json')!r})\n"
        "assert all(each.render(trace) for each in EXPORTS)\n"
        "heavy = {'torch', 'transformers', 'textual'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.parametrize("each", EXPORTS, ids=lambda each: each.name)
def test_a_run_that_has_just_begun_can_be_exported(trace: Trace, each: export.Export) -> None:
    begun = replace(trace, steps=(), text="", stopped_by=None, problem=None, settings={})
    assert "Alex" in each.render(begun)
    assert "✗" not in each.render(begun)


@pytest.mark.parametrize("name", ["markdown", "text", "html"])
def test_a_thought_that_is_no_number_is_said_to_be_none(trace: Trace, name: str) -> None:
    spoilt = replace(trace.steps[1], top=(), watched={}, entropy=nan, norm=inf, cosine=nan)
    run = replace(trace, steps=(trace.steps[0], spoilt, *trace.steps[2:]))
    assert UNREADABLE in " ".join(export_named(name).render(run).split())
    assert UNREADABLE not in export_named(name).render(trace)


# -- what is in them ---------------------------------------------------------------------------------------


def test_markdown_and_text_tell_the_run(trace: Trace) -> None:
    for name in ("markdown", "text"):
        text = export_named(name).render(trace)
        assert "thought 3: zero" in text
        assert "Alex is a gorpus." in text
        assert "✓ right" in text
        assert "UNKNOWN" in text
    wrong = replace(trace, text="### Alex is a bompus.")
    assert "✗ expected: Alex is a gorpus." in export_named("markdown").render(wrong)
    measured = replace(trace, settings={**trace.settings, "verdict": "NOT USED: by hand, n = 3"})
    assert all("NOT USED: by hand, n = 3" in each.render(measured) for each in EXPORTS)


def test_the_markdown_table_has_a_row_for_each_thought(trace: Trace) -> None:
    shown = MarkdownIt("commonmark").enable("table").render(export_named("markdown").render(trace))
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", shown, re.S)[1:]]
    assert rows == [
        ["1", "Alex 0.97, Tom 0.02", "1.25", "16.0", "", "0.97"],
        ["2", "lempus 0.52, rompus 0.41, sterpus 0.03", "1.25", "16.0", "0.12", "0.93"],
        ["3 ✎", "gorpus 0.88, bompus 0.06", "1.25", "16.0", "0.30", "0.88"],
    ]


def test_nothing_in_markdown_acts_as_markup(hostile: Trace) -> None:
    text = export_named("markdown").render(hostile)
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert set(re.findall(r"<(\w+)", shown)) <= {
        "h1", "h2", "ul", "li", "p", "pre", "code", "strong", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert shown.count("<h1>") == 1
    rows = re.findall(r"<tr>(.*?)</tr>", shown, re.S)
    assert [len(re.findall("<t[hd]", row)) for row in rows] == [6, 6]
    assert [html.unescape(model) for model in re.findall(r"<li>model: (.*?)</li>", shown)] == [EVIL]


@pytest.mark.parametrize("name", ["markdown", "text", "html"])
def test_control_characters_are_shown_not_sent(hostile: Trace, name: str) -> None:
    text = export_named(name).render(hostile)
    assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert r"\x1b[31m" in text.replace("\\\\", "\\").replace("\\[", "[")


def test_the_page_has_one_script_and_nothing_that_reaches_out(trace: Trace, hostile: Trace) -> None:
    attacked = Page(export_named("html").render(hostile))
    for page in (Page(export_named("html").render(trace)), attacked):
        scripts = [attributes for tag, attributes in page.elements if tag == "script"]
        assert scripts == [{"type": "application/json", "id": "graph-data"}, {}]
        assert not {"img", "link", "iframe", "object", "a", "form"} & {tag for tag, _ in page.elements}
        names = {name for _, attributes in page.elements for name in attributes}
        assert not {name for name in names if name.startswith("on") or name in ("src", "href", "style")}
    policy = next(attributes["content"] for tag, attributes in attacked.elements if "http-equiv" in attributes)
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in str(policy)
    data = attacked.text["script"].partition('"use strict"')[0]
    shares = {"shares": [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], "frontiers": [0, None]}
    assert json.loads(data) == {"first": 0, "runs": [{"begin": 1, **shares, "chapter": 0}]}


def test_the_script_is_valid_and_finds_its_elements(trace: Trace, tmp_path: Path) -> None:
    script = (Path(export.__file__).parent / "page.js").read_text(encoding="utf-8")
    page = Page(export_named("html").render(trace))
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert set(re.findall(r'(?:getElementById|button)\("([\w-]+)"\)', script)) <= ids
    assert "innerHTML" not in script
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the script's syntax is not checked here")
    path = tmp_path / "page.js"
    path.write_text(script, encoding="utf-8")
    subprocess.run([node, "--check", path], check=True, timeout=300)


# -- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    command = find_browser()
    if command is None:
        pytest.skip("no Chromium on this machine (install chromium, or name one in COCONUT_TEST_BROWSER)")
    with Browser(command) as found:
        yield found


def test_a_browser_replays_the_steps(browser: Browser, trace: Trace, tmp_path: Path) -> None:
    path = write_export(trace, tmp_path / "run.html")
    browser.events.clear()
    browser.open(path)

    def position() -> str:
        return str(browser.value("document.getElementById('position').textContent"))

    def share(name: str) -> str:
        return str(
            browser.value(
                "[...document.querySelectorAll('.node')].find(node => node.querySelector('title').textContent"
                f" === '{name}').querySelector('.share').textContent"
            )
        )

    shown = "[...document.querySelectorAll('.detail')].filter(one => !one.hidden).map(one => one.innerText)"
    frontier = "[...document.querySelectorAll('.frontier')].map(one => one.dataset.hops).join()"
    answer = "document.querySelector('.answer').hidden"
    assert position() == "1 of 10: thought 1, would say Alex 0.97"
    assert (share("Alex"), share("lempus"), browser.value(frontier)) == ("0.97", "", "0")
    browser.press("ArrowRight")
    assert position() == "2 of 10: thought 2, would say lempus 0.52"
    assert (share("lempus"), share("rompus"), browser.value(frontier)) == ("0.52", "0.41", "1")
    assert browser.value(f"{shown}.length") == 1
    assert browser.comes_to(f"{shown}[0].includes('entropy\\n1.25 nats')", True)
    browser.value("document.getElementById('next').click()")
    assert "edited: zero" in position()
    assert browser.comes_to("document.querySelector('[aria-current=step] .changed').innerText", "✎ zero")
    assert browser.value(answer) is True
    browser.press("End")
    assert position().startswith("10 of 10: word 6 <|endoftext|>")
    assert browser.value(answer) is False
    assert browser.comes_to("document.querySelector('.answer').innerText", "Answer: Alex is a gorpus. ✓ right")
    assert browser.value("document.getElementById('next').disabled") is True
    browser.press("Home")
    assert position() == "0 of 10: before the first step"
    assert browser.value(f"{shown}.length") == 0
    browser.press("ArrowLeft")
    browser.value("document.querySelectorAll('.word')[3].click()")
    assert position().startswith("8 of 10: word 4 gorpus")
    browser.value("document.querySelector('.row').focus()")
    browser.press("Enter")
    assert position().startswith("1 of 10")
    assert browser.problems() == []
    assert browser.requests() == [path.as_uri()]


def test_a_browser_runs_nothing_of_a_hostile_run(browser: Browser, hostile: Trace, tmp_path: Path) -> None:
    path = write_export(hostile, tmp_path / "run.html")
    browser.events.clear()
    browser.open(path)
    for _ in range(3):
        browser.press("ArrowRight")
    position = browser.value("document.getElementById('position').textContent")
    assert position.startswith("2 of 2: word 1 </p><script>")
    assert browser.value("document.title").startswith("</p><script>")
    assert browser.value("document.querySelectorAll('img, script:not([type])').length") == 1
    assert browser.problems() == []
    assert browser.requests() == [path.as_uri()]


def test_the_policy_stops_a_script_that_got_in(browser: Browser, trace: Trace, tmp_path: Path) -> None:
    whole = export_named("html").render(trace)
    path = tmp_path / "run.html"
    script = "<script>document.title = 'owned'</script>"
    path.write_text(whole.replace("<main>", f"<main>{script}"), encoding="utf-8")
    browser.events.clear()
    browser.open(path)
    assert browser.value("document.title") != "owned"
    assert "Content Security Policy" in "".join(browser.problems())
    assert browser.value("document.getElementById('position').textContent").startswith("1 of 10")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Browser, trace: Trace, tmp_path: Path, dark: bool) -> None:
    """Every text's contrast is at least 4.5 to 1, as WCAG 2.1 asks for (success criterion 1.4.3)."""
    browser.open(write_export(trace, tmp_path / "run.html"))
    browser.screenshot(tmp_path / "page.png", 1280, 900, dark=dark)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    found = browser.value(CONTRASTS)
    assert len(found) > 50
    assert min(found) >= 4.5


CONTRASTS = """(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [red, green, blue] = numbers(colour).map((part) => part / 255)
      .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((numbers(colour)[3] ?? 1) === 1) return colour;
    }
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => !element.closest("svg") && !element.disabled && element.checkVisibility())
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a))
    .map(([more, less]) => (more + 0.05) / (less + 0.05));
})()"""
