"""Plans for the runs of many questions, made of what a caller says: an object, a text or a plain function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from coconut_core.common.errors import CoconutError
from coconut_core.interventions.donors import Sources, record
from coconut_core.interventions.text import bind, read_commands
from coconut_core.latent.model import LatentModel
from coconut_core.problems import recognise
from coconut_core.problems.base import Problem
from coconut_core.runs.edits import Edit, as_intervention
from coconut_core.runs.halting import StopRule, endings_of
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import Recording

Do = str | Plan | Edit | Mapping[int, Edit]
"""What can be done to a run's thoughts: text as in "zero@2; steer rompus 4@1", a Plan, an intervention or a
function, (hidden,) -> (hidden,), done to every thought, or such by number of the thought, from 1."""


def plans_for(
    model: LatentModel,
    problems: Sequence[Problem],
    do: Do | None,
    *,
    thoughts: int | Sequence[int] | None = None,
    stop: StopRule | None = None,
    interrupt: Callable[[], None] = lambda: None,
) -> list[Plan]:
    """What is done to the run of each problem, in order; None does nothing. thoughts and stop: see generate.

    The donors and means of a text come from the problems themselves, of a single one from the model's family;
    their runs are made in one batch. What a text draws without a seed is drawn anew for each problem.
    Raises CoconutError for a text that cannot be read, and for a donor, token or thought that is not there.
    """
    if do is None or isinstance(do, Plan):
        return [do or Plan()] * len(problems)
    counts = [ending.thoughts for ending in endings_of(model, len(problems), thoughts, stop)]
    if isinstance(do, str):
        return _plans_of_text(model, problems, do, counts, interrupt)
    return [plan_of(do, count) for count in counts]


def plan_of(do: Edit | Mapping[int, Edit], count: int) -> Plan:
    """The plan for a run of so many thoughts. Raises CoconutError for a thought that it does not take."""
    if not isinstance(do, Mapping):
        edit = as_intervention(do)
        return Plan(dict.fromkeys(range(1, count + 1), edit), text=f"{edit}@all")
    for place in do:
        if isinstance(place, bool) or not isinstance(place, int):
            raise CoconutError(
                f"interventions go by number of the thought, such as {{2: Zero()}}, not by {place!r}"
            )
        if place > count:
            raise CoconutError(f"there is no thought {place}: the run takes {count}")
    edits = {place: as_intervention(edit) for place, edit in do.items()}
    return Plan(edits, text="; ".join(f"{edit}@{place}" for place, edit in edits.items()))


@dataclass
class _Together(Sources):
    """The sources of one question among others: the runs that it needs are made for all of them at once."""

    inside: bool = False  # whether vectors are taken from inside the donors' runs
    everyone: "list[_Together]" = field(default_factory=list)

    def make_run(self, name: str) -> Recording:
        """See Sources; notes the runs of the others as well."""
        if name == "mean":
            self.runs[name] = super().make_run(name)
            for other in self.everyone:
                other.runs[name] = self.runs[name]
            return self.runs[name]
        by_count: dict[int | None, dict[str, list[_Together]]] = {}
        for other in self.everyone:
            questions = by_count.setdefault(other.thoughts, {})
            questions.setdefault(other.donor_question(name), []).append(other)
        for count, by_question in by_count.items():
            recordings = record(self.model, [*by_question], count, inside=self.inside, interrupt=self.interrupt)
            for recording, sources in zip(recordings, by_question.values(), strict=True):
                for other in sources:
                    other.runs[name] = recording
        return self.runs[name]


def _plans_of_text(
    model: LatentModel,
    problems: Sequence[Problem],
    text: str,
    counts: Sequence[int],
    interrupt: Callable[[], None],
) -> list[Plan]:
    commands = read_commands(text)
    known = [problem if problem.answer else recognise(problem.question) or problem for problem in problems]
    everyone: list[_Together] = []
    for number, (problem, count) in enumerate(zip(known, counts, strict=True)):
        sources = _Together(
            model, problem.question, problem, known if len(known) > 1 else None, count, interrupt=interrupt
        )
        sources.draw, sources.everyone = number, everyone
        sources.inside = any(command.form.name.startswith("patch") for command in commands)
        everyone.append(sources)
    return [bind(commands, sources) for sources in everyone]
