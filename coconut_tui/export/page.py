"""Runs as one HTML page that replays their steps in a browser, without a network.

The page holds one script and one style, both constant and named by their hashes in its security policy: a
browser runs nothing else in it, whatever stands in the question, in a token or in a note. All texts are escaped
here; the script only shows, hides and fills in numbers.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from coconut_core import __version__
from coconut_core.records.trace import Trace
from coconut_tui.export.graph import draw_graph
from coconut_tui.export.note import note_html
from coconut_tui.export.page_run import details_of, share_of, steps_of
from coconut_tui.export.reading import MEANING, frontier_hops, settings_line, verdict_line, visible
from coconut_tui.export.tree import Chapter, TracedRun, TracedTree

LEGEND = (
    "Each node with the step's probability on it; the shaded column is where the search stands. "
    "★ on a shortest path, ✓ right candidate, ✗ wrong candidate."
)


def render_page(tree: TracedTree) -> str:
    """The whole page of a run or a tree of them."""
    trace = tree.here.trace
    title = f"{visible(trace.model)}: {visible(trace.question)[:60]}"
    facts = f"{visible(trace.model)} · {settings_line(trace)}"
    if len(tree.runs) > 1:
        facts = f"{visible(trace.model)} · {len(tree.runs)} branches"
    return _page(title, "A run of continuous thoughts", facts, [Chapter(tree)])


def render_findings(title: str, chapters: Sequence[Chapter]) -> str:
    """The whole page of several trees, each with what somebody noted of it, and an index in front."""
    count = f"{len(chapters)} finding{'' if len(chapters) == 1 else 's'}"
    return _page(visible(title), visible(title), count, chapters)


def _page(title: str, heading: str, facts: str, chapters: Sequence[Chapter]) -> str:
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    firsts, runs = [], list[tuple[int, int]]()  # chapter and place in it of each run
    for number, chapter in enumerate(chapters):
        firsts.append(len(runs))
        runs += [(number, place) for place in range(len(chapter.tree.runs))]
    data = [_data(chapters[number], place) | {"chapter": number} for number, place in runs]
    return Template(_part("page.html")).substitute(
        policy=policy,
        version=__version__,
        title=escape(title),
        heading=escape(heading),
        style=style,
        facts=escape(facts),
        index=_index(chapters, firsts),
        chapters="\n".join(
            _chapter(chapter, number, first)
            for number, (chapter, first) in enumerate(zip(chapters, firsts, strict=True))
        ),
        meaning=escape(MEANING),
        data=json.dumps(
            {"first": chapters[0].tree.current, "runs": data}, allow_nan=False, separators=(",", ":")
        ),
        script=script,
    )


def _part(name: str) -> str:
    return (resources.files("coconut_tui.export") / name).read_text("utf-8")


def _hash(text: str) -> str:
    """A source of a security policy: this text and no other."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# -- the parts ---------------------------------------------------------------------------------------------


def _index(chapters: Sequence[Chapter], firsts: Sequence[int]) -> str:
    """A button for each chapter, where they are named."""
    if not any(chapter.title for chapter in chapters):
        return ""
    buttons = "".join(
        f'<li><button type="button" data-show="{first + chapter.tree.current}" data-of="{number}">'
        f"<strong>{escape(visible(chapter.title))}</strong> {_tags(chapter)}"
        f'<span class="soft">{escape(visible(chapter.date[:10]))}</span></button></li>'
        for number, (chapter, first) in enumerate(zip(chapters, firsts, strict=True))
    )
    return f'<section class="choice"><h2>Findings</h2><ol>{buttons}</ol></section>'


def _chapter(chapter: Chapter, number: int, first: int) -> str:
    tree = chapter.tree
    trace = tree.here.trace
    several = len(tree.runs) > 1
    runs = "\n".join(_run(run, first + place, several) for place, run in enumerate(tree.runs))
    return Template(_part("chapter.html")).substitute(
        number=number,
        note=_note(chapter),
        question=escape(visible(trace.question)),
        branches=_branches(tree, first) if several else "",
        runs=runs,
        graph=_graph(trace),
        verdict=escape(verdict_line(trace)),
    )


def _note(chapter: Chapter) -> str:
    if not chapter.title:
        return ""
    facts = {**chapter.facts, "noted": chapter.date}
    entries = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(visible(value))}</dd>" for name, value in facts.items() if value
    )
    command = (
        f"<details><summary>Reopen it in the explorer</summary><pre>{escape(chapter.command)}</pre></details>"
        if chapter.command
        else ""
    )
    note = f'<div class="note-text">{note_html(chapter.note)}</div>' if chapter.note else ""
    return (
        f'<section class="noted"><h2 class="title">{escape(visible(chapter.title))}</h2><p>{_tags(chapter)}</p>'
        f"{note}<dl>{entries}</dl>{command}</section>"
    )


def _tags(chapter: Chapter) -> str:
    return "".join(f'<span class="tag">#{escape(visible(tag))}</span> ' for tag in chapter.tags)


def _branches(tree: TracedTree, first: int) -> str:
    """A button for each branch, with what was done there and what it said."""
    buttons = []
    for place, run in enumerate(tree.runs):
        trace = run.trace
        parent = "" if run.parent is None else f"from {run.parent}, behind step {run.forked_at}"
        answer = "" if not trace.answer else f"» {trace.answer}"
        judged = {True: " ✓", False: " ✗", None: ""}[trace.right]
        buttons.append(
            f'<li><button type="button" data-show="{first + place}">'
            f"<strong>{escape(visible(run.name))}</strong> "
            f'<span class="soft">{escape(visible(parent))}</span> {escape(visible(answer))}{judged}'
            "</button></li>"
        )
    return f'<section class="choice"><h2>Branches</h2><ul>{"".join(buttons)}</ul></section>'


def _run(run: TracedRun, number: int, named: bool) -> str:
    name = f': <span class="name">{escape(visible(run.name))}</span>' if named else ""
    return Template(_part("run.html")).substitute(
        number=number,
        name=name,
        steps=steps_of(run.trace),
        details=details_of(run.trace),
    )


def _graph(trace: Trace) -> str:
    if trace.problem is None or trace.problem.graph is None:
        return ""
    return f"<figure>{draw_graph(trace.problem.graph)}<figcaption>{LEGEND}</figcaption></figure>"


def _data(chapter: Chapter, place: int) -> dict[str, object]:
    """For each step of a run the probability of each node, and the column where the search stands; and how many
    steps it begins with. Numbers only."""
    trace = chapter.tree.runs[place].trace
    graph = None if trace.problem is None else trace.problem.graph
    names = () if graph is None else graph.names
    meant = chapter.step if place == chapter.tree.current and chapter.step is not None else 0
    return {
        "begin": min(meant + 1, len(trace.steps)),
        "shares": [[round(share_of(step.watched.get(name, 0.0)), 4) for name in names] for step in trace.steps],
        "frontiers": [frontier_hops(trace, step) for step in trace.steps],
    }
