"""Attention: painted on the prompt, all heads at a glance, and the places that got most."""

import re
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.text import Text

from coconut_core.analysis.insight import Word, look_inside
from coconut_core.coconut import CoconutModel
from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.run.lookups import Attention, Dials
from coconut_tui.saved.keeper import Keeper, saved_painting
from coconut_tui.views import attention
from coconut_tui.views.along import along, compared
from coconut_tui.views.heads import measured, strip
from coconut_tui.views.painting import painting
from coconut_tui.widgets.painted import RANKS, Painting, line_spans, lines_of, paint
from coconut_tui.widgets.palettes import SHADES
from coconut_tui.widgets.prompt import PromptPane
from coconut_tui.widgets.text import TextView
from tests.tui.conftest import WIDE, explorer, press, settled, shown, until
from tests.tui.sights import sight_of

ROOMS = pytest.mark.parametrize("room", [(34, 12), (36, 22), (56, 18), (98, 27), (110, 40), (198, 56)])
QUESTION = "Alex is a lempus. Every lempus is a gorpus.\nIs Alex a gorpus?"


def by_hand(layers: int, heads: int, words: int = 40, behind: int = 4) -> Attention:
    """Weights such that head h of layer l puts half of its attention on word 3 * l + h, the rest evenly."""
    size = words + behind
    rows = torch.full((layers, heads, size), 0.5 / (size - 1))
    for layer in range(layers):
        for head in range(heads):
            rows[layer, head, (3 * layer + head) % size] = 0.5
    sums = torch.cat([rows.mean(1, keepdim=True), rows], 1)
    flat = torch.cat([sums.mean(0, keepdim=True), sums]).flatten().tolist()
    names = (*(f"word{n}" for n in range(words)), *(f"thought {n + 1}" for n in range(behind)))
    return Attention("thought 4", "thought 5", names, words, layers, heads, array("f", flat))


def head_of(found: Attention, dials: Dials, number: int, width: int = 34, lines: int = 20) -> str:
    return strip(found, dials, (width, lines))[number].plain


@pytest.mark.parametrize("width", [7, 12, 28, 60, 200])
def test_lines_break_between_words_and_lose_nothing(width: int) -> None:
    text = QUESTION + "\n\nA wordthatislongerthanline 東京東京東京東京 b "
    spans = list(line_spans(text, width))
    assert "".join(text[start:end] for start, end in spans).replace("\n", "") == text.replace("\n", "")
    for start, end in spans:
        assert Text(text[start:end].rstrip()).cell_len <= width
    assert list(line_spans("a b", 3)) == [(0, 3)]
    assert list(line_spans("ab cd", 3)) == [(0, 3), (3, 5)]


def test_what_is_no_word_stands_in_lines_with_nothing_broken() -> None:
    parts = [Text(f"thought {number} .1{number}") for number in range(1, 6)]
    assert [line.plain for line in lines_of(parts, 30)] == [
        "thought 1 .11  thought 2 .12",
        "thought 3 .13  thought 4 .14",
        "thought 5 .15",
    ]
    assert lines_of([], 30) == []
    assert len(lines_of(parts, 5)) == 5


@pytest.mark.parametrize("width", [18, 28, 60])
def test_paint_moves_nothing_and_says_ranks(width: int) -> None:
    words = [match.span() for match in re.finditer(r"\w+", QUESTION)]
    plain, none = paint(Text(QUESTION), None, width)
    assert none == []
    styles = {words[3]: "coconut.shade.4", words[8]: "coconut.shade.2"}
    ranks = dict(zip((words[3], words[8], words[0]), RANKS, strict=False))
    painted, lines = paint(Text(QUESTION), Painting(styles, ranks, (), ""), width)
    without = re.sub(f"[{RANKS}]", " ", painted.plain)
    assert [line.rstrip() for line in without.split("\n")] == plain.plain.split("\n")
    assert all(Text(line).cell_len <= width for line in painted.plain.split("\n"))
    assert "¹lempus" in painted.plain, "a full stop follows: the rank stands in front"
    assert "²gorpus." in painted.plain or "gorpus.²" in painted.plain
    assert "Alex³is" in painted.plain
    assert lines[2] == 0
    shaded = {painted.plain[span.start : span.end] for span in painted.spans if "shade" in str(span.style)}
    assert shaded == {"lempus", "gorpus"}


@ROOMS
@pytest.mark.parametrize(("layers", "heads"), [(2, 4), (12, 12), (30, 9), (1, 1)])
@pytest.mark.parametrize("painted", [True, False])
def test_it_fits_every_room_and_marks_the_chosen_head(
    trace: Trace, room: tuple[int, int], layers: int, heads: int, painted: bool
) -> None:
    found = by_hand(layers, heads)
    dials = Dials(layer=layers, head=heads)
    sight = sight_of(trace, found, width=room[0], height=room[1], dials=dials)
    text = attention.draw(replace(sight, prompt_painted=lambda: painted))
    drawn = text.plain.split("\n")
    body = drawn if painted else drawn[: next(n for n, line in enumerate(drawn) if line.startswith("word0"))]
    assert max(Text(line).cell_len for line in body) <= room[0]
    assert f"layer {layers} of {layers}" in text.plain or layers == 1
    assert len([span for span in text.spans if span.style == "bold reverse"]) == 1
    if painted:
        assert len(drawn) <= room[1]
        assert len(drawn) >= min(room[1], 44) - 3, "the room is used"
        assert text.plain.count("word39") <= 1, "each place once"
    best = f"word{3 * (layers - 1) + heads - 1}"
    listed = [line for line in drawn if "¹" in line]
    assert best in listed[0] or 3 * (layers - 1) + heads - 1 >= 40
    assert ".50" in listed[0]


def test_the_strip_says_what_its_dial_names() -> None:
    found = by_hand(2, 4)
    size, rest = 44, 0.5 / 43
    entropy = -(torch.tensor([0.5, *[rest] * 43]).double() * torch.tensor([0.5, *[rest] * 43]).log()).sum()
    focus = measured(found, Dials())
    assert focus[found.place(2, 3)] == pytest.approx(
        1 - float(entropy) / float(torch.tensor(44.0).log()), abs=1e-5
    )
    assert focus[0] < focus[found.place(1, 1)], "the mean looks at more than one head"
    assert measured(found, Dials(strip="thoughts"))[found.place(1, 2)] == pytest.approx(4 * rest)
    on = measured(found, Dials(strip="place", place=4))
    assert on[found.place(2, 2)] == pytest.approx(0.5)
    assert on[found.place(2, 1)] == pytest.approx(rest)
    first = measured(found, Dials(strip="first"))
    assert first[found.place(1, 1)] == pytest.approx(0.5)
    assert size == len(found.entries)
    lines = strip(found, Dials(layer=2, head=2, strip="place", place=4), (44, 10))
    assert lines[0].plain.startswith("share of “word4”")
    assert lines[1].plain.split() == ["mean", "h1", "h2", "h3", "h4"]
    assert lines[4].plain.split()[0] == "L2"
    assert "▸.50" in lines[4].plain


def test_the_strip_shows_as_many_heads_as_there_is_room_for() -> None:
    found = by_hand(30, 9)
    small = strip(found, Dials(layer=20, head=5), (34, 9))
    assert len(small) == 9
    assert any(line.plain.startswith("L20") for line in small), "the chosen one among them"
    wide = strip(found, Dials(layer=20, head=5), (198, 14))
    assert [line.plain.split()[0] for line in wide[2:]] == ["all", *(f"h{n}" for n in range(1, 10))]
    tall = strip(found, Dials(), (60, 40))
    assert len(tall) == 33


@pytest.mark.parametrize("width", [34, 60, 198])
def test_along_the_text_each_head_has_its_bars_where_it_looks(width: int) -> None:
    found = by_hand(2, 4)
    rows = compared(found, None)
    assert [label for label, _ in rows] == ["1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "2.3", "2.4"]
    order = sorted(range(44), key=lambda place: -found.row(2, 3)[place])
    drawn = [line.plain for line in along(found, rows, found.place(2, 3), order, (width, 10))]
    assert len(drawn) == 10
    columns, cells = min(44, width - 5), max(1, (width - 5) // 44)
    for line, place in zip(drawn[1:9], (0, 1, 2, 3, 3, 4, 5, 6), strict=True):
        highest = 5 + place * columns // 44 * cells
        assert line[highest : highest + cells] == "█" * cells, "half of it, the largest share"
        assert line.count("█") == cells
    assert drawn[0].index("¹") == 5 + 5 * columns // 44 * cells, "head 3 of layer 2 looks at word 5"
    assert "full .50" in drawn[-1] or width < 40
    many = compared(by_hand(30, 9), None)
    assert (many[0][0], many[-1][0], len(many)) == ("L1", "L30", 30)
    assert [label for label, _ in compared(by_hand(30, 9), 7)] == [f"h{n}" for n in range(1, 10)]


def test_the_places_listed_and_the_others_add_up_to_one(trace: Trace) -> None:
    sight = sight_of(trace, by_hand(2, 4), width=60, height=20, dials=Dials(layer=1, head=1))
    drawn = attention.draw(replace(sight, prompt_painted=lambda: True)).plain
    lines = drawn.split("\n")
    first = next(number for number, line in enumerate(lines) if "behind the prompt" in line) + 1
    listed = lines[first : next(number for number, line in enumerate(lines) if "other places" in line)]
    rest = re.search(r"(\.\d\d) on (\d+) other places", drawn)
    assert rest is not None
    shares = [float(re.findall(r"\.\d\d", line)[0]) for line in listed]
    assert sum(shares) + float(rest[1]) == pytest.approx(1, abs=0.005 * (len(shares) + 1))
    assert int(rest[2]) + len(listed) == 44


def test_where_it_is_not_known_where_words_stand_nothing_is_painted() -> None:
    assert painting(by_hand(2, 4), Dials()) is None
    known = replace(
        by_hand(1, 1, 3, 1), spans=((0, 4), (5, 7), None), entries=("Alex", "is", "<bot>", "thought 1")
    )
    found = painting(known, Dials())
    assert found is not None
    assert found.styles[0, 4] == f"coconut.shade.{SHADES - 1}"
    shares = [float(part.plain.split()[-1]) for part in found.behind]
    assert sum(shares) + sum(known.row(None, None)[:2]) == pytest.approx(1, abs=0.02)


def prompt_of(app: Explorer) -> Text:
    return app.query_one(PromptPane).query_one("#question", TextView).text


def painted_letters(app: Explorer) -> list[tuple[str, str]]:
    """Each letter of the prompt pane's question on a coloured ground, in order, with its style."""
    text = prompt_of(app)
    styles = {
        place: str(span.style)
        for span in text.spans
        if "shade" in str(span.style)
        for place in range(span.start, span.end)
    }
    return [
        (letter, styles[place])
        for place, letter in enumerate(text.plain)
        if place in styles and letter.strip() and letter not in RANKS
    ]


def painted_by(words: Sequence[Word], row: list[float], question: str) -> list[tuple[str, str]]:
    """How letters have to be painted where words get these shares, the largest in full; none that got less than
    twice an even share."""
    most = SHADES - 1
    levels = [
        min(most, int(SHADES * (share / max(row)) ** 0.5)) if share * len(row) >= 2 else 0 for share in row
    ]
    return [
        (letter, f"coconut.shade.{level}")
        for word, level in zip(words, levels, strict=False)
        if level and word.span is not None
        for letter in question[slice(*word.span)]
        if letter.strip()
    ]


@pytest.mark.drives("heads", "paint")
async def test_the_prompt_is_painted_with_what_the_model_attends_to(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "sessions"
    app = explorer(Path("models/prosqa"), example=1, keeper=Keeper(folder))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert not painted_letters(app)
        await press(pilot, "s", "s", "s")
        await until(pilot, lambda app: app.query_one(PromptPane).painted)
        await settled(pilot)
        session = CoconutModel.from_pretrained("models/prosqa", device="cpu").start(app.require_view().question)
        for _ in range(3):
            session.step()
        inside = look_inside(session, attention=True)
        await press(pilot, "5", "greater_than_sign", "right_curly_bracket")
        assert "thought 3 · L1 h1 ▓ " in str(app.query_one(PromptPane).border_subtitle)
        shares = inside.attention_to_words(2)[0, 0].tolist()
        sight = app.sight
        request = attention.ask(sight)
        found = None if request is None else sight.answer(request)
        assert isinstance(found, Attention)
        assert found.row(1, 1)[: len(shares)] == pytest.approx(shares, abs=1e-5)
        for layer in range(3):
            for head in range(5):
                app.action_look_with(layer, head)
                row = found.row(layer or None, head or None)
                assert sum(row) == pytest.approx(1, abs=1e-5)
                assert painted_letters(app) == painted_by(inside.words, row, app.require_view().question)
        app.action_look_with(0, 0)
        question = app.require_view().question
        for word, span in zip(inside.words, found.spans, strict=True):
            assert span is None or question[slice(*span)] == word.text
        drawn = app.query_one("#view-attention", TextView).text.plain
        assert question[:40] not in drawn.replace("\n", " "), "the question stands on screen once"
        await press(pilot, "semicolon")
        assert app.dials.strip == "thoughts"
        await press(pilot, "percent_sign")
        assert not painted_letters(app)
        assert saved_painting(folder) is False
        assert not app.query_one(PromptPane).border_subtitle
        await press(pilot, "percent_sign")
        assert painted_letters(app)
        app.action_look_with(2, 3)
        assert "L2 h3" in str(app.query_one(PromptPane).border_subtitle)
        app.action_choose_place(5)
        assert (app.dials.strip, app.dials.place) == ("place", 5)
        await press(pilot, "r")
        assert not painted_letters(app), "no step, no attention"


async def test_what_got_most_is_in_sight(tmp_path: Path) -> None:
    """At 120 columns the prompt is longer than its pane, and what is asked stands at its end."""
    app = explorer(Path("models/prosqa"), example=1)
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "s", "s")
        pane = app.query_one(PromptPane)
        await until(pilot, lambda app: pane.painted)
        await settled(pilot)
        lines = prompt_of(app).plain.split("\n")
        rank = next(rank for rank in RANKS if any(rank in line for line in lines))
        line = next(number for number, line in enumerate(lines) if rank in line)
        assert pane.scroll_offset.y <= line < pane.scroll_offset.y + pane.size.height


async def test_a_saved_run_is_not_painted(trace: Trace) -> None:
    app = Explorer(trace=trace, config=Config())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s", "s")
        await settled(pilot)
        assert not painted_letters(shown(pilot))
        assert not app.query_one(PromptPane).painted
        assert prompt_of(app).plain.replace("\n", " ") == trace.question
