"""A token that stands out does so in the same colour and with the same sign wherever it is drawn."""

import pytest
from rich.text import Text

from coconut_core.records.trace import Trace
from coconut_tui.run.branches import Said
from coconut_tui.run.lookups import MOST_PINS, Dials
from coconut_tui.widgets.palettes import PINS
from coconut_tui.widgets.prompt import question_line
from coconut_tui.widgets.token_marks import PIN_SIGNS, TokenMarks, pin_style
from coconut_tui.widgets.tokens import (
    RIGHT_BOLD,
    RIGHT_STYLE,
    WRONG_BOLD,
    WRONG_STYLE,
    error_line,
    verdict_mark,
    with_marks,
)
from tests.tui.sights import sight_of


def test_a_pin_keeps_its_colour_while_others_come_and_go() -> None:
    dials = Dials().with_pin("lempus").with_pin("rompus").with_pin("Tom")
    assert dict(dials.pins) == {"lempus": 1, "rompus": 2, "Tom": 3}
    fewer = dials.without_pin("lempus")
    assert dict(fewer.pins) == {"rompus": 2, "Tom": 3}
    assert dict(fewer.with_pin("sterpus").pins) == {"rompus": 2, "Tom": 3, "sterpus": 1}


def test_no_two_pins_look_the_same() -> None:
    looks = {(pin_style(number), PIN_SIGNS[number - 1]) for number in range(1, MOST_PINS + 1)}
    assert len(looks) == len({sign for _, sign in looks}) == MOST_PINS
    assert len({style for style, _ in looks}) == PINS


def test_candidates_and_pins_stand_out_in_a_sight(trace: Trace) -> None:
    marks = sight_of(trace, None, dials=Dials().with_pin("rompus").with_pin("bompus")).marks
    looks = {name: (marks.style(name), marks.sign(name)) for name in ("gorpus", "bompus", "rompus", "lempus")}
    assert looks == {
        "gorpus": (RIGHT_STYLE, "✓"),
        "bompus": (WRONG_STYLE, "✗"),  # a candidate that is pinned besides stays one
        "rompus": ("coconut.pin.1", "◆"),
        "lempus": ("", " "),
    }


@pytest.mark.parametrize(
    ("typed", "name", "meant"),
    [
        ("·Paris", "·Paris", True),
        ("Paris", "·Paris", True),
        ("'Paris'", "Paris", True),
        ("'Paris'", "·Paris", False),
        ("Paris", "·London", False),
    ],
)
def test_a_pin_is_found_by_the_names_of_tokens_that_show_spaces(typed: str, name: str, meant: bool) -> None:
    marks = TokenMarks(pins={typed: 2}, spaces_shown=True)
    assert (marks.style(name), marks.sign(name)) == (("coconut.pin.2", "▲") if meant else ("", " "))


def test_words_of_a_text_are_painted() -> None:
    text = Text("Every gorpus is a lempus. Every lempuser is Paris.")
    TokenMarks(right="gorpus", pins={"lempus": 1, "·Paris": 2}, spaces_shown=True).paint(text)
    painted = [(text.plain[span.start : span.end], span.style) for span in text.spans]
    assert painted == [("gorpus", RIGHT_STYLE), ("lempus", "coconut.pin.1"), ("Paris", "coconut.pin.2")]


def test_marks_of_right_and_wrong_have_their_colours() -> None:
    texts = [
        verdict_mark(Said("a", "a", "end", True)),
        verdict_mark(Said("a", "a", "length", False)),
        error_line("no such token"),
        with_marks("✓ right  ✗ wrong", "dim"),
    ]
    painted = [[(text.plain[span.start : span.end], span.style) for span in text.spans] for text in texts]
    assert painted == [
        [("✓", RIGHT_BOLD)],
        [("✗", WRONG_BOLD)],
        [("✗", WRONG_BOLD)],
        [("✓", RIGHT_BOLD), ("✗", WRONG_BOLD)],
    ]


def test_the_question_has_the_colours_that_views_have(trace: Trace) -> None:
    sight = sight_of(trace, None, dials=Dials().with_pin("lempus"))
    line = question_line(sight.run, sight.marks)
    looks = {line.plain[span.start : span.end]: str(span.style) for span in line.spans}
    assert line.plain == "Is Alex a bompus or gorpus?"
    assert looks == {"Alex": "bold underline", "gorpus": RIGHT_STYLE, "bompus": WRONG_STYLE}
    bold = [line.plain[span.start : span.end] for span in line.spans if str(span.style) == "bold"]
    assert sorted(bold) == ["bompus", "gorpus"], "colour is not alone"
