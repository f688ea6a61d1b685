"""What the frames of panes say: where the run is, and what is seen of the selected step."""

from coconut_core.records.graph_reading import graph_mass
from coconut_tui.run.state import marker_name
from coconut_tui.views.view import Sight, View
from coconut_tui.widgets.tokens import share_text


def thoughts_title(sight: Sight) -> str:
    """Thoughts 4/7 · frontier .99 · H .78"""
    run, step = sight.run, sight.step
    if run is None:
        return "Thoughts"
    thought = sight.thought
    parts = [f"Thoughts {0 if thought is None else thought.index}/{run.thoughts}"]
    if thought is not None and thought.readable:
        if run.graph is not None:
            mass = graph_mass(run.graph, thought.index, thought.watched, sight.first_thought_hops)
            parts.append(f"frontier {share_text(mass.frontier)}")
        parts.append(f"H {_short(thought.entropy)}")
    if step is not None and step is not thought:
        parts.append(marker_name(step) if step.kind == "marker" else f"word {step.index}")
    return " · ".join(parts)


def view_title(sight: Sight, view: View, inspected: bool) -> str:
    """Inspect 2 Graph · thought 4/7; a view beside without the first word."""
    name = f"{view.key} {view.title}".strip()
    title = f"Inspect {name}" if inspected else name
    return " · ".join(filter(None, (title, _step(sight))))


def view_facts(sight: Sight, view: View, inspected: bool) -> str:
    """What stands at the foot of a view's frame: its own facts, or, at that of the inspect pane, the step's."""
    if view.facts is not None:
        return view.facts(sight)
    step = sight.step
    if step is None or not step.readable or not inspected:
        return ""
    parts = [f"H {_short(step.entropy)} nats", f"norm {step.norm:.1f}"]
    if step.kind == "thought":
        parts.append(f"cos {'–' if step.cosine is None else f'{step.cosine:.2f}'}")
    return " · ".join(parts)


def _step(sight: Sight) -> str:
    run, step = sight.run, sight.step
    if run is None or step is None:
        return "no step yet"
    if step.kind == "thought":
        name = f"thought {step.index}/{run.thoughts}"
    else:
        name = marker_name(step) if step.kind == "marker" else f"word {step.index} {step.name}"
    return f"{name} ✎ {step.edit}" if step.edit else name


def _short(nats: float) -> str:
    return f"{nats:.2f}".removeprefix("0")
