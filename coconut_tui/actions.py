"""Every action of the explorer, as data: keys, footer, command line, palette, help and docs come from here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coconut_tui.verbs import asking, branching, editing, filing, looking, moving, running

if TYPE_CHECKING:
    from coconut_tui.app import Explorer


@dataclass(frozen=True)
class Action:
    """One thing a person can do. `name` is how it is typed behind ":"; keys are Textual's, comma separated.

    An argument in brackets may be left out; where one is needed, the key opens the command line for it.
    """

    name: str
    keys: str
    label: str
    description: str
    group: str
    do: "Callable[[Explorer, str], None]"
    argument: str = ""
    in_footer: bool = False

    @property
    def shown_keys(self) -> str:
        """The keys as a person reads them."""
        return " or ".join(_SHOWN.get(key, key) for key in self.keys.split(","))

    @property
    def usage(self) -> str:
        """As it is typed."""
        return f"{self.name} {self.argument}".strip()

    @property
    def needs_argument(self) -> bool:
        """Whether it does nothing without one."""
        return self.argument != "" and not self.argument.startswith("[")


_SHOWN = {
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "question_mark": "?",
    "colon": ":",
    "asterisk": "*",
    "apostrophe": "'",
    "number_sign": "#",
    "full_stop": ".",
    "comma": ",",
}

ACTIONS = (
    Action(
        "step",
        "s,space",
        "step",
        "Take the next step: a thought, the end of thinking, or a word",
        "Run",
        running.step,
        in_footer=True,
    ),
    Action("back", "b,backspace", "back", "Take the last step back", "Run", running.back, in_footer=True),
    Action(
        "continue",
        "c",
        "continue",
        "Run to the end of the answer, or to a breakpoint",
        "Run",
        running.go_on,
        in_footer=True,
    ),
    Action(
        "think-all",
        "t",
        "think all",
        "Take all thoughts and stop before the first word, or at a breakpoint",
        "Run",
        running.think_all,
    ),
    Action("run-to", "T", "run to", "Go to thought K, on or back", "Run", running.run_to, "K"),
    Action("restart", "r", "restart", "Go back to just after the question", "Run", running.restart),
    Action("stop", "escape", "stop", "Stop what is going on", "Run", running.stop),
    Action(
        "more-thoughts",
        "right_square_bracket",
        "more thoughts",
        "Plan one thought more in this run",
        "Run",
        running.more_thoughts,
    ),
    Action(
        "fewer-thoughts",
        "left_square_bracket",
        "fewer thoughts",
        "Plan one thought fewer in this run",
        "Run",
        running.fewer_thoughts,
    ),
    Action("thoughts", "N", "thoughts", "Plan N thoughts in this run", "Run", running.thoughts, "N"),
    Action("end-thinking", "E", "end thinking", "Feed ⟨eot⟩ now, planned or not", "Run", running.end_thinking),
    Action(
        "one-more",
        "m",
        "one more",
        "Take one thought more, planned or not; words said are taken back",
        "Run",
        running.one_more,
    ),
    Action(
        "speak-now",
        "a",
        "speak now",
        "Show what it would say after the selected step, and change nothing",
        "Run",
        running.speak_now,
    ),
    Action("break", "asterisk", "break", "Set a breakpoint", "Run", running.add_breakpoint, "CONDITION"),
    Action(
        "breakpoints", "B", "breakpoints", "List breakpoints, turn them on and off", "Run", running.breakpoints
    ),
    Action(
        "edit",
        "e",
        "edit",
        "Do something to the selected thought, from a menu, with a preview",
        "Edit",
        editing.edit,
        "[EDIT]",
        in_footer=True,
    ),
    Action(
        "zero",
        "z",
        "zero",
        "Replace the selected thought by zeros, in a branch",
        "Edit",
        editing.zero,
        in_footer=True,
    ),
    Action(
        "own",
        "Z",
        "own value",
        "Give the selected thought its own value again, in a branch",
        "Edit",
        editing.own,
    ),
    Action(
        "what-if",
        "i",
        "what if",
        "Try every ablation of the selected thought, side by side",
        "Edit",
        editing.what_if,
        in_footer=True,
    ),
    Action(
        "sweep",
        "I",
        "sweep",
        "Try an intervention at several strengths: steer rompus -8..8",
        "Edit",
        editing.sweep,
        "EDIT",
    ),
    Action("undo", "u", "undo", "Undo the last change", "Edit", editing.undo, in_footer=True),
    Action("redo", "U,ctrl+r", "redo", "Do again what was undone", "Edit", editing.redo),
    Action(
        "fork",
        "f",
        "fork",
        "Begin a branch after the selected step",
        "Branches",
        branching.fork,
        "[NAME]",
        in_footer=True,
    ),
    Action("branch", "apostrophe", "branch", "Go to a branch", "Branches", branching.branch, "BRANCH"),
    Action("next-branch", "J", "next branch", "Go to the next branch", "Branches", branching.next_branch),
    Action(
        "previous-branch",
        "K",
        "previous branch",
        "Go to the branch before",
        "Branches",
        branching.previous_branch,
    ),
    Action("rename", "R", "rename", "Rename the branch", "Branches", branching.rename, "NAME"),
    Action(
        "delete",
        "D,delete",
        "delete",
        "Delete the branch; those forked from it stay",
        "Branches",
        branching.delete,
    ),
    Action(
        "compare",
        "C",
        "compare",
        "Lay the branch beside another, by default the one it was forked from",
        "Branches",
        branching.compare,
        "[BRANCH]",
    ),
    Action("question", "q", "question", "Write a question", "Question", asking.question, in_footer=True),
    Action("next", "n", "next", "Open the next problem", "Question", asking.next_problem, in_footer=True),
    Action("previous", "p", "previous", "Open the problem before", "Question", asking.previous_problem),
    Action("problem", "number_sign", "problem", "Open problem N", "Question", asking.problem, "N"),
    Action(
        "problems",
        "P",
        "problems",
        "Pick a problem, by hops, by right or wrong, by word; or answer them all",
        "Question",
        asking.problems,
    ),
    Action("top-k", "1", "top-k", "Show the selected step's likeliest tokens", "View", looking.top),
    Action("graph", "2", "graph", "Show the selected thought on the problem's graph", "View", looking.graph),
    Action("answer", "3", "answer", "Show the words said, each with its probability", "View", looking.answer),
    Action(
        "more-tokens",
        "plus,equals_sign",
        "more tokens",
        "Show more tokens of a step",
        "View",
        looking.more_tokens,
    ),
    Action(
        "fewer-tokens", "minus", "fewer tokens", "Show fewer tokens of a step", "View", looking.fewer_tokens
    ),
    Action(
        "theme",
        "d",
        "dark or light",
        "Switch between the dark and the light theme",
        "View",
        looking.switch_theme,
    ),
    Action("down", "j,down", "down", "Move down in the pane that has the focus", "Move", moving.down),
    Action("up", "k,up", "up", "Move up", "Move", moving.up),
    Action("first", "g,home", "first", "Move to the first line (gg works too)", "Move", moving.first),
    Action("last", "G,end", "last", "Move to the last line", "Move", moving.last),
    Action("page-down", "pagedown,ctrl+d", "page down", "Move ten lines down", "Move", moving.page_down),
    Action("page-up", "pageup,ctrl+u", "page up", "Move ten lines up", "Move", moving.page_up),
    Action("left", "h,left", "left", "Go to the pane on the left", "Move", moving.left),
    Action("right", "l,right", "right", "Go to the pane on the right", "Move", moving.right),
    Action("later", "full_stop", "later", "Select the next step, wherever the focus is", "Move", moving.later),
    Action("earlier", "comma", "earlier", "Select the step before", "Move", moving.earlier),
    Action("choose", "enter", "choose", "Go to the branch under the cursor", "Move", moving.choose),
    Action("next-pane", "v", "next pane", "In a narrow terminal, show the next pane", "Move", moving.next_pane),
    Action(
        "jump", "ctrl+o", "jump", "Show a letter at every pane, and go to the one pressed", "Move", moving.jump
    ),
    Action("save", "w", "save", "Save the run as a trace (JSON)", "File", filing.save, "FILE"),
    Action("open", "o", "open", "Open a saved trace", "File", filing.open_trace, "FILE"),
    Action("close", "X", "close", "Go back from a saved trace to the model", "File", filing.close_trace),
    Action("command", "colon", "command", "Type an action or an intervention by name", "Help", looking.command),
    Action(
        "help",
        "question_mark,f1",
        "help",
        "Explain the view that has the focus; show all keys",
        "Help",
        looking.show_help,
        in_footer=True,
    ),
    Action("quit", "ctrl+q", "quit", "Leave", "Help", looking.leave),
)


def keys_table() -> str:
    """The table of actions in docs/EXPLORER.md, in Markdown."""
    rows = ["| key | typed | what it does |", "| --- | --- | --- |"]
    rows += [f"| `{action.shown_keys}` | `:{action.usage}` | {action.description} |" for action in ACTIONS]
    return "\n".join(rows)
