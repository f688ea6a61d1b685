"""The command palette finds by name, by description, and interventions; each once."""

from collections import Counter
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import Input

from coconut_tui.actions.palette import PaletteProvider
from coconut_tui.app import Explorer
from coconut_tui.screens.command import CommandScreen
from tests.tui.conftest import WIDE, explorer, press, settled, until


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
    ],
)
async def test_it_finds_by_what_a_command_does(checkpoint: Path, query: str, wanted: str) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        assert wanted in await found(await settled(pilot), query)


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
