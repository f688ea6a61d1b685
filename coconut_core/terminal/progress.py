"""The display of a training run: a panel that stays in its place in a terminal, plain lines elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from coconut_core.common.errors import visible
from coconut_core.training.curriculum import counted
from coconut_core.training.metrics import Row, is_of_own_stage, stage_name

TREND = 32  # how many rows a trend looks back
QUESTION_TAIL = 48  # characters: the question itself stands at the end
LEVELS = "▁▂▃▄▅▆▇█"


@dataclass
class RunState:
    """What the rows so far say of the run."""

    newest: Row = field(default_factory=dict)  # the newest row of a training step
    stage_name: str = ""
    losses: dict[str, list[float]] = field(default_factory=dict)  # by part, oldest first
    evaluation: Row = field(default_factory=dict)
    evaluated_at: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)

    def update(self, row: Row) -> None:
        """Take in a row; what it does not say stays."""
        if row.get("samples"):
            self.samples = row["samples"]
        if "evaluation" in row:
            self.evaluation, self.evaluated_at = row["evaluation"], row.get("step", 0)
            return
        if row.get("stage") != self.newest.get("stage"):
            self.stage_name = ""
        self.newest = row
        self.stage_name = stage_name(row) or self.stage_name
        if is_of_own_stage(row):
            for part, loss in {"all": row.get("loss"), **row.get("loss_by_part", {})}.items():
                if loss is not None:
                    self.losses[part] = [*self.losses.get(part, []), loss][-TREND:]


class Progress:
    """Shows each row that it is called with, on stderr, for the time of a `with` block."""

    def __init__(self, console: Console | None = None) -> None:
        """console is for tests; by default it is stderr, which says itself whether a terminal is there."""
        self.console = console or Console(stderr=True)
        self.state = RunState()
        # Where blocks cannot be shown, or a line cannot be drawn over, plain lines serve better.
        can_draw = self.console.is_terminal and not self.console.is_dumb_terminal
        self._live: Live | None = None
        if can_draw and not self.console.options.ascii_only:
            self._live = Live(
                console=self.console,
                auto_refresh=False,
                redirect_stdout=False,  # stdout belongs to what was asked for
                vertical_overflow="crop",
            )

    def __enter__(self) -> "Progress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, row: Row) -> None:
        """Show a metrics row."""
        self.state.update(row)
        if self._live is not None:
            self._live.update(draw(self.state), refresh=True)
            return
        for line in lines(row, self.state.stage_name):
            self.console.file.write(line + "\n")
        self.console.file.flush()


# -- plain lines ---------------------------------------------------------------------------------------------


def lines(row: Row, name: str = "") -> list[str]:
    """A row as plain lines: one for its numbers, one for its diagnosis, one for each sample. name is that of
    its stage."""
    texts = [_evaluation_line(row) if "evaluation" in row else _step_line(row, name)]
    if text := diagnosis_text(row.get("evaluation", {})):
        texts.append(f"  {text}")
    for sample in row.get("samples", []):
        texts.append(f"  {question_tail(sample)}  thoughts: {thoughts_text(sample)}  said: {verdict(sample)}")
    return texts


def _step_line(row: Row, name: str) -> str:
    parts = [f"step {row.get('step', '?')}/{row.get('of', '?')}", stage_text(row, name)]
    losses = {"loss": row.get("loss"), **row.get("loss_by_part", {})}
    parts += [f"{part} {loss:.3f}" for part, loss in losses.items() if loss is not None]
    return "  ".join(filter(None, [*parts, *_speed(row)]))


def _evaluation_line(row: Row) -> str:
    return f"step {row.get('step', '?')}  held-out accuracy " + "  ".join(evaluation_texts(row["evaluation"]))


def diagnosis_text(evaluation: Row) -> str:
    """What an evaluation says of the circuits: how much of the frontier each thought holds, and the loss of the
    next step beside what it is without thoughts. Empty where it says nothing."""
    diagnosis = evaluation.get("diagnosis", {})
    shares = [
        f"thought {name} holds {reading['share']:.2f}"
        + (f" ({reading['chance']:.2f})" if "chance" in reading else "")
        for name, reading in diagnosis.get("frontier", {}).items()
        if "share" in reading
    ]
    where = "at the thought" if evaluation.get("thoughts") else "at the prompt's end"
    losses = [
        f"{diagnosis[name]:.2f} {place}"
        for name, place in (("loss_at_thought", f"nats {where}"), ("loss_at_eot", "at <eot>"))
        if name in diagnosis
    ]
    texts = [f"frontier (by chance): {', '.join(shares)}"] if shares else []
    texts += [f"next step: {', '.join(losses)}"] if losses else []
    texts += [f"{name} {diagnosis[name]:.2f}" for name in ("shortcut", "search") if name in diagnosis]
    return "; ".join(texts)


def evaluation_texts(evaluation: Row) -> list[str]:
    """An evaluation in words: of all problems, and by their reasoning steps where these are known."""
    about = [f"n={evaluation['n']}"] if "n" in evaluation else []
    about += [counted(evaluation["thoughts"], "thought")] if "thoughts" in evaluation else []
    shares = [f"{steps}: {100 * rate:.0f} %" for steps, rate in evaluation.get("by_hops", {}).items()]
    text = f"{100 * evaluation['accuracy']:.1f} %" if "accuracy" in evaluation else "unknown"
    text += f" ({', '.join(about)})" if about else ""
    text += f"  loss {evaluation['loss']:.3f}" if "loss" in evaluation else ""
    text += (
        f"  chains word for word {100 * evaluation['chain_exact']:.1f} %" if "chain_exact" in evaluation else ""
    )
    text += "  learned: the stage ends" if evaluation.get("stage_learned") else ""
    return [text, f"by reasoning steps  {'  '.join(shares)}"] if shares else [text]


def stage_text(row: Row, name: str) -> str:
    """Which stage of how many, counted from 1, and what it does."""
    name = visible(name)
    if "stage" not in row:
        return name
    number = f"stage {row['stage'] + 1}" + (f" of {row['stages']}" if "stages" in row else "")
    return f"{number}: {name}" if name else number


def thoughts_text(sample: dict[str, Any]) -> str:
    """What each thought of a sample would say; one that would say nothing but space is one all the same."""
    return " → ".join(one_line(token) or "␣" for token in sample.get("thoughts", [])) or "none"


def verdict(sample: dict[str, Any]) -> str:
    """What was said, and whether it was right."""
    answer = one_line(sample.get("said") or "nothing")
    if "right" not in sample:
        return answer
    return (
        f"{answer} ✓ right"
        if sample["right"]
        else f"{answer} ✗ expected {one_line(sample.get('expected', '?'))}"
    )


def question_tail(sample: dict[str, Any]) -> str:
    """The end of a question, where it asks."""
    question = one_line(sample.get("question", ""))
    return question if len(question) <= QUESTION_TAIL else "…" + question[1 - QUESTION_TAIL :]


def one_line(text: str) -> str:
    """A text without line breaks or control characters: those are shown escaped."""
    return visible(str(text).strip(" "))


def duration(seconds: float) -> str:
    """Seconds as "2 h 05 min", "3 min 20 s" or "12 s"."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _speed(row: Row) -> list[str]:
    drawn = [f"{name} {value:.2f}" for name, value in row.get("sampled", {}).items()]
    texts = [f"answers drawn: {', '.join(drawn)}"] if drawn else []
    texts += [f"{row['tokens_per_second']} tokens/s"] if "tokens_per_second" in row else []
    texts += [f"padding {100 * row['padding']:.0f} %"] if "padding" in row else []
    texts += [f"learning rate {row['learning_rate']:.2g}"] if "learning_rate" in row else []
    return texts + ([f"{duration(row['seconds_left'])} left"] if "seconds_left" in row else [])


# -- the panel -----------------------------------------------------------------------------------------------


def draw(state: RunState) -> Panel:
    """The panel of a run."""
    row = state.newest
    parts: list[RenderableType] = [_head(state), Text("  ".join(_speed(row)), "dim"), Text()]
    if state.losses:
        parts += [_losses(state), Text()]
    if state.evaluation:
        everything, *by_hops = evaluation_texts(state.evaluation)
        parts.append(Text(f"held-out accuracy at step {state.evaluated_at}  ").append(everything, "bold"))
        parts += [Text("  " + text) for text in (*by_hops, diagnosis_text(state.evaluation)) if text]
    if state.samples:
        parts += [Text(), _samples(state.samples)]
    while isinstance(parts[-1], Text) and not parts[-1].plain:
        parts.pop()
    return Panel(Group(*parts), title="coconut train", title_align="left", border_style="dim")


def _head(state: RunState) -> RenderableType:
    row = state.newest
    head = Table.grid(padding=(0, 2), expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis")
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    stage = Text(stage_text(row, state.stage_name) or "starting", "bold")
    if "step" not in row or not row.get("of"):
        head.add_row(stage, "", "")
    else:
        bar = ProgressBar(total=row["of"], completed=row["step"], complete_style="cyan")
        head.add_row(stage, f"step {row['step']} / {row['of']}", bar)
    return head


def _losses(state: RunState) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="crop")
    for part, values in state.losses.items():
        name = "loss" if part == "all" else f"  {part.replace('_', ' ')}"
        table.add_row(name, f"{values[-1]:.3f}", Text(trend(values), "cyan"))
    return table


def trend(values: Sequence[float]) -> str:
    """The last values as blocks, each as high as its share of the highest of them."""
    highest = max(values) or 1.0
    return "".join(LEVELS[round(max(0.0, value) / highest * (len(LEVELS) - 1))] for value in values)


def _samples(samples: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, expand=True, header_style="dim")
    for name, ratio in (("question", 3), ("thoughts would say", 4), ("said", 3)):
        table.add_column(name, ratio=ratio)
    for sample in samples:
        thoughts = Text(thoughts_text(sample), "cyan")
        style = {True: "green", False: "red"}.get(sample.get("right"), "")  # type: ignore[arg-type]
        table.add_row(Text(question_tail(sample)), thoughts, Text(verdict(sample), style))
    return table
