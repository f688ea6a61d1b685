"""The command palette finds by name, by description, and interventions; each once."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import Input

from coconut_core.interventions.text import FORMS
from coconut_core.records.trace import Trace
from coconut_tui.actions.palette import SYNONYMS, PaletteProvider
from coconut_tui.actions.table import ACTIONS
from coconut_tui.app import Explorer
from coconut_tui.run.state import FormFacts
from coconut_tui.screens.command import CommandScreen
from tests.tui.conftest import WIDE, explorer, press, settled, until

FACTS = tuple(
    FormFacts(form.name, form.usage, form.arguments, form.takes_places, form.description, form.example)
    for form in FORMS
)


async def found(app: Explorer, query: str) -> list[str]:
    """Titles, best first."""
    provider = PaletteProvider(app.screen)
    hits = [hit async for hit in provider.search(query)]
    return [str(hit.match_display) for hit in sorted(hits, key=lambda hit: -hit.score)]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("ablation", "what if (i)"),
        ("side by side", "beside (S)"),
        ("interven", ":steer TOKEN FACTOR@THOUGHTS"),
        ("steer", ":steer TOKEN FACTOR@THOUGHTS"),
        ("theme", "dark or light (d)"),
        ("theme", "Theme"),
        ("attention", "attention (5)"),
        ("attention", ":knockout WHAT@THOUGHTS"),
        ("ablation", "zero (z)"),
        ("ablation", ":mean@THOUGHTS"),
        ("side by side", "compare (C)"),
        ("activation patching", ":patch LAYER DONOR@THOUGHTS"),
        ("activation patching", ":replace VECTOR@THOUGHTS"),
        ("logit lens", "lens (4)"),
        ("steering", ":steer TOKEN FACTOR@THOUGHTS"),
        ("steering", ":add VECTOR FACTOR@THOUGHTS"),
        ("pca", "trajectory (8)"),
        ("exit", "quit (q)"),
    ],
)
async def test_it_finds_by_what_a_command_does(trace: Trace, query: str, wanted: str) -> None:
    async with Explorer(trace=trace).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        assert app.facts is not None
        app.facts = replace(app.facts, forms=FACTS)
        assert wanted in await found(app, query)


def test_synonyms_are_of_what_there_is() -> None:
    assert {*SYNONYMS} <= {action.name for action in ACTIONS} | {form.name for form in FORMS}


async def test_titles_come_first_and_each_command_once(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        assert (await found(app, "zero"))[0] == "zero (z)"
        assert [title for title in await found(app, "screenshot") if "screenshot" in title.lower()] == [
            "screenshot (f9)"
        ]
        titles = Counter(command.title.lower() for command in app.get_system_commands(app.screen))
        assert [title for title, count in titles.items() if count > 1] == []


async def test_an_intervention_begins_a_line(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "ctrl+p")
        await until(pilot, lambda app: isinstance(app.screen, CommandPalette))
        app.screen.query_one(Input).value = "steer TOKEN"
        await until(pilot, lambda app: app.screen.query_one("#--results").display)
        await pilot.press("enter")
        await until(pilot, lambda app: isinstance(app.screen, CommandScreen))
        assert app.screen.query_one(Input).value == "steer "
