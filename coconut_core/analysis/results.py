"""Does a thought say the result of a step? For problems whose steps are sums: the LM head on each thought."""

from dataclasses import dataclass
from typing import Any

import torch

from coconut_core.analysis.estimates import Estimate, estimate
from coconut_core.analysis.study import Study, Table
from coconut_core.common.plots import Figure, draw_grid
from coconut_core.problems.arithmetic import equations


@dataclass(frozen=True)
class ResultReadout:
    """How a thought's readout has the result of one step, over the problems that have it."""

    probability: Estimate
    control: Estimate  # of the same step's result of another problem, where that is another number
    likeliest: Estimate  # share of problems in which it is the likeliest token

    def to_json(self) -> dict[str, Any]:
        """All numbers."""
        return {name: value.to_json() for name, value in vars(self).items()}


def result_readouts(study: Study) -> list[list[ResultReadout]]:
    """For each step, and each place of the runs, how the result is said. Problems with results that are no
    single token are left out; empty where none is left."""
    unknown = study.model.tokenizer.unk_token_id
    known = {
        row: [ids[0] for ids in result_ids]
        for row, problem in enumerate(study.problems)
        if (result_ids := [study.name_ids(result) for _, result in equations(problem.steps)])
        and all(len(ids) == 1 and ids[0] != unknown for ids in result_ids)
    }
    steps: list[list[ResultReadout]] = []
    for step in range(max(map(len, known.values()), default=0)):
        rows = [row for row, results in known.items() if len(results) > step]
        tokens = torch.tensor([known[row][step] for row in rows])
        others = tokens.roll(1)
        steps.append([_readout(study, rows, place, tokens, others) for place in range(study.thoughts + 1)])
    return steps


def _readout(
    study: Study, rows: list[int], place: int, tokens: torch.Tensor, others: torch.Tensor
) -> ResultReadout:
    shares = torch.softmax(study.logits(study.runs.states[rows, place]), dim=-1)  # (rows, vocabulary)
    number = torch.arange(len(rows))
    return ResultReadout(
        estimate(shares[number, tokens].tolist()),
        estimate(shares[number, others][tokens != others].tolist()),
        estimate((shares.argmax(dim=-1) == tokens).double().tolist()),
    )


def results_table(study: Study, steps: list[list[ResultReadout]]) -> Table:
    """A row for each thought, a column for each step."""
    rows = []
    for place, name in enumerate(study.thought_names):
        cells = [
            f"{step[place].probability} ({step[place].control.short}); {100 * step[place].likeliest.mean:.0f} %"
            for step in steps
        ]
        rows.append([name, *cells])
    head = [f"step {number + 1}, n={step[0].probability.n}" for number, step in enumerate(steps)]
    caption = (
        "What each thought says of the results: probability (control: another problem's), and how often it is "
        "the likeliest word"
    )
    return Table(caption, ["thought", *head], rows)


def results_figure(study: Study, steps: list[list[ResultReadout]]) -> Figure:
    """The probabilities as a grid."""
    grid = [[readout.probability.mean for readout in step] for step in steps]
    names = [f"step {number + 1}" for number in range(len(steps))]
    return draw_grid(
        grid, names, study.thought_names, "Result of a step, said", "thought", "result of", top=1.0
    )
