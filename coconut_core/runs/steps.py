"""A step of a run, and how what steps fed is read again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.finite import check_finite
from coconut_core.latent.model import LatentModel
from coconut_core.latent.readout import Readout
from coconut_core.runs.edits import Intervention
from coconut_core.runs.inside import acting, acting_in_prompts
from coconut_core.runs.machine import Machine, Move

Kind = Literal["thought", "marker", "token"]
KINDS: dict[Move, Kind] = {Move.THINK: "thought", Move.END_THINKING: "marker", Move.SPEAK: "token"}


@dataclass(frozen=True)
class Step:
    """One position behind the prompt. `state` is what the model computed, `hidden` what was used of it."""

    kind: Kind  # a marker is <eot>, or a token of the text that stands in its place
    index: int  # of the thought within its segment, the spoken token or the text's token, from 1; 0 for <eot>
    segment: int  # latent segment that the step belongs to or follows, from 0
    state: Tensor  # (hidden,), the last hidden state before this step
    hidden: Tensor  # (hidden,), the same, or what an edit put in its place
    readout: Readout  # of `hidden`
    token_id: int | None  # the token fed; None for a thought
    token: str
    edit: Intervention | None = None
    ended: str | None = None  # why thinking ended, at the first step behind it: see Ending.reason; or "by hand"

    def __repr__(self) -> str:
        fed = f"thought {self.index}" if self.token_id is None else f"{self.kind} {self.token!r}"
        edit = "" if self.edit is None else f", {self.edit}"
        return f"Step({fed}{edit}, {tuple(self.hidden.shape)}: {self.readout.likeliest(3)})"


def new_step(
    model: LatentModel,
    before: Machine,
    kind: Kind,
    readout: Readout,
    *,
    state: Tensor | None = None,
    token: int | None = None,
    edit: Intervention | None = None,
    ended: str | None = None,
) -> Step:
    """The step of that kind, taken by a run whose machine was like that before it. readout is of what the step
    used; state (hidden,) is what the model computed, where that is something else. The rest: see Step."""
    closing = 0 if model.config.eot_id is not None else before.closing + 1
    index = {"thought": before.thought_count + 1, "marker": closing, "token": before.spoken + 1}[kind]
    segment = before.segment_of_word if kind == "token" else before.segment
    state = readout.hidden if state is None else state
    text = "" if token is None else model.token_text(token)
    return Step(kind, index, segment, state, readout.hidden, readout, token, text, edit, ended)


@torch.inference_mode()
def read_again(
    model: LatentModel, prompt_ids: Sequence[int], steps: Sequence[Step], in_prompt: Intervention | None = None
) -> Context:
    """A fresh context that has read a prompt and what these steps fed, edits included; in_prompt is that of the
    prompt."""
    with acting_in_prompts(model, [len(prompt_ids)], {} if in_prompt is None else {0: in_prompt}):
        context = model.start_context(torch.tensor([list(prompt_ids)], device=model.device))
    for step in steps:
        if step.token_id is not None:
            model.feed(context, model.embed(torch.tensor([[step.token_id]], device=model.device)))
            continue
        with acting(model, context, {} if step.edit is None else {0: step.edit}) as visible:
            model.latent_step(context, step.hidden[None], visible=visible)
    return context


def check_run(module: nn.Module, state: Tensor, steps: Iterable[Step]) -> None:
    """check_finite for the state (batch, hidden) behind these steps, with the name of the first that is not
    finite. Looks at the steps only where something is wrong."""
    if torch.isfinite(state).all():
        return
    for step in steps:
        name = f"thought {step.index}" if step.kind == "thought" else f"the state in front of {step.token!r}"
        check_finite(module, step.state, name)
        check_finite(module, step.hidden, f"{name} as it was changed ({step.edit})")
    check_finite(module, state, "the state behind the last step")
