"""The objective of CODI (arXiv 2502.21074, zhenyi4/codi) and of PCCoT (arXiv 2506.18582, whyNLP/PCCoT).

Each sequence by itself in plain forwards of transformers: no padding, no cache, nothing of coconut_core's loop.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from coconut_core.coconut import CoconutModel
from coconut_core.problems import Problem
from tests.core.reference import states_of, word_embeddings

Thoughts = Callable[[CoconutModel, list[Tensor], int], list[Tensor]]


def one_by_one(model: CoconutModel, embeddings: list[Tensor], count: int) -> list[Tensor]:
    """What is fed at each thought, (hidden,): the projection of the state in front of it."""
    fed: list[Tensor] = []
    for _ in range(count):
        fed.append(model.feedback(states_of(model, [*embeddings, *fed])[-1]))
    return fed


def in_passes(passes: int) -> Thoughts:
    """The same of PCCoT: all thoughts at once, from placeholders, and again from what the last time came to."""

    def jacobi(model: CoconutModel, embeddings: list[Tensor], count: int) -> list[Tensor]:
        placeholder = word_embeddings(model)[model.config.latent_id]
        fed = [placeholder] * count
        for _ in range(passes):
            states = states_of(model, [*embeddings, *fed])[len(embeddings) - 1 : -1]
            fed = [model.feedback(state) for state in states]
        return fed

    return jacobi


def teacher_ids(model: CoconutModel, problem: Problem, last_step: bool) -> tuple[list[int], int]:
    """Question, steps and answer, and how many tokens the question has."""
    read, end = model.tokenizer.encode, model.tokenizer.eos_token_id
    question = read(problem.question + "\n")
    steps = problem.steps if last_step else problem.steps[:-1]
    said = [token for step in steps for token in read(step + "\n")]
    return [*question, *said, *read(f"### {problem.answer}"), end], len(question)


class Reading:
    """One sequence: the losses of what it says, and the states at the mark."""

    def __init__(
        self, model: CoconutModel, embeddings: Sequence[Tensor], ids: Sequence[int], said: int
    ) -> None:
        """ids are those of the sequence (any number at a thought), of which the last `said` are asked for."""
        output: Any = model.base_lm(
            inputs_embeds=torch.stack(list(embeddings))[None], output_hidden_states=True, use_cache=False
        )
        places = range(len(ids) - said, len(ids))
        self.losses = [cross_entropy(output.logits[0, place - 1], torch.tensor(ids[place])) for place in places]
        mark = max(place for place in places if ids[place] == model.tokenizer.encode("###")[0])
        self.states = torch.stack([state[0, mark] for state in output.hidden_states])  # (layers + 1, hidden)


def readings(
    model: CoconutModel, problem: Problem, thoughts: int, find: Thoughts, last_step: bool
) -> tuple[Reading, Reading]:
    """The student's and the teacher's reading of a problem."""
    table, config = word_embeddings(model), model.config
    ids, question = teacher_ids(model, problem, last_step)
    teacher = Reading(model, [table[token] for token in ids], ids, len(ids) - question)
    assert config.bot_id is not None
    assert config.eot_id is not None
    answer = [*model.tokenizer.encode(f"### {problem.answer}"), int(model.tokenizer.eos_token_id)]
    front = [table[token] for token in [*ids[:question], config.bot_id]]
    embeddings = [*front, *find(model, front, thoughts), *(table[token] for token in [config.eot_id, *answer])]
    student_ids = [*[0] * (len(embeddings) - len(answer)), *answer]
    return Reading(model, embeddings, student_ids, len(answer)), teacher


def codi_loss(
    model: CoconutModel,
    problems: Sequence[Problem],
    thoughts: int,
    *,
    weights: tuple[float, float, float] = (1, 1, 1),
    last_step: bool = False,
    find: Thoughts = one_by_one,
    pccot: bool = False,
) -> Tensor:
    """The whole loss over a batch; weights are those of teacher, student and distillation."""
    pairs = [readings(model, problem, thoughts, find, last_step) for problem in problems]
    student = torch.stack([loss for reading, _ in pairs for loss in reading.losses]).mean()
    teacher = torch.stack([loss for _, reading in pairs for loss in reading.losses]).mean()
    found = torch.stack([reading.states for reading, _ in pairs])
    wanted = torch.stack([reading.states for _, reading in pairs]).detach()
    if pccot:
        found, wanted = found[:, 1:], wanted[:, 1:]
    layers = range(found.shape[1])  # (batch, layers, hidden)
    each = [smooth_l1_loss(found[:, layer], wanted[:, layer]) / wanted[:, layer].std() for layer in layers]
    distance = torch.stack(each).mean()
    return weights[0] * teacher + weights[1] * student + weights[2] * distance
