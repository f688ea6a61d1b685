"""How it is shown what goes on inside the model."""

from dataclasses import replace

from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.views.heads import next_strip


def heads(app: ExplorerBase, argument: str) -> None:
    """Another number in the strip of heads."""
    app.require_model()
    app.set_dials(replace(app.dials, strip=next_strip(app.dials.strip)))


def paint(app: ExplorerBase, argument: str) -> None:
    """The prompt painted with attention, or plain."""
    app.set_dials(replace(app.dials, painted=not app.dials.painted))
    app.keeper.note_painting(app.dials.painted)
    app.tell(f"attention on the prompt: {'on' if app.dials.painted else 'off'}")


def layers(app: ExplorerBase, argument: str) -> None:
    """Layers of the lens evenly apart, or those around the one in question."""
    app.set_dials(replace(app.dials, every_layer=not app.dials.every_layer))


ACTIONS = (
    Action(
        "heads",
        "semicolon",
        "heads by",
        "Show another number of each head: focus, share on thoughts, on the chosen place, on the first word",
        "View",
        heads,
    ),
    Action(
        "paint",
        "percent_sign",
        "paint",
        "Paint the prompt with the attention, or leave it plain",
        "View",
        paint,
    ),
    Action(
        "layers",
        "underscore",
        "layers",
        "Of many layers, show those around the one in question, or some evenly apart",
        "View",
        layers,
    ),
)
