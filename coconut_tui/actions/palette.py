"""The command palette: every action and every intervention, found by name, by key and by what they do."""

from collections.abc import Callable, Iterator
from functools import partial

from textual.app import SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider

from coconut_tui.actions.helping import type_line
from coconut_tui.explorer.base import ExplorerBase

_BY_DESCRIPTION = 0.1  # the score of what only the description says; titles that match have more


def palette_commands(app: ExplorerBase, act: Callable[[str], None]) -> Iterator[SystemCommand]:
    """A command for each action, which act does by its name, and one for each intervention that the model
    knows, which begins a line."""
    for action in app.actions:
        title = f"{action.label} ({action.shown_keys})" if action.keys else action.label
        yield SystemCommand(title, action.description, partial(act, action.name))
    for form in () if app.facts is None else app.facts.forms:
        line = f"{form.name}{' ' if form.arguments else '@' if form.takes_places else ''}"
        about = f"Intervention: {form.description}"
        yield SystemCommand(f":{form.usage}", about, partial(type_line, app, line))


class PaletteProvider(Provider):
    """Finds commands by their titles, and by words of their descriptions."""

    async def discover(self) -> Hits:
        """All commands, in the order of the help."""
        for title, about, callback, _ in self.app.get_system_commands(self.screen):
            yield DiscoveryHit(title, callback, help=about)

    async def search(self, query: str) -> Hits:
        """Commands with the letters of the query in the title, or with its words in their descriptions."""
        matcher, words = self.matcher(query), query.lower().split()
        for title, about, callback, _ in self.app.get_system_commands(self.screen):
            score, wording = matcher.match(title), f"{title} {about}".lower()
            if all(word in wording for word in words):
                score = max(score, _BY_DESCRIPTION)
            if score > 0:
                yield Hit(score, matcher.highlight(title), callback, help=about)
