"""CoconutModel, the front door: open a model, train it, step it, ask it.

Everything that it leads to knows the LatentModel below it, never this class.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self, cast, overload

import torch
from torch import Tensor

from coconut_core.checkpoints.loading import load
from coconut_core.common.errors import CoconutError
from coconut_core.interventions.plans import Do, plans_for
from coconut_core.latent.layers import At, Hook, hooked
from coconut_core.latent.model import LatentModel
from coconut_core.latent.sequences import CoconutOutput, read_and_score
from coconut_core.problems.base import Problem
from coconut_core.runs.generate import Runs, as_problem, as_problems, generate, run
from coconut_core.runs.halting import StopRule
from coconut_core.runs.session import Session
from coconut_core.runs.token_ids import generate_ids


class CoconutModel(LatentModel):
    """A model that reasons in continuous thoughts (arXiv 2412.06769), with all that can be done with it."""

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        feedback: str | None = None,
        chat: bool | str | None = None,
        system: str | None = None,
        device_map: str | None = None,
        markers: str | None = None,
    ) -> Self:
        """Open a checkpoint folder or hub id.

        device_map spreads the weights over several devices, main memory or the disk, see checkpoints.placing.
        For models that were not trained to think in latents: feedback is what is fed back, perhaps with options
        as in "mixture:temperature=0.6,top_k=30"; chat is whether a question is put in the chat template, a text
        the name of one, None where there is one; system is the system prompt in front; markers is what stands
        around the thoughts, see coconut_core.latent.markers.with_markers.
        Raises CoconutError in one line for whatever is wrong.
        """
        return load(
            cls,
            source,
            device=device,
            dtype=dtype,
            feedback=feedback,
            chat=chat,
            system=system,
            device_map=device_map,
            markers=markers,
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        return_logits: bool = False,
        halt_targets: Tensor | None = None,
        layers_at: Tensor | None = None,
    ) -> CoconutOutput:
        """Loss over sequences in the official layout: … <bot> <latent>·n <eot> …, (batch, time) each.

        Rows are left-padded so that their first latents stand in one column; n may differ between rows.
        Loss is the mean cross entropy over positions whose label is not -100 (labels are not shifted by
        the caller). The prompt is read once and each thought costs one cached position, through which
        gradients flow; the head runs only where there is a label, or everywhere with return_logits.

        labels may be (batch, time, choices): a position then has several right tokens (-100 fills up), and its
        loss is their mean cross entropy, that against a uniform distribution over them. Without any label the
        loss is 0, and so are its gradients.

        halt_targets (batch, time) ask for halting_loss: 1 at a latent after which thinking should end, 0 at
        one after which it should go on, -100 everywhere else. layers_at (batch, places) are columns at which
        the states of all layers are wanted, as `layers`; see sequences.Places.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return read_and_score(self, input_ids, mask, labels, halt_targets, return_logits, layers_at)

    def start(
        self,
        question: str | Problem,
        thoughts: int | None = None,
        *,
        do: Do | None = None,
        stop: StopRule | None = None,
        **options: Any,
    ) -> Session:
        """Begin a reasoning run that can be stepped, rewound, forked and edited; see Session for the options.

        With a Problem its traces know the graph and whether the answer is right. do: what is done to its
        thoughts, as in run.
        """
        problem = as_problem(question)
        known = problem if isinstance(question, Problem) else None
        session = Session(self, problem.question, thoughts, stop=stop, problem=known, **options)
        if do is not None:
            session.apply(plans_for(self, [problem], do, thoughts=thoughts, stop=stop)[0])
        return session

    def run(
        self, questions: str | Problem | Sequence[str | Problem], *, do: Do | None = None, **options: Any
    ) -> Runs:
        """What it thinks and says over one question or many; with problems it is known which answers are right.

        do: what is done to the thoughts: a text ("zero@2; steer rompus 4@1", as `coconut ask --do` takes it),
        an intervention or a function (hidden,) -> (hidden,) for every thought, or for some by number from 1
        ({2: Zero(), 3: lambda thought: -thought}). A text's donors are drawn among the problems, see plans_for.
        Options: thoughts (how many), keep ("thoughts" or "inside"), max_new_tokens, answer_only, temperature,
        seed, stop, passes, speak, batch_size, progress; see coconut_core.runs.generate.generate.
        Raises CoconutError for a question or an intervention that is none.
        """
        problems = as_problems(questions)
        return run(self, problems, **self._plans(problems, do, options))

    @overload
    def generate(
        self,
        questions: str | Problem | Sequence[str | Problem],
        thoughts: int | None = None,
        *,
        do: Do | None = None,
        **options: Any,
    ) -> list[str]: ...

    @overload
    def generate(
        self, questions: Tensor | None = None, thoughts: int | None = None, *, input_ids: Tensor, **options: Any
    ) -> Tensor: ...

    @overload
    def generate(self, questions: Tensor, thoughts: int | None = None, **options: Any) -> Tensor: ...

    def generate(
        self,
        questions: str | Problem | Sequence[str | Problem] | Tensor | None = None,
        thoughts: int | None = None,
        *,
        do: Do | None = None,
        input_ids: Tensor | None = None,
        **options: Any,
    ) -> list[str] | Tensor:
        """Answers of one question or many at once, as text, in order; do and options: see run.

        Given token ids (batch, time) instead, as transformers' models are, with an attention_mask where rows
        are padded, it returns ids: see coconut_core.runs.token_ids.generate_ids.
        """
        ids = questions if isinstance(questions, Tensor) else input_ids
        if ids is not None:
            if do is not None:
                raise CoconutError("do= needs questions as texts or problems, not token ids")
            return generate_ids(self, ids, thoughts=thoughts, **options)
        problems = as_problems(cast(Any, questions))  # which refuses what is no question
        options = self._plans(problems, do, options | {"thoughts": thoughts})
        return [answer.text for answer in generate(self, [problem.question for problem in problems], **options)]

    def hooks(self, functions: Mapping[int, Hook], at: At = "thoughts") -> AbstractContextManager[None]:
        """Run functions on the residual stream of layers where thoughts are read; see layers.hooked."""
        return hooked(self, functions, at)

    def _plans(self, problems: Sequence[Problem], do: Do | None, options: dict[str, Any]) -> dict[str, Any]:
        """Options of generate with the plans that a caller asks for."""
        if do is None:
            return options
        asked = {name: options[name] for name in ("thoughts", "stop") if name in options}
        return options | {"plans": plans_for(self, problems, do, **asked)}
