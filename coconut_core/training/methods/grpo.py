"""GRPO (arXiv 2402.03300) over the latent loop: answers that the model draws itself, judged by a reward.

To each question a group of answers is drawn, each behind the thoughts that the model takes. The reward is 1
where an answer is right, else 0, and its advantage what that is beside the rewards of its group. Thoughts are
not drawn but computed: the gradient reaches them through the probabilities of the words behind them.
"""

import random
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coconut_core.coconut import CoconutModel
from coconut_core.common.text_stream import spoken_text
from coconut_core.latent.losses import IGNORE, has_label
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.runs.halting import Ending
from coconut_core.runs.rows import Row, new_row, read_prompts, repeated, run_rows
from coconut_core.training.encoding import Batch, Example, Part, collate
from coconut_core.training.methods.passes import MAIN, Pass

AT_ONCE = 64  # answers that are drawn side by side
SMALL = 1e-4  # beside the deviation of a group's rewards, which may be 0


def sample(
    model: CoconutModel, examples: Sequence[Example], options: Mapping[str, Any], seed: int
) -> tuple[list[Example], Mapping[str, float]]:
    """For each example a group of examples of answers that the model, in evaluation mode, draws to its prompt,
    with their advantages; and what the log says of them."""
    rng, group = random.Random(seed), options["group"]
    size = max(1, AT_ONCE // group)
    drawn: list[Example] = []
    rewards: list[float] = []
    words = 0
    for start in range(0, len(examples), size):
        asked = examples[start : start + size]
        rows = [_row(model, example, options, rng.getrandbits(62)) for example in asked for _ in range(group)]
        prompts = read_prompts(model, [each.ids[: each.prompt_length] for each in asked], shortcut=True)
        numbers = [number for number in range(len(asked)) for _ in range(group)]
        run_rows(model, repeated(prompts, numbers), rows)
        for number, example in enumerate(asked):
            own = rows[number * group : (number + 1) * group]
            own_rewards = torch.tensor([reward(model, example, row) for row in own])
            gains = (own_rewards - own_rewards.mean()) / (own_rewards.std() + SMALL)
            drawn += [_drawn(model, example, row, gain) for row, gain in zip(own, gains.tolist(), strict=True)]
            rewards += own_rewards.tolist()
            words += sum(len(row.token_ids) for row in own)
    if options["updates"] > 1:
        drawn = _with_probabilities(model, drawn, options["temperature"])
    return drawn, {"reward": sum(rewards) / len(rewards), "words": words / len(rewards)}


def reward(model: CoconutModel, example: Example, row: Row) -> float:
    """1 for an answer that is right, as evaluations count it, else 0. Raises what went wrong with the row."""
    if row.error is not None:
        raise row.error
    prefix, answer = model.config.answer_prefix, int(Part.ANSWER)
    told = [token for token, part in zip(example.ids, example.parts, strict=True) if part == answer]
    expected = final_answer(spoken_text(model.tokenizer, told), prefix)
    return float(is_right(spoken_text(model.tokenizer, row.token_ids), Problem("", (), expected), prefix))


def _row(model: CoconutModel, example: Example, options: Mapping[str, Any], seed: int) -> Row:
    row = new_row(
        model,
        example.prompt_length,
        Ending(example.ids.count(model.config.latent_id)),
        max_new_tokens=options["words"],
        temperature=options["temperature"],
        seed=seed,
    )
    row.machine.bot_id = None  # said in an answer it is a word: an example has one latent segment
    return row


def _drawn(model: CoconutModel, example: Example, row: Row, advantage: float) -> Example:
    """The example of an answer: what stands in front of it, and its words as labels."""
    thoughts = example.ids.count(model.config.latent_id)
    front = example.prompt_length + thoughts + len(model.config.fed_behind)
    said = row.token_ids
    return Example(
        [*example.ids[:front], *said],
        [*[IGNORE] * front, *said],
        [*[int(Part.NONE)] * front, *[int(Part.ANSWER)] * len(said)],
        [*example.halts[:front], *[IGNORE] * len(said)],
        example.prompt_length,
        numbers={"advantage": [*[0.0] * front, *[advantage] * len(said)]},
    )


@torch.no_grad()
def _with_probabilities(model: CoconutModel, examples: Sequence[Example], temperature: float) -> list[Example]:
    """The examples with the log-probability that each of their words had when it was drawn."""
    assert isinstance(model.tokenizer.pad_token_id, int)
    known = []
    for start in range(0, len(examples), AT_ONCE):
        some = examples[start : start + AT_ONCE]
        batch = collate(some, model.tokenizer.pad_token_id).to(model.device)
        hidden = model(batch.input_ids, batch.attention_mask, batch.labels).hidden
        values = log_probabilities(model, hidden, batch, temperature).tolist()
        left = max(example.prompt_length for example in some)
        for example, row in zip(some, values, strict=True):
            begin = left - example.prompt_length
            own = row[begin : begin + len(example.ids)]
            known.append(replace(example, numbers={**example.numbers, "drawn": own}))
    return known


def log_probabilities(model: CoconutModel, hidden: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Of each labelled token of a batch, as answers are drawn: at this temperature, and never the placeholder
    of a thought. (batch, time), 0 elsewhere; hidden (batch, time, hidden) are the states."""
    labelled = has_label(batch.labels)
    labelled[:, 0] = False
    scores = model.logits(hidden[:, :-1][labelled[:, 1:]]).float() / temperature
    if model.config.latent_id < scores.shape[-1]:
        placeholder = torch.tensor([model.config.latent_id], device=scores.device)
        scores = scores.index_fill(-1, placeholder, -torch.inf)
    said = torch.log_softmax(scores, dim=-1).gather(-1, batch.labels[labelled][:, None])[:, 0]
    return torch.zeros(labelled.shape, device=scores.device).masked_scatter(labelled, said)


def loss(model: CoconutModel, passes: Mapping[str, Pass], options: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The clipped objective, and with options.kl the distance from the starting weights: the mean over the
    words of each answer, and of that over all answers of the step."""
    main, temperature = passes[MAIN], options["temperature"]
    batch, hidden = main.batch, main.output.hidden
    assert hidden is not None
    new = log_probabilities(model, hidden, batch, temperature)
    said = has_label(batch.labels)
    said[:, 0] = False
    words = said.sum(dim=1).clamp(min=1)
    ratio = (new - batch.numbers.get("drawn", new.detach())).exp()
    advantage = batch.numbers["advantage"]
    clipped = ratio.clamp(1 - options["clip"], 1 + options["clip"])
    gain = torch.minimum(ratio * advantage, clipped * advantage)
    terms = {"policy": -main.mean((gain * said).sum(dim=1) / words)}
    reference = model.companion
    if options["kl"] and isinstance(reference, Reference):
        log_ratio = reference.log_probabilities(batch, temperature) - new
        distance = (log_ratio.exp() - log_ratio - 1) * said
        terms["kl"] = options["kl"] * main.mean(distance.sum(dim=1) / words)
    return terms


class Reference(nn.Module):
    """The model as the run began with it: never trained, and kept with the state of the run alone."""

    def __init__(self, model: CoconutModel | None) -> None:
        """None: there is none, and nothing is kept."""
        super().__init__()
        # In a list, so that its weights are none of the trained model's.
        self._models = [] if model is None else [model.requires_grad_(False).eval()]

    @torch.no_grad()
    def log_probabilities(self, batch: Batch, temperature: float) -> Tensor:
        """What log_probabilities has of the batch, by the starting weights."""
        model = self._models[0].to(batch.input_ids.device)
        hidden = model(batch.input_ids, batch.attention_mask, batch.labels).hidden
        return log_probabilities(model, hidden, batch, temperature)

    def get_extra_state(self) -> dict[str, Tensor]:
        """The starting weights, for the state of the run."""
        return {name: weight for model in self._models for name, weight in model.state_dict().items()}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Those with which a resumed run began."""
        for model in self._models:
            model.load_state_dict(state)

    def save(self, folder: Path) -> None:
        """A checkpoint keeps nothing of it."""


def reference(model: CoconutModel, options: Mapping[str, Any]) -> Reference:
    """The starting weights, where options.kl asks for them."""
    return Reference(deepcopy(model) if options["kl"] else None)
