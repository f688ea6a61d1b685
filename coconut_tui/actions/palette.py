"""The command palette: every action and every intervention, found by name, by key, by what they do, and by what
else they are called."""

from collections.abc import Callable, Iterator
from functools import partial

from textual.app import SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider

from coconut_tui.actions.helping import type_line
from coconut_tui.explorer.base import ExplorerBase

_BY_DESCRIPTION = 0.1  # the score of what only the description says; titles that match have more
_BY_SYNONYM = 0.2
SYNONYMS = {  # of actions and interventions, by their names: what researchers and other programs call them
    "edit": "intervene, intervention, ablation, steering, activation patching",
    "zero": "zero ablation, ablate, knock out, remove",
    "what-if": "ablations side by side, causal tracing, importance",
    "grid": "what if of all thoughts, ablations side by side, causal tracing, importance, heat map",
    "sweep": "dose response, strength, steering coefficient",
    "controls": "ablation, faithfulness, baseline, placebo, are the thoughts used",
    "beside": "two models side by side, checkpoints, model diff, baseline",
    "compare": "side by side, diff, kl divergence, cosine, before and after",
    "fork": "branch, copy, duplicate",
    "lens": "logit lens, tuned lens, layers, early exit, heat map",
    "attention": "heads, attention pattern, circuit",
    "nearest": "nearest neighbours, embedding, unembedding",
    "trajectory": "pca, principal components, projection",
    "lines": "curves, chart, plot, trajectories of tokens",
    "numbers": "table, raw, norm, cosine, entropy",
    "top-k": "readout, logits, probabilities, likeliest, distribution",
    "graph": "search, frontier, breadth-first, tree, dag, path",
    "play": "animation, film",
    "pin": "watch, track a token, plot a token",
    "continue": "run, finish, generate, answer",
    "step": "forward, next token, one thought",
    "restart": "reset, begin again",
    "speak-now": "early exit, decode now, force the answer",
    "question": "prompt, ask, own question, input",
    "problems": "examples, data set, browse, accuracy",
    "model": "checkpoint, load, hub, switch",
    "atlas": "data set, table of runs, error analysis, filter, nearest thoughts, pca, map",
    "build-atlas": "data set, table of runs, batch, collect",
    "training": "loss, curves, learning rate, tensorboard",
    "break": "breakpoint, condition, stop when",
    "zoom": "full screen, maximize, enlarge",
    "theme": "light mode, dark mode, colours",
    "export": "html, share, markdown, report",
    "save": "trace, record, json",
    "screenshot": "svg, image, picture",
    "search": "find, filter",
    "jump": "go to, focus, easymotion",
    "leave": "exit, close",
    "help": "keys, shortcuts, manual",
    "mean": "mean ablation",
    "noise": "random ablation, gaussian, corrupt",
    "scale": "multiply, amplify, dampen, steering",
    "replace": "activation patching, interchange intervention, resample ablation, swap, transplant",
    "steer": "steering vector, activation addition, push towards",
    "add": "steering vector, activation addition, difference of means, direction",
    "remove": "project out, directional ablation, erase a direction, nullspace",
    "patch": "activation patching, causal tracing, residual stream, interchange intervention",
    "patch-head": "activation patching, path patching, attention head",
    "knockout": "attention knockout, mask attention, block",
    "drop": "ablation, skip, leave out a thought",
    "shuffle": "permute, order",
    "truncate": "early exit, fewer thoughts, shorter",
    "extend": "more thoughts, longer, test-time compute",
}


def palette_commands(app: ExplorerBase, act: Callable[[str], None]) -> Iterator[tuple[SystemCommand, str]]:
    """A command for each action, which act does by its name, and one for each intervention that the model
    knows, which begins a line; each with what else it is called."""
    for action in app.actions:
        title = f"{action.label} ({action.shown_keys})" if action.keys else action.label
        command = SystemCommand(title, action.description, partial(act, action.name))
        yield command, SYNONYMS.get(action.name, "")
    for form in () if app.facts is None else app.facts.forms:
        line = f"{form.name}{' ' if form.arguments else '@' if form.takes_places else ''}"
        about = f"Intervention: {form.description}"
        command = SystemCommand(f":{form.usage}", about, partial(type_line, app, line))
        yield command, SYNONYMS.get(form.name, "")


class PaletteProvider(Provider):
    """Finds commands by their titles, by words of their descriptions, and by their synonyms."""

    async def discover(self) -> Hits:
        """All commands, in the order of the help."""
        for title, about, callback, _ in self.app.get_system_commands(self.screen):
            yield DiscoveryHit(title, callback, help=about)

    async def search(self, query: str) -> Hits:
        """Commands with the letters of the query in the title, or with its words in what is said of them."""
        matcher, words = self.matcher(query), query.lower().split()
        also = {command.title: synonyms for command, synonyms in self._own()}
        for title, about, callback, _ in self.app.get_system_commands(self.screen):
            score, wording = matcher.match(title), f"{title} {about}".lower()
            synonyms = also.get(title, "")
            if query.lower().strip() in synonyms:
                score = max(score, _BY_SYNONYM)
            elif all(word in f"{wording} {synonyms}" for word in words):
                score = max(score, _BY_DESCRIPTION)
            if score > 0:
                by_synonym = [each for each in synonyms.split(", ") if any(word in each for word in words)]
                help_text = f"{about} · {', '.join(by_synonym)}" if by_synonym else about
                yield Hit(score, matcher.highlight(title), callback, help=help_text)

    def _own(self) -> Iterator[tuple[SystemCommand, str]]:
        assert isinstance(self.app, ExplorerBase)
        return palette_commands(self.app, lambda name: None)
