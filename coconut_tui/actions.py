"""Every action of the explorer, as data: keys, footer, help, palette and docs are made from this table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """One thing a person can do: `name` is the method action_<name>, keys are Textual's, comma separated."""

    name: str
    keys: str
    label: str
    description: str
    group: str
    in_footer: bool = False

    @property
    def shown_keys(self) -> str:
        """The keys as a person reads them."""
        return " or ".join(_SHOWN.get(key, key) for key in self.keys.split(","))


_SHOWN = {
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "question_mark": "?",
    "ctrl+p": "ctrl+p",
}

ACTIONS = (
    Action(
        "step", "s,space", "step", "Take the next step: a thought, the end of thinking, or a word", "Run", True
    ),
    Action("step_back", "b,backspace", "back", "Take the last step back", "Run", True),
    Action("finish", "c", "continue", "Run to the end of the answer", "Run", True),
    Action("restart", "r", "restart", "Go back to just after the question", "Run", True),
    Action("to_end_of_thinking", "t", "think all", "Take all thoughts and stop before the first word", "Run"),
    Action("stop", "escape", "stop", "Stop a run that is going on", "Run"),
    Action(
        "more_thoughts", "right_square_bracket", "more thoughts", "Start again with one thought more", "Run"
    ),
    Action(
        "fewer_thoughts", "left_square_bracket", "fewer thoughts", "Start again with one thought fewer", "Run"
    ),
    Action("zero", "z", "zero", "Replace the selected thought by zeros and think on from there", "Edit", True),
    Action("undo_edit", "u", "undo edit", "Give the selected thought its own value again", "Edit"),
    Action("question", "q", "question", "Write a question", "Question", True),
    Action("next_example", "n", "next", "Open the next example problem", "Question", True),
    Action("previous_example", "p", "previous", "Open the previous example problem", "Question"),
    Action("show_top", "k", "top-k", "Show the selected step's likeliest tokens", "View", True),
    Action("show_graph", "g", "graph", "Show the selected thought on the problem's graph", "View", True),
    Action("show_answer", "a", "answer", "Show the words said, each with its probability", "View"),
    Action("more_tokens", "plus,equals_sign", "more tokens", "Show more tokens of a step", "View"),
    Action("fewer_tokens", "minus", "fewer tokens", "Show fewer tokens of a step", "View"),
    Action("next_pane", "v", "next pane", "In a narrow terminal, show the next pane", "View"),
    Action("switch_theme", "d", "dark or light", "Switch between the dark and the light theme", "View"),
    Action("save", "w", "save", "Save the run as a trace (JSON)", "File", True),
    Action("open", "o", "open", "Open a saved trace", "File"),
    Action("help", "question_mark,f1", "help", "Show all keys", "Help", True),
    Action("quit", "ctrl+q", "quit", "Leave", "Help"),
)


def keys_table() -> str:
    """The table of keys in docs/EXPLORER.md, in Markdown."""
    rows = ["| key | what it does |", "| --- | --- |"]
    rows += [f"| `{action.shown_keys}` | {action.description} |" for action in ACTIONS]
    return "\n".join(rows)
