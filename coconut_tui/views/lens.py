"""Layers by positions: what each layer would say, if it were the last."""

from dataclasses import dataclass, replace

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.records.trace import TokenRecord
from coconut_tui.run.lookups import LENS_PROMPT, LENS_STEPS, Ask, LensColumn, LensGrid
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import LEAST_SHARE, Sight, View, click, in_place_of, shade
from coconut_tui.widgets.tokens import fitted, share_text, shortened, token_bar, token_share

_LABEL = 3  # cells of a layer's number
_LEAST, _NAME, _WIDEST = 6, 7, 24  # cells of a token: least with many layers, least, most
_SHARE = 5  # cells of a probability beside a token, and of the gap
_BESIDE = 56  # from so many cells on the probability stands beside the token, else below it
_HEAD = 3  # lines above the cells
_BARS = 66  # cells of a column of bars in the cell that is told below, at most


def ask(sight: Sight) -> Ask | None:
    """The selected step and those around it; at the beginning of a run the end of the prompt as well."""
    if sight.number is None or sight.run is None:
        return None
    first = sight.number // LENS_STEPS * LENS_STEPS
    last = min(first + LENS_STEPS, len(sight.run.steps)) - 1
    return replace(sight.ask("lens", last + 1), first=first or -LENS_PROMPT)


def cell(sight: Sight) -> tuple[LensColumn, int, tuple[TokenRecord, ...]] | None:
    """The cell under the cursor: column, layer (0 is what is fed), likeliest tokens. None while the grid is not
    known."""
    request = ask(sight)
    grid = None if request is None else sight.answer(request)
    if not isinstance(grid, LensGrid):
        return None
    places = {column.step: column for column in grid.columns}
    assert sight.number is not None
    looked_at, column = sight.dials.lens_prompt, places[sight.number]
    if looked_at is not None and looked_at[0] == sight.number:
        column = places.get(looked_at[1], column)
    last = len(column.layers) - 1
    layer = last if sight.dials.lens_layer is None else min(sight.dials.lens_layer, last)
    return column, layer, column.layers[layer]


def facts(sight: Sight) -> str:
    """What the frame says: which layer is in question."""
    selected = cell(sight)
    return "" if selected is None else f"layer {selected[1]} of {len(selected[0].layers) - 1}"


def draw(sight: Sight) -> Text:
    """The grid, and below it the cell under the cursor."""
    request = ask(sight)
    if request is None:
        return Text("Take a step (s) to look into it.", "dim")
    grid, selected = sight.answer(request), cell(sight)
    if not isinstance(grid, LensGrid) or selected is None:
        return in_place_of(sight, grid)
    least = max(3, sight.height // 4)
    below = _told(sight, grid, selected, least)
    plan = _plan(sight, grid, selected[0], selected[1], sight.height - _HEAD - len(below) - 1)
    spare = sight.height - _HEAD - plan.lines - 1 - len(below)
    if spare > 0:  # more of the cell in question then
        below = _told(sight, grid, selected, least + spare)
    kind = "tuned lens" if grid.calibration else "plain lens"
    notes = [kind]
    if plan.columns_left:
        notes.append(f"{plan.columns_left} more column{'' if plan.columns_left == 1 else 's'}")
    if len(plan.layers) < len(selected[0].layers):
        notes.append(f"{len(plan.layers)} of {len(selected[0].layers)} layers")
    text = Text(shortened(" · ".join([*notes, "layer by place"]), sight.width), "dim").append("\n")
    return text.append_text(_grid(plan, *selected[:2])).append("\n\n").append_text(Text("\n").join(below))


# -- the cell under the cursor -----------------------------------------------------------------------------


def _told(
    sight: Sight, grid: LensGrid, selected: tuple[LensColumn, int, tuple[TokenRecord, ...]], most: int
) -> list[Text]:
    """The cell under the cursor in full, with so many lines of tokens at most: as many whichever it is."""
    column, layer, top = selected
    step = sight.run.steps[column.step] if sight.run is not None and column.step >= 0 else None
    if step is None:
        place = f"the prompt's {column.reads}"
    elif step.kind == "thought":
        place = f"thought {column.name}"
    else:
        place = column.name
    head = Text(f"layer {layer}", "bold").append(f" of {len(column.layers) - 1}, ").append(place, "bold")
    if step is not None and step.edit:
        head.append(", before its edit")
    elif layer == 0:
        head.append(", what is fed")
    head.truncate(sight.width)
    lines = [head]
    if grid.calibration:
        at = min(max(layer, 1), len(grid.calibration))
        plain, tuned = grid.calibration[at - 1]
        held_out = f"held out: {tuned:.2f} nats from the last layer (plain {plain:.2f})"
        lines.append(Text(held_out if at == layer else "", "dim"))
    across = max(1, sight.width // (_BARS // 2))
    count = min(sight.token_count, len(top), most * across)
    rows = -(-count // across)
    width = min(_BARS, sight.width // across)
    for row in range(rows):
        line = Text()
        for item in top[row:count:rows]:
            bars = max(4, width - 12 - 1 - _SHARE - 1)
            line.append_text(token_bar(item.name, item.probability, 12, bars)).append("  ")
        line.rstrip()
        lines.append(line)
    if grid.note:
        lines.append(Text(f"! {grid.note}", "dim"))
    return lines


# -- the grid ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """What of the grid is drawn, and how large."""

    columns: tuple[LensColumn, ...]
    columns_left: int
    layers: tuple[int, ...]  # top row first
    beside: bool  # the probability stands beside the token, not below it
    name: int  # cells of a token
    tokens: int  # of a cell

    @property
    def lines(self) -> int:
        """Lines of the cells."""
        return len(self.layers) * self.tokens * (1 if self.beside else 2)

    @property
    def width(self) -> int:
        """Cells of a column with the gap behind it."""
        return self.name + (_SHARE if self.beside else 1)


def _plan(sight: Sight, grid: LensGrid, selected: LensColumn, layer: int, lines: int) -> _Plan:
    room, count = sight.width - _LABEL, len(selected.layers)
    tall = 2 * count > lines  # too many layers for two lines each
    beside = sight.width >= _BESIDE or (tall and room >= 3 * (_LEAST + _SHARE))
    least = (_LEAST if tall else _NAME) + (_SHARE if beside else 1)
    columns = _around(grid.columns, selected, max(1, room // least))
    name = min(_WIDEST, room // len(columns) - (_SHARE if beside else 1))
    of_token = 1 if beside else 2
    layers = _rows(count, layer, max(3, lines // of_token), every=sight.dials.every_layer)
    tokens = max(1, min(max(map(len, selected.layers)), lines // (len(layers) * of_token)))
    return _Plan(columns, len(grid.columns) - len(columns), layers, beside, name, tokens)


def _rows(count: int, layer: int, room: int, *, every: bool) -> tuple[int, ...]:
    """The layers that there is room for, the last on top: evenly apart from the first to the last, with the one
    in question among them; or the ones around it."""
    if count <= room:
        return tuple(range(count - 1, -1, -1))
    if every:
        first = max(0, min(layer - room // 2, count - room))
        return tuple(range(first + room - 1, first - 1, -1))
    rows = [round(number * (count - 1) / (room - 1)) for number in range(room)]
    if layer not in rows:
        nearest = min(range(1, room - 1), key=lambda number: abs(rows[number] - layer))
        rows[nearest] = layer
    return tuple(reversed(rows))


def _grid(plan: _Plan, selected: LensColumn, layer: int) -> Text:
    text = Text()
    for label, names in (
        ("in", [column.reads for column in plan.columns]),
        ("▸", [column.name for column in plan.columns]),
    ):
        text.append(f"{label:>{_LABEL - 1}} ", "dim")
        for column, name in zip(plan.columns, names, strict=True):
            here = column.step == selected.step
            marked = here and (label == "▸") == bool(column.name)
            head = shortened(("▾" if marked else "") + name, plan.width - 1)
            text.append(padded(head, plan.width), "bold" if here else "dim")
        text.append("\n")
    lines = []
    for number in plan.layers:
        for line in range(plan.tokens * (1 if plan.beside else 2)):
            label = f"{number:>{_LABEL - 1}} " if line == 0 else " " * _LABEL
            row = Text().append(label, "bold" if number == layer else "dim")
            for column in plan.columns:
                row.append_text(_cell(plan, column, number, line, column == selected and number == layer))
            lines.append(row)
    return text.append_text(Text("\n").join(lines))


def _cell(plan: _Plan, column: LensColumn, number: int, line: int, under: bool) -> Text:
    """One line of a cell."""
    token, part = (line, 0) if plan.beside else divmod(line, 2)
    top = column.layers[number]
    if token >= len(top):
        return Text(" " * plan.width)
    item = top[token]
    if plan.beside:
        words = token_share(item, plan.name)
    else:
        share = share_text(item.probability) + ("◂" if under and token == 0 else "")
        words = fitted(item.name, plan.name) if part == 0 else f"{share:<{plan.name}}"
    text = Text(words, shade(item.probability) or ("dim" if item.probability < LEAST_SHARE else ""))
    text.stylize("bold" if under else "")
    text.stylize(click(f"look_at({column.step}, {number})"))
    return text.append("◂" if under and token == 0 and plan.beside else " ")


def _around(columns: tuple[LensColumn, ...], selected: LensColumn, count: int) -> tuple[LensColumn, ...]:
    """As many columns as there is room for, the chosen one among them, more behind it than in front."""
    place = columns.index(selected)
    first = max(0, min(place - count // 3, len(columns) - count))
    return columns[first : first + count]


VIEW = View(
    "lens",
    "Lens",
    draw,
    ask,
    key="4",
    description="Show what each layer would say, thought by thought",
    actions=("lower-layer", "higher-layer", "layers"),
    reads_one=True,
    facts=facts,
    guide=Guide(
        "Lens",
        "What each layer would say if it were the last: layers by places of the run, the prompt's last words, "
        "the thoughts, the words of the answer. Over each column stands what is read there (in) and, behind ▸, "
        "the step that its state is used for. A cell has the likeliest tokens, as many as there is room for, "
        "each with its probability as a number and as shade. The top row is the step's own readout (for an "
        "edited thought, before the edit), row 0 what is fed to the first layer: a word's embedding, or the "
        "thought. ▾ and ◂ mark the cell that is told below: , and . move by steps, < and > by layers, a click "
        "does both and reaches the prompt. Of many layers some are shown, evenly apart; _ shows those around "
        "the one in question. The tuned lens is used where the checkpoint has one, with its distance from the "
        "last layer on held-out problems.",
        "The plain lens reads early layers in the last layer's language: that it reads nothing does not say "
        "that the layer knows nothing, and what it reads in row 0 is often just the word itself or noise. A "
        "tuned lens was trained, and can compute what the layer has not; row 0 is read plainly in any case. "
        "At a place of the prompt a layer need not be about to say the next word at all. "
        "Layers are counted from 1 here; :patch counts them from 0.",
    ),
)
