"""Running: steps on and back, how many thoughts there are, and where a run stops."""

from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import check_thoughts
from coconut_tui.actions.helping import type_line
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.breakpoints import read_breakpoint
from coconut_tui.run.state import RECORDED_TOKENS
from coconut_tui.screens.breakpoints import BreakpointsScreen


def step(app: ExplorerBase, argument: str) -> None:
    """Take one step."""
    if not _at_end(app):
        app.player.step()


def back(app: ExplorerBase, argument: str) -> None:
    """Take the last step back."""
    app.player.back()


def go_on(app: ExplorerBase, argument: str) -> None:
    """Run to the end or a breakpoint."""
    if not _at_end(app):
        app.player.finish(app.breakpoints)


def think_all(app: ExplorerBase, argument: str) -> None:
    """Run to the first word or a breakpoint."""
    app.player.think_all(app.breakpoints)


def run_to(app: ExplorerBase, argument: str) -> None:
    """Go to a thought."""
    app.player.go_to_thought(whole_number(argument, "the number of a thought", 1), app.breakpoints)


def restart(app: ExplorerBase, argument: str) -> None:
    """Go back to the question."""
    app.player.restart()


def stop(app: ExplorerBase, argument: str) -> None:
    """Stop what is going on."""
    app.engine.stop()


def more_thoughts(app: ExplorerBase, argument: str) -> None:
    """One thought more."""
    app.require_model()
    app.engine.set_thoughts(app.require_view().thoughts + 1)


def fewer_thoughts(app: ExplorerBase, argument: str) -> None:
    """One thought fewer."""
    app.require_model()
    app.engine.set_thoughts(max(0, app.require_view().thoughts - 1))


def thoughts(app: ExplorerBase, argument: str) -> None:
    """So many thoughts."""
    app.require_model()
    app.engine.set_thoughts(check_thoughts(whole_number(argument, "a number of thoughts", 0)))


def end_thinking(app: ExplorerBase, argument: str) -> None:
    """Feed <eot> now."""
    app.require_model()
    app.engine.end_thinking()


def one_more(app: ExplorerBase, argument: str) -> None:
    """One thought beyond the plan."""
    app.require_model()
    app.engine.one_more()


def speak_now(app: ExplorerBase, argument: str) -> None:
    """What would it say here?"""
    app.require_model()
    app.require_view()
    app.engine.peek(0 if app.selected is None else app.selected + 1)


def add_breakpoint(app: ExplorerBase, argument: str) -> None:
    """Set a breakpoint."""
    new = read_breakpoint(argument, RECORDED_TOKENS)
    others = (breakpoint for breakpoint in app.breakpoints if str(breakpoint) != str(new))
    app.set_breakpoints((*others, new))
    app.tell(f"stops at: {new}")


def breakpoints(app: ExplorerBase, argument: str) -> None:
    """Show the list of breakpoints."""

    def closed(wants_another: bool | None) -> None:
        if wants_another:
            type_line(app, "break ")

    app.push_screen(BreakpointsScreen(app.breakpoints, app.set_breakpoints), closed)


def _at_end(app: ExplorerBase) -> bool:
    """Whether there is no step to take; says so."""
    at_end = app.view is not None and app.view.over and not app.player.busy
    if at_end:
        app.tell("the run is at its end: b goes a step back, r begins again, n opens the next problem")
    return at_end


def whole_number(text: str, what: str, least: int) -> int:
    """A number that was typed. Raises CoconutError for what is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
        raise CoconutError(f"'{text}' is not {what}: write a whole number, {least} or more")
    return int(text)


ACTIONS = (
    Action(
        "step", "s,space", "step", "Take the next step: a thought, the end of thinking, or a word", "Run", step
    ),
    Action("back", "b,backspace", "back", "Take the last step back", "Run", back),
    Action("continue", "c", "continue", "Run to the end of the answer, or to a breakpoint", "Run", go_on),
    Action(
        "think-all",
        "t",
        "think all",
        "Take all thoughts and stop before the first word, or at a breakpoint",
        "Run",
        think_all,
    ),
    Action("run-to", "T", "run to", "Go to thought K, on or back", "Run", run_to, "K"),
    Action("restart", "r", "restart", "Go back to just after the question", "Run", restart),
    Action("stop", "escape", "stop", "Stop what is going on", "Run", stop),
    Action(
        "more-thoughts",
        "right_square_bracket",
        "more thoughts",
        "Plan one thought more in this run",
        "Run",
        more_thoughts,
    ),
    Action(
        "fewer-thoughts",
        "left_square_bracket",
        "fewer thoughts",
        "Plan one thought fewer in this run",
        "Run",
        fewer_thoughts,
    ),
    Action("thoughts", "N", "thoughts", "Plan N thoughts in this run", "Run", thoughts, "N"),
    Action("end-thinking", "E", "end thinking", "Feed ⟨eot⟩ now, planned or not", "Run", end_thinking),
    Action(
        "one-more",
        "m",
        "one more",
        "Take one thought more, planned or not; words said are taken back",
        "Run",
        one_more,
    ),
    Action(
        "speak-now",
        "a",
        "speak now",
        "Show what it would say after the selected step, and change nothing",
        "Run",
        speak_now,
    ),
    Action("break", "asterisk", "break", "Set a breakpoint", "Run", add_breakpoint, "CONDITION"),
    Action("breakpoints", "B", "breakpoints", "List breakpoints, turn them on and off", "Run", breakpoints),
)
