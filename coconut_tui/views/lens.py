"""Layers by thoughts: what each layer would say, if it were the last."""

from dataclasses import replace

from rich.style import Style
from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.records.trace import TokenRecord
from coconut_tui.run.lookups import LENS_STEPS, Ask, LensColumn, LensGrid
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of, shade
from coconut_tui.widgets.tokens import fitted, share_text, shortened, token_bar, token_share

_LABEL = 3  # cells of a layer's number
_NAME = 5  # least cells of a token
_SHARE = 5  # cells of a probability beside a token, and of the gap


def ask(sight: Sight) -> Ask | None:
    """The selected thought and those around it."""
    anchor = _anchor(sight)
    if anchor is None or sight.run is None:
        return None
    first = anchor // LENS_STEPS * LENS_STEPS
    last = max(n for n in range(first, first + LENS_STEPS) if _may_be_read(sight, n))
    return replace(sight.ask("lens", last + 1), first=first)


def cell(sight: Sight) -> tuple[LensColumn, int, tuple[TokenRecord, ...]] | None:
    """The cell under the cursor: column, layer (from 1), likeliest tokens. None while the grid is not known."""
    request = ask(sight)
    grid = None if request is None else sight.answer(request)
    if not isinstance(grid, LensGrid):
        return None
    column = next(column for column in grid.columns if column.step == _anchor(sight))
    layer = min(sight.dials.lens_layer or len(column.layers), len(column.layers))
    return column, layer, column.layers[layer - 1]


def draw(sight: Sight) -> Text:
    """The grid, and below it the cell under the cursor."""
    request = ask(sight)
    if request is None:
        return Text("Take a step (s) to look into it.", "dim")
    grid, selected = sight.answer(request), cell(sight)
    if not isinstance(grid, LensGrid) or selected is None:
        return in_place_of(sight, grid)
    column, layer, top = selected
    kind = "tuned lens" if grid.calibration else "plain lens"
    text = Text().append(f"{kind} · layer by thought\n", "dim")
    text.append_text(_grid(sight, grid, column, layer))
    step = sight.run.steps[column.step] if sight.run is not None else None
    text.append(f"\nlayer {layer}", "bold").append(f" of {len(column.layers)}, ")
    text.append(f"{'thought ' if column.name != '⟨eot⟩' else ''}{column.name}", "bold")
    text.append(", before its edit\n" if step is not None and step.edit else "\n")
    if layer <= len(grid.calibration):
        plain, tuned = grid.calibration[layer - 1]
        text.append(f"held out: {tuned:.2f} nats from the last layer (plain {plain:.2f})\n", "dim")
    bars = max(4, min(24, sight.width - 18))
    likeliest = top[: sight.token_count]
    text.append_text(Text("\n").join(token_bar(item.name, item.probability, 12, bars) for item in likeliest))
    return text.append(f"\n! {grid.note}", "dim") if grid.note else text


def _grid(sight: Sight, grid: LensGrid, selected: LensColumn, layer: int) -> Text:
    room = sight.width - _LABEL
    beside = len(grid.columns) * (_NAME + _SHARE) <= room  # the probability beside the token, else below it
    fitting = room // len(grid.columns) - (_SHARE if beside else 1)
    name = min(12, max(_NAME, fitting))
    width = name + _SHARE if beside else name + 1
    columns = _around(grid.columns, selected, max(1, room // width))
    text = Text(" " * _LABEL)
    for column in columns:
        here = column.step == selected.step
        head = shortened(("▾" if here else "") + column.name, width - 1)
        text.append(padded(head, width), "bold" if here else "dim")
    for number in range(len(selected.layers), 0, -1):
        text.append(f"\n{number:>{_LABEL - 1}} ", "bold" if number == layer else "dim")
        cells = [(column, column.layers[number - 1][0]) for column in columns]
        for part in ("both",) if beside else ("token", "share"):
            if part == "share":
                text.append("\n" + " " * _LABEL)
            for column, item in cells:
                under = column.step == selected.step and number == layer
                token_text = Text(_cell(item, part, name), shade(item.probability))
                token_text.stylize("bold" if under else "")
                token_text.stylize(Style(meta={"@click": f"app.look_at({column.step}, {number})"}))
                text.append_text(token_text)
                text.append("◂" if under and part != "token" else " ")
    left_out = len(grid.columns) - len(columns)
    if left_out:
        more = f"{left_out} more column{'' if left_out == 1 else 's'}"
        text.append(f"\n{more}: , and . select, O makes room", "dim")
    return text


def _cell(item: TokenRecord, part: str, name: int) -> str:
    if part == "both":
        return token_share(item, name)
    return fitted(item.name, name) if part == "token" else f"{share_text(item.probability):<{name}}"


def _around(columns: tuple[LensColumn, ...], selected: LensColumn, count: int) -> tuple[LensColumn, ...]:
    """As many columns as there is room for, with the chosen one among them."""
    place = columns.index(selected)
    first = max(0, min(place - count // 2, len(columns) - count))
    return columns[first : first + count]


def _anchor(sight: Sight) -> int | None:
    """The column in question: the selected step, or for a word the last step before it that is no word."""
    if sight.number is None:
        return None
    return next((n for n in range(sight.number, -1, -1) if _may_be_read(sight, n)), None)


def _may_be_read(sight: Sight, number: int) -> bool:
    return sight.run is not None and number < len(sight.run.steps) and sight.run.steps[number].kind != "token"


VIEW = View(
    "lens",
    "Lens",
    draw,
    ask,
    key="4",
    description="Show what each layer would say, thought by thought",
    actions=("lower-layer", "higher-layer"),
    reads_one=True,
    guide=Guide(
        "Lens",
        "What each layer would say if it were the last, at the place where each thought was made: the likeliest"
        " token, its probability as a number and as shade. The top row is the thought's own readout (for an "
        "edited thought, before the edit). ▾ and ◂ mark the cell that is told below: , and . move by thoughts, "
        "< and > by layers. The tuned lens is used where the checkpoint has one, with its distance from the "
        "last layer on held-out problems.",
        "The plain lens reads early layers in the last layer's language: that it reads nothing does not say "
        "that the layer knows nothing. A tuned lens was trained, and can compute what the layer has not. "
        "Layers are counted from 1 here; :patch counts them from 0.",
    ),
)
