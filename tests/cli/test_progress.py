"""The display of a run: a panel in a terminal, plain lines elsewhere, whatever a row leaves out."""

import io
import itertools

import pytest
from rich.console import Console

from coconut_core.terminal.progress import (
    Progress,
    RunState,
    diagnosis_text,
    draw,
    duration,
    lines,
    one_line,
    trend,
)

FULL = {
    "step": 50,
    "of": 200,
    "stage": 1,
    "stages": 4,
    "stage_name": "1 step gone",
    "batch_stage": 1,
    "thoughts": 1,
    "loss": 1.25,
    "loss_by_part": {"first_step": 2.0, "answer": 0.5},
    "learning_rate": 0.001,
    "tokens_per_second": 15007,
    "padding": 0.121,
    "seconds_left": 3725.0,
}
SEEN = {
    "step": 50,
    "evaluation": {"thoughts": 1, "accuracy": 0.456, "n": 300, "by_hops": {"3": 0.5, "4": 0.25}},
    "samples": [
        {
            "question": "Every lempus is a rompus. Every zumpus is a worpus. Alex is a lempus. "
            "Is Alex a rompus or yumpus?",
            "thoughts": [" Alex", "[red]", "\n"],
            "said": "Alex is a rompus.",
            "expected": "Alex is a rompus.",
            "right": True,
        },
        {"question": "Is Eva a gorpus?", "thoughts": [], "said": "", "expected": "no", "right": False},
    ],
}


def shown(*rows: dict, width: int = 100, **options) -> str:
    """What is written when rows are shown."""
    file = io.StringIO()
    with Progress(Console(file=file, width=width, height=40, **options)) as progress:
        for row in rows:
            progress(row)
    return file.getvalue()


def panel(*rows: dict, width: int = 100) -> str:
    """The panel after rows, without colour."""
    state = RunState()
    for row in rows:
        state.update(row)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(draw(state))
    return captured.get()


def test_in_a_pipe_every_row_is_a_plain_line() -> None:
    text = shown(FULL, SEEN, _environ={"FORCE_COLOR": ""})
    assert "\x1b" not in text
    assert text.splitlines() == [
        "step 50/200  stage 2 of 4: 1 step gone  loss 1.250  first_step 2.000  answer 0.500  "
        "15007 tokens/s  padding 12 %  learning rate 0.001  1 h 02 min left",
        "step 50  held-out accuracy 45.6 % (n=300, 1 thought)  by reasoning steps  3: 50 %  4: 25 %",
        "  …. Alex is a lempus. Is Alex a rompus or yumpus?  thoughts: Alex → [red] → \\n  "
        "said: Alex is a rompus. ✓ right",
        "  Is Eva a gorpus?  thoughts: none  said: nothing ✗ expected no",
    ]


DIAGNOSIS = {
    "n": 300,
    "loss_at_thought": 0.8421,
    "loss_at_eot": 0.8713,
    "frontier_at_thought": 0.95,
    "shortcut": 1.9,
    "search": 0.8,
    "by_hops": {"3": {"loss_at_thought": 0.8}},
    "frontier": {
        "1": {"share": 0.921, "chance": 0.18, "n": 300},
        "2": {"share": 0.46, "chance": 0.2, "n": 300},
    },
}
IN_WORDS = (
    "frontier (by chance): thought 1 holds 0.92 (0.18), thought 2 holds 0.46 (0.20); "
    "next step: 0.84 nats at the thought, 0.87 at <eot>; shortcut 1.90; search 0.80"
)


def test_an_evaluation_says_in_a_line_which_circuit_is_there() -> None:
    row = {"step": 50, "evaluation": {"thoughts": 2, "accuracy": 0.5, "diagnosis": DIAGNOSIS}, "samples": []}
    assert lines(row)[1:] == ["  " + IN_WORDS]
    assert IN_WORDS in " ".join(panel(FULL, row).replace("│", " ").split())


def test_a_diagnosis_says_what_it_has() -> None:
    assert diagnosis_text({}) == diagnosis_text({"diagnosis": {}}) == ""
    assert diagnosis_text({"thoughts": 0, "diagnosis": {"loss_at_thought": 0.55, "loss_at_eot": 0.5}}) == (
        "next step: 0.55 nats at the prompt's end, 0.50 at <eot>"
    )
    assert diagnosis_text({"thoughts": 1, "diagnosis": {"frontier": {"1": {"share": 0.5}, "2": {}}}}) == (
        "frontier (by chance): thought 1 holds 0.50"
    )


def test_a_terminal_gets_a_panel_that_is_drawn_over() -> None:
    text = shown(FULL, SEEN, force_terminal=True, _environ={"TERM": "xterm-256color"})
    assert text.count("coconut train") >= 2
    assert "\x1b[1A\x1b[2K" in text, "the panel before is taken away"
    assert "\x1b[1;32m" in text or "\x1b[32m" in text


def test_no_colour_means_no_colour() -> None:
    text = shown(FULL, SEEN, force_terminal=True, _environ={"TERM": "xterm-256color", "NO_COLOR": "1"})
    assert "coconut train" in text
    assert not any(f"\x1b[{code}" in text for code in ("3", "9", "1;3", "4"))


@pytest.mark.parametrize("terminal", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_lines(terminal: str) -> None:
    assert shown(FULL, force_terminal=True, _environ={"TERM": terminal}).startswith("step 50/200")


def test_the_panel_says_all_of_it() -> None:
    text = " ".join(panel({**FULL, "step": 25, "loss": 2.5}, FULL, SEEN).split())
    for part in (
        "stage 2 of 4: 1 step gone",
        "step 50 / 200",
        "loss 1.250 █▅",
        "first step 2.000 ██",
        "answer 0.500 ██",
        "15007 tokens/s padding 12 %",
        "1 h 02 min left",
        "45.6 % (n=300, 1 thought) │ │ by reasoning steps 3: 50 % 4: 25 %",
        "held-out accuracy at step 50 45.6 %",
        "a rompus or yumpus?",
        "Alex → [red] → \\n",
        "✓ right",
        "✗ expected no",
    ):
        assert part in text, part


@pytest.mark.parametrize("width", [40, 62, 80, 160])
def test_the_panel_keeps_its_frame_at_any_width(width: int) -> None:
    rows = panel(*itertools.repeat(FULL, 50), SEEN, width=width).splitlines()
    assert {len(row) for row in rows} == {width}
    assert all(row[0] in "╭│╰" and row[-1] in "╮│╯" for row in rows)


@pytest.mark.parametrize("missing", [[name] for name in FULL] + [list(FULL)])
def test_a_row_may_leave_anything_out(missing: list[str]) -> None:
    row = {name: value for name, value in FULL.items() if name not in missing}
    assert "coconut train" in panel(row)
    assert len(lines(row)) == 1


@pytest.mark.parametrize("missing", ["thoughts", "accuracy", "n", "by_hops"])
def test_so_may_an_evaluation_and_a_sample(missing: str) -> None:
    seen = {name: value for name, value in SEEN["evaluation"].items() if name != missing}  # type: ignore[attr-defined]
    choices: list[list[dict]] = [[{}], [{"right": False}], []]
    for samples in choices:
        row = {"evaluation": seen, "samples": samples}
        assert "held-out accuracy" in panel(row)
        assert len(lines(row)) == 1 + len(samples)


def test_a_batch_of_another_stage_moves_no_trend_and_renames_no_stage() -> None:
    row = {name: value for name, value in FULL.items() if name not in ("stage_name", "stages")}
    other = {**row, "batch_stage": 0, "thoughts": 0, "loss": 99.0, "loss_by_part": {"answer": 99.0}}
    state = RunState()
    for each in (row, other):
        state.update(each)
    assert state.losses == {"all": [1.25], "first_step": [2.0], "answer": [0.5]}
    assert "stage 2: 1 thought" in panel(row, other)
    assert "stage 3" in panel(row, {**other, "stage": 2})
    assert "1 thought" not in panel(row, {**other, "stage": 2})


def test_an_error_ends_the_panel_and_goes_on() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, _environ={"TERM": "xterm"})
    with pytest.raises(TypeError), Progress(console) as progress:
        progress({"step": 1, "loss_by_part": 3})  # no row at all: what a run dies of must come through
    assert file.getvalue().endswith("\x1b[?25h"), "the cursor is shown again"


def test_small_texts() -> None:
    assert [duration(seconds) for seconds in (-5, 0, 59.6, 61, 3600, 90061)] == [
        "0 s", "0 s", "1 min 00 s", "1 min 01 s", "1 h 00 min", "25 h 01 min",
    ]  # fmt: skip
    assert trend([4.0, 2.0, 0.0]) == "█▅▁"
    assert trend([0.0, 0.0]) == "▁▁"
    assert one_line(" a\x1b[31m\n") == "a\\x1b[31m\\n"
