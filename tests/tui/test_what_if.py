"""What-if tables, sweeps and grids as they are drawn, and what a key does in them."""

from pathlib import Path

import pytest
from rich.text import Text
from textual.coordinate import Coordinate
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import DataTable, Static

from coconut_core.evaluation.ablations import ablations_of
from coconut_core.records.trace import Trace
from coconut_tui.run.branches import Said
from coconut_tui.run.state import Variant, WhatIf
from coconut_tui.run.what_if import strengths_of, sweep_of
from coconut_tui.screens.grid import GridScreen
from coconut_tui.screens.what_if import WhatIfScreen
from coconut_tui.widgets.palettes import SHADES
from coconut_tui.widgets.tokens import RIGHT_STYLE, WRONG_STYLE
from coconut_tui.widgets.variants import centred_bar, sentence, signed
from tests.tui.conftest import WIDE, explorer, press, settled, until
from tests.tui.screens import PLACE, RIGHT, SIZES, WRONG, opened, painted, said, with_branches

OWN = Variant("nothing changed", said(RIGHT), probabilities=(0.98, 0.01), logit_difference=4.5)
ZERO = Variant("zero@2", said(WRONG), True, probabilities=(0.02, 0.9), logit_difference=-3.75)
NOISE = Variant("noise@2", said(RIGHT), False, 6, (0.55, 0.4), 0.25)
TWIN = Variant("replace twin@2")
MEAN = Variant("mean@2", error="this model names no problem family to draw donors from")
TABLE = WhatIf("thought 2", (OWN, NOISE, ZERO, TWIN, MEAN), PLACE, complete=True)


async def pushed(pilot: Pilot[None], trace: Trace, screen: WhatIfScreen | GridScreen, table: WhatIf) -> str:
    """Show a table on a screen; what is painted then."""
    app = await with_branches(pilot, trace)
    app.push_screen(screen)
    await until(pilot, lambda app: screen.is_mounted and bool(screen.query(DataTable)))
    screen.show(table)
    await until(pilot, lambda app: screen.query_one(DataTable).row_count > 0 and not screen._stale)
    await pilot.pause()
    return painted(app)


def cells(screen: Screen[str | None], row: int) -> list[str]:
    """A row of the table."""
    return [str(cell) for cell in screen.query_one(DataTable).get_row_at(row)]


def state(screen: Screen[str | None]) -> str:
    """What stands below the table."""
    return str(screen.query_one("#what-if-state", Static).render())


@pytest.mark.parametrize(
    ("value", "shown"), [(1.234, "+1.23"), (-3.2, "−3.20"), (-0.004, "±0.00"), (0.0, "±0.00"), (None, "–")]
)
def test_a_logit_difference_has_a_sign_and_one_precision(value: float | None, shown: str) -> None:
    assert signed(value) == shown


def test_a_bar_grows_from_the_middle_to_the_side_that_it_moves_to() -> None:
    assert centred_bar(-4.0, 8.0, 9).plain == "  ██│    "
    assert centred_bar(8.0, 8.0, 9).plain == "    │████"
    assert centred_bar(-1.0, 8.0, 9).plain == "   ▐│    "
    assert centred_bar(None, 8.0, 9).plain == centred_bar(0.0, 0.0, 9).plain == "    │    "
    styles = {span.style for span in centred_bar(-4.0, 8.0, 9).spans if "█" in _of(span, -4.0)}
    assert styles == {WRONG_STYLE}
    assert {span.style for span in centred_bar(4.0, 8.0, 9).spans if "█" in _of(span, 4.0)} == {RIGHT_STYLE}


def _of(span: object, shift: float) -> str:
    return centred_bar(shift, 8.0, 9).plain[span.start : span.end]  # type: ignore[attr-defined]


def test_what_moves_and_flips_is_measured_against_the_run() -> None:
    assert [TABLE.shift(each) for each in TABLE.variants] == [0.0, -4.25, -8.25, None, None]
    assert [TABLE.flip(each) for each in TABLE.variants] == [None, None, False, None, None]
    back = WhatIf("", (ZERO, OWN))
    assert back.flip(OWN) is True


def test_a_variant_in_words() -> None:
    assert sentence(TABLE, ZERO).plain == (
        "zero@2: “Alex is a bompus.” ✗, another answer. p(gorpus ✓) 0.020, p(bompus ✗) 0.900. "
        "Logit difference −3.75, Δ −8.25 against the run."
    )
    assert "the same answer (6 words were said in front of it)" in sentence(TABLE, NOISE).plain
    assert "draw donors from" in sentence(TABLE, MEAN).plain


@SIZES
async def test_every_row_has_the_same_columns_and_a_bar(trace: Trace, size: tuple[int, int]) -> None:
    async with opened(trace).run_test(size=size) as pilot:
        screen = WhatIfScreen("thought 2")
        shown = await pushed(pilot, trace, screen, TABLE)
        table = screen.query_one(DataTable)
        assert table.virtual_size.width <= table.size.width
        zero = cells(screen, 2)
        assert (zero[0], zero[2:5]) == ("zero@2", ["0.020", "0.900", "−3.75"])
        assert zero[1].startswith("≠ ")
        assert "bompus" in zero[1]
        assert "█│" in zero[-1]
        assert cells(screen, 0)[1].strip().endswith("gorpus. ✓" if size[0] > 80 else "✓")
        assert ("◂ wrong" in shown) is (size[0] > 80)
        assert ("−8.25" in zero) is (size[0] > 80)
        if size[0] > 80:
            dialog = screen.query_one(".dialog")
            assert dialog.size.width >= 0.9 * size[0]
            assert table.size.height >= 0.45 * dialog.size.height, "five rows of at most five lines"


async def test_rows_are_sorted_by_effect_on_request(trace: Trace) -> None:
    async with opened(trace).run_test(size=WIDE) as pilot:
        screen = WhatIfScreen("thought 2")
        await pushed(pilot, trace, screen, TABLE)
        assert [cells(screen, row)[0] for row in range(3)] == ["nothing changed", "noise@2", "zero@2"]
        await pilot.press("j", "o")
        await pilot.pause()
        assert [cells(screen, row)[0] for row in range(3)] == ["nothing changed", "zero@2", "noise@2"]
        assert state(screen).startswith("noise@2: "), "the cursor stays on its row"
        await pilot.press("o")
        await pilot.pause()
        assert [cells(screen, row)[0] for row in range(3)] == ["nothing changed", "noise@2", "zero@2"]


async def test_a_sweep_has_a_curve_besides(trace: Trace) -> None:
    texts = sweep_of("steer bompus -4..4/5", 2)
    strengths = strengths_of("steer bompus -4..4/5")
    assert strengths == (-4, -2, 0, 2, 4)
    assert texts[0] == "steer bompus -4@2"
    pairs = zip(texts, strengths, strict=True)
    rows = (Variant(text, said(RIGHT), False, 0, (0.5, 0.5), -value) for text, value in pairs)
    table = WhatIf("steer", (OWN, *rows), PLACE, complete=True)
    async with opened(trace).run_test(size=(120, 40)) as pilot:
        screen = WhatIfScreen("steer", strengths)
        shown = await pushed(pilot, trace, screen, table)
        curve = screen.query_one("#what-if-curve", Static)
        assert curve.display
        drawn = str(curve.render())
        assert "● logit difference   · nothing changed" in drawn
        ticks = drawn.splitlines()[-2].split()
        assert ticks == ["-4", "-2", "0", "2", "4"]
        assert sum(line.count("●") for line in drawn.splitlines()[:-1]) == 5
        assert drawn in shown or drawn.splitlines()[3].strip() in shown
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert not curve.display or curve.size.height > 8


@SIZES
async def test_the_grid_fills_the_room_and_marks_what_flips(trace: Trace, size: tuple[int, int]) -> None:
    texts = [text for name in zip(*map(ablations_of, (1, 2, 3)), strict=True) for text in name]
    variants = [
        Variant(text, said(WRONG) if flips else said(RIGHT), flips, 0, (0.5, 0.4), 4.5 - shift)
        for number, text in enumerate(texts)
        for shift, flips in [(number / 2, number > 16)]
    ]
    table = WhatIf("", (OWN, *variants), PLACE, complete=True)
    async with opened(trace).run_test(size=size) as pilot:
        screen = GridScreen(3, 2)
        shown = await pushed(pilot, trace, screen, table)
        drawn = screen.query_one(DataTable)
        assert drawn.virtual_size.width <= drawn.size.width
        assert drawn.virtual_size.width >= 0.85 * drawn.size.width
        assert drawn.size.height >= (0.5 if size[1] < 30 else 0.6) * screen.query_one(".dialog").size.height
        assert shown.count("✗") >= 7
        assert "−11.50 ✗" in shown
        assert drawn.cursor_coordinate == Coordinate(0, 1)
        assert state(screen).startswith("zero@2: “Alex is a gorpus.” ✓, the same answer.")
        await pilot.press("j", "l")
        assert state(screen).startswith("pause@3: ")
        strongest = drawn.get_cell_at(Coordinate(7, 2))
        assert isinstance(strongest, Text)
        assert f"coconut.loss.{SHADES - 1}" in {str(span.style) for span in strongest.spans}


async def test_a_grid_says_what_is_not_known_and_takes_no_cell_that_cannot_be_done(trace: Trace) -> None:
    plain = Said("Bob.", "Bob.", None)
    own = Variant("nothing changed", plain)
    other = Variant("zero@2", Said("Eva.", "Eva.", None), True)
    async with opened(trace).run_test(size=WIDE) as pilot:
        screen = GridScreen(2, 2)
        await pushed(pilot, trace, screen, WhatIf("", (own, other, MEAN, TWIN)))
        assert [cells(screen, row)[1].strip() for row in (0, 2, 6)] == ["≠", "–", "…"]
        assert "trying … 2 of 4 answered, escape stops" in state(screen)
        await pilot.press("j", "j", "enter")
        await pilot.pause()
        assert pilot.app.screen is screen


@pytest.mark.drives("grid")
async def test_a_cell_of_the_grid_becomes_a_branch_and_escape_ends_it(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "c", "at")
        screen = app.screen
        assert isinstance(screen, GridScreen)
        await until(pilot, lambda app: screen._table.complete)
        assert len(screen._table.variants) == 1 + 4 * len(ablations_of(1))
        assert all(each.said is not None or each.error for each in screen._table.variants)
        await pilot.press("j", "h", "enter")
        await settled(pilot)
        assert app.view.tree.here.done == "pause@3"
        await press(pilot, "i")
        assert isinstance(app.screen, WhatIfScreen)
        await pilot.press("at")
        await until(pilot, lambda app: isinstance(app.screen, GridScreen))
        await pilot.press("escape")
        await settled(pilot)
        assert not isinstance(app.screen, GridScreen)
        await press(pilot, "r")
        assert not app.view.steps, "what comes after is not stopped"
