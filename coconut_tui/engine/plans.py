"""What typed interventions mean for the runs of one question."""

from collections.abc import Sequence
from dataclasses import replace

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import Intervention, Plan
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import bind, read_commands
from coconut_core.problems.base import Problem
from coconut_tui.engine.live import ThoughtPlace
from coconut_tui.run.branches import Decisions, Edit


class Plans:
    """The plans of one question's runs. Each is made once, with the donors' runs that it needs."""

    def __init__(
        self, model: CoconutModel, question: str, problem: Problem | None, others: Sequence[Problem] | None
    ) -> None:
        """others: problems to take donors from; None: of the model's family."""
        self._model, self._question, self._problem, self._others = model, question, problem, others
        self._sources: dict[int | None, Sources] = {}  # by number of thoughts
        self._plans: dict[tuple[str, int | None], Plan] = {}  # by text and number of thoughts

    def plan(self, text: str, thoughts: int | None) -> Plan:
        """What the text of an intervention means for a run of so many thoughts.

        Raises CoconutError for one that cannot be read or cannot be done here.
        """
        key = (text, thoughts)
        if key not in self._plans:
            if thoughts not in self._sources:
                self._sources[thoughts] = Sources(
                    self._model, self._question, self._problem, self._others, thoughts
                )
            self._plans[key] = bind(read_commands(text), self._sources[thoughts])
        return self._plans[key]

    def edits_of(self, decisions: Decisions) -> dict[ThoughtPlace, Intervention]:
        """The interventions of a run by the place of the thought."""
        return {
            (edit.segment, edit.thought): self.plan(edit.text, edit.thoughts).edits[edit.thought]
            for edit in decisions.edits
        }

    def edited(self, before: Decisions, text: str, segment: int) -> Decisions:
        """A run's decisions with an intervention in them, and all steps still in them.

        Raises CoconutError for one that cannot be read, cannot be done here, or does nothing.
        """
        plan = self.plan(text, before.thoughts)
        edits = [Edit(segment, thought, str(plan), before.thoughts) for thought in sorted(plan.edits)]
        thoughts = before.thoughts if plan.thoughts is None else plan.thoughts
        after = replace(before.with_edits(*edits), thoughts=thoughts)
        if after == before:
            raise CoconutError(f"'{text}' changes nothing here")
        return after
