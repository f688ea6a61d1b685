"""From a problem and a curriculum stage to token ids and labels, in the official sequence layout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from coconut_core.config import CoconutConfig
from coconut_core.model import IGNORE
from coconut_core.problems.base import Problem
from coconut_core.prompt import encode_text, question_ids


class Part(IntEnum):
    """What a label belongs to; the loss is logged by part, which shows what has not been learned yet."""

    NONE = 0
    FIRST_STEP = 1
    LATER_STEPS = 2
    ANSWER = 3
    THOUGHTS = 4


@dataclass(frozen=True)
class Example:
    """One training sequence; the three lists have the same length."""

    ids: list[int]
    labels: list[int]
    parts: list[int]
    prompt_length: int  # up to and including <bot>: the column in front of the first latent


@dataclass(frozen=True)
class Batch:
    """Padded examples, (batch, time) each; first latents stand in one column."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    parts: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    @property
    def label_parts(self) -> Tensor:
        """Part of each labelled position, in the order of CoconutOutput.label_losses."""
        return self.parts[:, 1:][self.labels[:, 1:] != IGNORE]


@dataclass(frozen=True)
class Encoder:
    """Encodes problems for one tokenizer, configuration and step style.

    step_style: "sentence" keeps the steps as they are told, one a line (the official layout);
    "chain" names the node that the chain starts from and then each node reached, one token a step in a
    word-level tokenizer (the symbolic layout of arXiv 2505.12514, with the root as its first step).
    label_thoughts: each thought is asked, too, for the first token of the step that it takes the place of
    (past the end of the chain: of the last step), and the position in front of <eot> for the token that
    follows <eot>; step-level supervision as in SIM-CoT (arXiv 2509.20317), through the model's own LM head.
    """

    tokenizer: PreTrainedTokenizerBase
    config: CoconutConfig
    step_style: str = "sentence"
    label_thoughts: bool = False

    def prompt(self, problem: Problem) -> list[int]:
        """Question, line break, <bot>."""
        return [*question_ids(self.tokenizer, problem.question), self.config.bot_id]

    def steps(self, problem: Problem) -> list[list[int]]:
        """Token ids of each reasoning step."""
        if self.step_style == "sentence":
            texts = [step + "\n" for step in problem.steps]
        else:
            nodes = [step.removeprefix("Every ").split(" ", 1)[0] for step in problem.steps[:1]]
            nodes += [step.rstrip(".").rsplit(" ", 1)[-1] for step in problem.steps]
            texts = [f" {node}" for node in nodes[:-1]] + [f" {node}\n" for node in nodes[-1:]]
        return [encode_text(self.tokenizer, text) for text in texts]

    def answer(self, problem: Problem) -> list[int]:
        """Answer prefix, answer, end of text."""
        assert isinstance(self.tokenizer.eos_token_id, int)
        text = f"{self.config.answer_prefix} {problem.answer}"
        return [*encode_text(self.tokenizer, text), self.tokenizer.eos_token_id]

    def encode(self, problem: Problem, thoughts: int) -> Example:
        """The sequence of a curriculum stage: the first `thoughts` steps are replaced by as many thoughts."""
        prompt, steps, answer = self.prompt(problem), self.steps(problem), self.answer(problem)
        remaining = steps[thoughts:]
        ids = [*prompt, *[self.config.latent_id] * thoughts, self.config.eot_id]
        labels, parts = [IGNORE] * len(ids), [int(Part.NONE)] * len(ids)
        if self.label_thoughts and steps:
            labels[len(prompt) :] = [steps[min(place, len(steps) - 1)][0] for place in range(thoughts + 1)]
            parts[len(prompt) :] = [int(Part.THOUGHTS)] * (thoughts + 1)
        for tokens, part in [
            *((step, Part.LATER_STEPS if number else Part.FIRST_STEP) for number, step in enumerate(remaining)),
            (answer, Part.ANSWER),
        ]:
            ids += tokens
            labels += tokens
            parts += [int(part)] * len(tokens)
        return Example(ids, labels, parts, len(prompt))


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """Pad on the left so that prompts end in one column, and on the right to the longest rest."""
    left = max(example.prompt_length for example in examples)
    right = max(len(example.ids) - example.prompt_length for example in examples)

    def padded(row: Callable[[Example], list[int]], fill: int) -> Tensor:
        return torch.tensor(
            [
                [fill] * (left - example.prompt_length)
                + row(example)
                + [fill] * (right - len(example.ids) + example.prompt_length)
                for example in examples
            ]
        )

    return Batch(
        input_ids=padded(lambda example: example.ids, pad_id),
        attention_mask=padded(lambda example: [1] * len(example.ids), 0),
        labels=padded(lambda example: example.labels, IGNORE),
        parts=padded(lambda example: example.parts, int(Part.NONE)),
    )
