"""What stands over the path graph: the thought, its masses as bars, and each thought's on its frontier."""

from rich.text import Text

from coconut_core.problems.base import Graph
from coconut_core.records.graph_reading import GraphMass, graph_mass
from coconut_core.records.trace import StepRecord
from coconut_tui.views.view import LEAST_SHARE, Sight, last_thoughts, step_name
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    EDIT_BOLD,
    EDIT_STYLE,
    FRONTIER_BOLD,
    PATH_BOLD,
    RIGHT_BOLD,
    WRONG_BOLD,
    column_bar,
    share_bar,
    share_text,
    shortened,
)

_NAMES = (  # of the masses, each with its sign
    ("▸", "frontier", FRONTIER_BOLD),
    (" ", "reached", ""),
    ("★", "on path", PATH_BOLD),
    ("✓", "right", RIGHT_BOLD),
    ("✗", "wrong", WRONG_BOLD),
)
_NAME = 10  # cells of a mass's name, with its sign
LOW = 24  # lines of a pane that is to show the graph, and has few to spare
_ALL_SIGNS = 31  # cells that the masses take in one line
_LEAST_BAR, _MOST_BAR = 2, 20


def figures(sight: Sight, graph: Graph, thought: StepRecord | None) -> list[Text]:
    """As many lines whatever the thought is; thought is the one that is shown, None where there is none yet."""
    mass = GraphMass(0, 0, 0, 0, 0) if thought is None else _mass(sight, graph, thought)
    title, bars = _title(sight, thought), _bars(mass, sight.width)
    by_thought = _by_thought(sight, graph, thought)
    if sight.height < LOW and len(bars) > 1:
        return [title, _signs(mass, sight.width), by_thought]
    return [title, *bars, by_thought]


def _mass(sight: Sight, graph: Graph, step: StepRecord) -> GraphMass:
    return graph_mass(graph, step.index, step.watched, sight.first_thought_hops)


def _title(sight: Sight, thought: StepRecord | None) -> Text:
    assert sight.run is not None
    if thought is None:
        return Text("no thought yet", "dim", no_wrap=True)
    last = "" if thought is sight.step else ", the last one"
    text = Text(no_wrap=True).append(f"as of thought {step_name(thought)}{last}", "dim")
    hops = thought.index - 1 + sight.first_thought_hops
    where = f" · frontier at {hops} hop{'' if hops == 1 else 's'}"
    if thought.edit:
        text.append(f" ✎ {shortened(thought.edit, max(4, sight.width - text.cell_len - 3))}", EDIT_BOLD)
    elif text.cell_len + len(where) <= sight.width:
        text.append(where, "dim")
    return text


def _bars(mass: GraphMass, width: int) -> list[Text]:
    """The masses as bars, in as many columns as there is room for."""
    columns = max(1, min(len(_NAMES), (width + 1) // (_NAME + _LEAST_BAR + 5)))
    columns = -(-len(_NAMES) // -(-len(_NAMES) // columns))  # no more than the lines need
    cells = min(_MOST_BAR, (width + 1) // columns - _NAME - 5)
    lines: list[Text] = []
    for place, ((sign, name, style), (_, share)) in enumerate(zip(_NAMES, mass.named(), strict=True)):
        if place % columns == 0:
            lines.append(Text(no_wrap=True))
        lines[-1].append(sign, style).append(f"{name:<{_NAME - 1}}")
        number = "" if share >= LEAST_SHARE else "dim"
        lines[-1].append_text(share_bar(share, cells, style=number)).append(
            " " if (place + 1) % columns else ""
        )
    return lines


def _signs(mass: GraphMass, width: int) -> Text:
    """The masses in one short line; in a narrow one all but that on all that can be reached."""
    text = Text(no_wrap=True)
    for (sign, _, style), (_, share) in zip(_NAMES, mass.named(), strict=True):
        if not style and width < _ALL_SIGNS:
            continue
        text.append(" " if text else "").append(sign.strip() or "all", style)
        text.append(column_bar(share), BAR_STYLE).append(
            share_text(share), "" if share >= LEAST_SHARE else "dim"
        )
    return text


def _by_thought(sight: Sight, graph: Graph, selected: StepRecord | None) -> Text:
    """Each thought's mass on the frontier that it should stand on, the last ones up to the selected."""
    assert sight.run is not None
    thoughts = last_thoughts(sight.run, selected)
    shares = [_mass(sight, graph, step).frontier for step in thoughts]
    text = Text(no_wrap=True).append("frontier", "dim")
    if sum(len(step_name(step)) + 6 for step in thoughts) + len(text) <= sight.width:
        for step, share in zip(thoughts, shares, strict=True):
            here = step is selected
            text.append(
                f" {'▸' if here else '✎' if step.edit else ' '}", EDIT_BOLD if step.edit else FRONTIER_BOLD
            )
            text.append(step_name(step), "bold" if here else "").append(
                column_bar(share), _bar_style(step, here)
            )
            text.append(share_text(share), "bold" if here else "")
        return text
    room = max(1, sight.width - len(text) - 10)
    text.append(" ")
    for step, share in list(zip(thoughts, shares, strict=True))[-room:]:
        text.append(column_bar(share), _bar_style(step, step is selected))
    if selected is not None:
        text.append(f" ▸{step_name(selected)} ", FRONTIER_BOLD)
        text.append(share_text(_mass(sight, graph, selected).frontier), "bold")
    return text


def _bar_style(step: StepRecord, here: bool) -> str:
    return EDIT_STYLE if step.edit else FRONTIER_BOLD if here else BAR_STYLE
