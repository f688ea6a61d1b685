"""What the model would name after k thoughts, as in arXiv 2412.06769, section 5: the value of each node.

The value of a node is the product of the probabilities of its name's tokens where the model is made to name
one. There are two such places, and they ask for different things:

- the next step: the words behind <eot>. A model of chains is asked for the next name of the chain and nothing
  stands between; one of sentences is given "Every", which begins all its steps but the first, whose subject is
  the root itself. After k thoughts that name is k hops from the root (for chains that do not begin with the
  root, k + 1), as far as the chain goes on so long.
- the answer: <eot>, the answer prefix and the answer's words up to the name. Here the target is asked for, or
  the wrong candidate, however many thoughts there were.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from coconut_core.analysis.runs import aside, check_room
from coconut_core.analysis.study import Study, is_chain_style
from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import encode_text
from coconut_core.problems.base import Problem
from coconut_core.runs.passes import check_one_by_one
from coconut_core.runs.rows import in_batches, read_prompts
from coconut_core.runs.shared import shared


@dataclass(frozen=True)
class Values:
    """Values of all nodes, problem by problem, (places, nodes) each: place k after k thoughts."""

    step: list[Tensor]
    answer: list[Tensor]


def step_hops(config: CoconutConfig, place: int) -> int:
    """How far from the root the next step's name is after so many thoughts."""
    return place + config.first_thought_hops if is_chain_style(config) else place


def node_values(study: Study) -> Values:
    """Make the model speak after every number of thoughts and read what it would name."""
    model = study.model
    check_one_by_one(model)
    prompts = [model.encode_prompt(question) for question in study.questions]
    names = [[study.name_ids(name) for name in known.graph.names] for known in study.maps]
    answers = [answer_words(model, problem) for problem in study.problems]
    longest = max(max(map(len, answers)), 1) + max(len(ids) for of_row in names for ids in of_row)
    check_room(model, prompts, study.thoughts + len(model.config.fed_behind) + longest)
    values = Values([torch.empty(0)] * len(prompts), [torch.empty(0)] * len(prompts))
    batches = in_batches(prompts, study.batch_size)

    def speak(batch: list[int]) -> tuple[list[Tensor], list[Tensor]]:
        rows = [
            _Tokens(prompts[index], names[index], answers[index], step_opening(model, study.problems[index]))
            for index in batch
        ]
        return _speak_after_each(model, rows, study.thoughts)

    for batch, (step, answer) in zip(batches, shared(model, batches, speak), strict=True):
        for row, index in enumerate(batch):
            values.step[index], values.answer[index] = step[row], answer[row]
        if study.progress is not None:
            study.progress(len(batch))
    return values


@dataclass(frozen=True)
class _Tokens:
    """One problem as tokens."""

    prompt: list[int]
    names: list[list[int]]  # of each node
    answer: list[int]  # words in front of the target's name in the answer
    opening: list[int]  # words in front of a step's name, after one thought or more


@torch.inference_mode()
def _speak_after_each(
    model: LatentModel, rows: Sequence[_Tokens], thoughts: int
) -> tuple[list[Tensor], list[Tensor]]:
    """For each row its nodes' values as the next step and as the answer, (thoughts + 1, nodes) each."""
    context = read_prompts(model, [row.prompt for row in rows])
    values: tuple[list[list[Tensor]], list[list[Tensor]]] = ([], [])
    for place in range(thoughts + 1):
        if place:
            model.latent_step(context)
        openings = [row.opening if place else [] for row in rows]
        for words, into in zip((openings, [row.answer for row in rows]), values, strict=True):
            with aside(context):
                feed_words(model, context, [[*model.config.fed_behind, *ids] for ids in words])
                into.append(name_probabilities(model, context, [row.names for row in rows]))
    step, answer = ([torch.stack(places) for places in zip(*of_kind, strict=True)] for of_kind in values)
    return step, answer


def step_opening(model: LatentModel, problem: Problem) -> list[int]:
    """What a step begins with in front of its subject, as tokens: "Every" where the model learned on sentences
    that begin so."""
    if is_chain_style(model.config) or not any(step.startswith("Every ") for step in problem.steps):
        return []
    return encode_text(model.tokenizer, "Every")


def answer_words(model: LatentModel, problem: Problem) -> list[int]:
    """What stands between <eot> and the target's name in the right answer, as tokens.

    Raises CoconutError where the tokens of the answer do not show the name's.
    """
    assert problem.graph is not None
    target = problem.graph.names[problem.graph.target]
    words = encode_text(model.tokenizer, f"{model.config.answer_prefix} {problem.answer}".lstrip())
    name = encode_text(model.tokenizer, f" {target}")
    for start in range(len(words) - len(name), -1, -1):
        if words[start : start + len(name)] == name:
            return words[:start]
    raise CoconutError(f"the tokens of the answer '{problem.answer}' do not show those of '{target}'")


@torch.inference_mode()
def feed_words(model: LatentModel, context: Context, words: Sequence[Sequence[int]]) -> None:
    """Feed each row its own words; shorter rows are padded in front, where nothing attends to it."""
    width = max(map(len, words))
    if not width:
        return
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in words], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in words], device=model.device)
    model.feed(context, model.embed(ids), mask)


@torch.inference_mode()
def name_probabilities(
    model: LatentModel, context: Context, names: Sequence[Sequence[Sequence[int]]]
) -> list[Tensor]:
    """For each row the probability that each of its names, given as tokens, is said next: (names of the row,).

    That is the product over the name's tokens, each given those before it. The context is left as it was.
    """
    first = torch.softmax(model.logits(context.hidden).float(), dim=-1).cpu()
    values = [first[row, [ids[0] for ids in of_row]] for row, of_row in enumerate(names)]
    for number in range(max(map(len, names))):
        ids = [list(of_row[number]) if number < len(of_row) else [] for of_row in names]
        if any(len(name) > 1 for name in ids):
            for row, share in enumerate(_of_the_rest(model, context, ids)):
                if number < len(names[row]):
                    values[row][number] *= share
    return values


def _of_the_rest(model: LatentModel, context: Context, names: list[list[int]]) -> list[float]:
    """The product of the probabilities of each row's tokens but the first; 1 where a row has no others."""
    width = max(1, max(map(len, names)) - 1)
    padded = [name[:-1] + [0] * (width - len(name[:-1])) for name in names]
    mask = [[1] * len(name[:-1]) + [0] * (width - len(name[:-1])) for name in names]
    with aside(context):
        embedded = model.embed(torch.tensor(padded, device=model.device))
        hidden = model.feed(context, embedded, torch.tensor(mask, device=model.device))
    probabilities = torch.softmax(model.logits(hidden).float(), dim=-1).cpu()
    shares = []
    for row, name in enumerate(names):
        share = 1.0
        for place, token in enumerate(name[1:]):
            share *= float(probabilities[row, place, token])
        shares.append(share)
    return shares
