"""The views of the inspect pane, a module each: what is known of a run in, a text out. No model code."""

from coconut_tui.widgets.views import answer, attention, graph, lens, lines, nearest, top, trajectory
from coconut_tui.widgets.views.sight import View

VIEWS = (
    View("top", "Top-k", top.draw, top.ask),
    View("graph", "Graph", graph.draw),
    View("answer", "Answer", answer.draw),
    View("lens", "Lens", lens.draw, lens.ask),
    View("attention", "Attention", attention.draw, attention.ask),
    View("lines", "Lines", lines.draw, lines.ask),
    View("nearest", "Nearest", nearest.draw, nearest.ask),
    View("trajectory", "Trajectory", trajectory.draw, trajectory.ask),
    View("numbers", "Numbers"),
)
