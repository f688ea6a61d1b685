"""What is on screen."""

from dataclasses import replace

from coconut_core.common.errors import CoconutError
from coconut_core.common.token_names import typed_name
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.lookups import MATRIX, MOST_PINS, ROWS, SCALES, TEMPERATURES
from coconut_tui.views import TABLE, VIEWS
from coconut_tui.views import lens as lens_view
from coconut_tui.views import lines as lines_view
from coconut_tui.views.view import View
from coconut_tui.widgets.thoughts import ThoughtsPane
from coconut_tui.widgets.token_marks import pin_sign


def showing(view: View) -> Action[ExplorerBase]:
    """The action that brings a view to the front."""

    def show(app: ExplorerBase, argument: str) -> None:
        app.show_view(view.name)

    name, description = view.typed or view.name, view.description or f"Show the view {view.title}"
    if view.name in TABLE.built_in:
        return Action(name, view.key, name, description, "View", show)
    return Action(name, "", view.title, description, "Plugins", show)


def switch_form(app: ExplorerBase, argument: str) -> None:
    """The thoughts as a matrix, or as rows."""
    form = ROWS if app.query_one(ThoughtsPane).is_matrix else MATRIX
    app.set_dials(replace(app.dials, form=form))
    app.keeper.note_form(form)


def turn_units(app: ExplorerBase, argument: str) -> None:
    """Probabilities, their logarithms, or ranks."""
    place = (SCALES.index(app.dials.scale) + 1) % len(SCALES)
    app.set_dials(replace(app.dials, scale=SCALES[place]))


def play(app: ExplorerBase, argument: str) -> None:
    """The thoughts on the graph, one after the other."""
    app.play()


def zoom(app: ExplorerBase, argument: str) -> None:
    """One pane, or all."""
    app.zoom()


def pin(app: ExplorerBase, argument: str) -> None:
    """Draw a line for a token, or take its line away."""
    sight = app.sight
    dials, token = app.dials, argument or _token_in_question(app)
    if token in dials.pins:
        dials = dials.without_pin(token)
    elif token in lines_view.pinned(sight):
        raise CoconutError(f"'{token}' is a candidate: it has a line as long as this question is open")
    elif len(lines_view.pinned(sight)) == MOST_PINS:
        raise CoconutError(
            f"{MOST_PINS} tokens have lines already: take one away first, with :pin and its name"
        )
    else:
        dials = dials.with_pin(token)
    app.set_dials(dials)
    signs = [f"{pin_sign(number)} {name}" for name, number in dials.pins.items()]
    app.tell(f"pinned: {', '.join(signs) or 'nothing but the candidates'}")


def _token_in_question(app: ExplorerBase) -> str:
    """The likeliest token of the selected step, or of the lens's cell under the cursor."""
    sight = app.sight
    if sight.step is None:
        raise CoconutError("there is no step to pin a token of: take one (s), or write :pin and the token")
    cell = lens_view.cell(sight) if app.shown_view == "lens" else None
    token = (sight.step.top if cell is None else cell[2])[0]
    return typed_name(token.name, sight.facts is not None and sight.facts.spaces_shown)


def cooler(app: ExplorerBase, argument: str) -> None:
    """A lower temperature."""
    _heat(app, -1)


def warmer(app: ExplorerBase, argument: str) -> None:
    """A higher temperature."""
    _heat(app, 1)


def _heat(app: ExplorerBase, by: int) -> None:
    place = TEMPERATURES.index(app.dials.temperature) + by
    if 0 <= place < len(TEMPERATURES):
        app.set_dials(replace(app.dials, temperature=TEMPERATURES[place]))


def lower_layer(app: ExplorerBase, argument: str) -> None:
    """A layer down."""
    _turn_layer(app, -1)


def higher_layer(app: ExplorerBase, argument: str) -> None:
    """A layer up."""
    _turn_layer(app, 1)


def previous_head(app: ExplorerBase, argument: str) -> None:
    """The head before."""
    _turn_head(app, -1)


def next_head(app: ExplorerBase, argument: str) -> None:
    """The next head."""
    _turn_head(app, 1)


def _turn_layer(app: ExplorerBase, by: int) -> None:
    app.require_model()
    layers = 0 if app.facts is None else app.facts.layers
    if app.shown_view == "lens":
        layer = (layers if app.dials.lens_layer is None else app.dials.lens_layer) + by
        app.set_dials(replace(app.dials, lens_layer=min(max(layer, 0), layers)))
    else:
        app.set_dials(replace(app.dials, layer=_turned(app.dials.layer, by, layers)))


def _turn_head(app: ExplorerBase, by: int) -> None:
    app.require_model()
    heads = 0 if app.facts is None else app.facts.heads
    app.set_dials(replace(app.dials, head=_turned(app.dials.head, by, heads)))


def _turned(number: int | None, by: int, count: int) -> int | None:
    """The next of all together (None), 1, 2, …, count; behind the last comes the first."""
    return ((number or 0) + by) % (count + 1) or None


def more_tokens(app: ExplorerBase, argument: str) -> None:
    """More tokens of a step, or a larger graph."""
    if app.focused_view == "graph":
        _zoom_graph(app, 1)
        return
    app.set_token_count(app.token_count + 5 if app.token_count >= 5 else 5)


def fewer_tokens(app: ExplorerBase, argument: str) -> None:
    """Fewer tokens of a step, or a smaller graph."""
    if app.focused_view == "graph":
        _zoom_graph(app, -1)
        return
    app.set_token_count(app.token_count - 5)


def _zoom_graph(app: ExplorerBase, by: int) -> None:
    app.set_dials(replace(app.dials, graph_zoom=min(3, max(-3, app.dials.graph_zoom + by))))


def switch_theme(app: ExplorerBase, argument: str) -> None:
    """Dark or light."""
    app.theme = "textual-light" if app.current_theme.dark else "textual-dark"


ACTIONS = (
    *map(showing, VIEWS),
    Action("matrix", "0", "matrix", "Show the thoughts as a matrix, or as rows", "View", switch_form),
    Action(
        "units",
        "dollar_sign",
        "units",
        "Show how likely tokens are as p, as ln p or by rank",
        "View",
        turn_units,
    ),
    Action(
        "more-tokens",
        "plus,equals_sign",
        "more",
        "Show more tokens of a step; in the graph, draw its nodes larger",
        "View",
        more_tokens,
    ),
    Action(
        "fewer-tokens",
        "minus",
        "fewer",
        "Show fewer tokens of a step; in the graph, draw its nodes smaller",
        "View",
        fewer_tokens,
    ),
    Action(
        "cooler",
        "left_parenthesis",
        "cooler",
        "Show top-k at a lower temperature",
        "View",
        cooler,
    ),
    Action("warmer", "right_parenthesis", "warmer", "Show top-k at a higher temperature", "View", warmer),
    Action(
        "lower-layer",
        "less_than_sign",
        "layer below",
        "Go a layer down, in the lens or the attention",
        "View",
        lower_layer,
    ),
    Action(
        "higher-layer",
        "greater_than_sign",
        "layer above",
        "Go a layer up",
        "View",
        higher_layer,
    ),
    Action(
        "previous-head",
        "left_curly_bracket",
        "head before",
        "Show attention of the head before",
        "View",
        previous_head,
    ),
    Action(
        "next-head", "right_curly_bracket", "next head", "Show attention of the next head", "View", next_head
    ),
    Action(
        "pin",
        "x",
        "pin",
        "Draw a line for the token in question, or for another; once more takes it away",
        "View",
        pin,
        "[TOKEN]",
    ),
    Action("play", "A", "play", "Play the thoughts on the graph one after the other", "View", play),
    Action(
        "zoom", "O", "zoom", "Let the pane that has the focus take the whole screen, and back", "View", zoom
    ),
    Action(
        "theme",
        "d",
        "dark or light",
        "Switch between the dark and the light theme",
        "View",
        switch_theme,
    ),
)
