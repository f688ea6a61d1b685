"""Training sequences, read with their thoughts (what stands in front of them, each thought, what follows), and
their losses."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.utils import ModelOutput

from coconut_core.common.errors import CoconutError
from coconut_core.common.reprs import record_repr
from coconut_core.latent.layers import keeping_stream
from coconut_core.latent.losses import cross_entropy, halting_cross_entropy, has_label
from coconut_core.latent.model import LatentModel
from coconut_core.latent.parallel import Others, find_thoughts
from coconut_core.latent.prompt_shortcut import reading_prompt


@dataclass
class CoconutOutput(ModelOutput):  # type: ignore[misc]
    """What a training forward returns; `logits` is (batch, time, vocabulary) or None. As transformers' outputs
    it is read by name, as out["loss"], and by place, as out[0], too; what is None is left out there."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    label_losses: Tensor | None = None  # (labelled positions,), in the order of labels[:, 1:] read row by row
    halting_loss: Tensor | None = None  # not part of `loss`; None where no halt_targets were given
    hidden: Tensor | None = None  # (batch, time, hidden), behind the final norm; of prompts maybe the last one
    layers: Tensor | None = None  # (batch, places, layers + 1, hidden), where layers_at asked for them

    __repr__ = record_repr


def read_and_score(
    model: LatentModel,
    input_ids: Tensor,
    mask: Tensor,
    labels: Tensor | None,
    halt_targets: Tensor | None,
    return_logits: bool,
    layers_at: Tensor | None = None,
) -> CoconutOutput:
    """The forward of a model, which says what it is given; see CoconutModel.forward."""
    with ExitStack() as stack:
        places = None
        if layers_at is not None:
            places = Places(layers_at, stack.enter_context(keeping_stream(model)))
        hidden = read_with_thoughts(model, input_ids, mask, None if return_logits else labels, places)
    logits = model.logits(hidden) if return_logits else None
    halting_loss = None
    if halt_targets is not None:
        latent = input_ids == model.config.latent_id
        halting_loss = halting_cross_entropy(model.require_halting_head(), hidden, latent, halt_targets)
    layers = None if places is None else places.layers
    if labels is None:
        return CoconutOutput(None, logits, halting_loss=halting_loss, hidden=hidden, layers=layers)
    losses = label_losses(model, hidden, labels, logits)
    loss = losses.mean() if losses.numel() else losses.sum()
    if next(model.feedback.parameters(), None) is not None:
        # Without a thought in the batch its weights get gradients of 0: processes wait for those of all.
        loss = loss + model.feedback(hidden[:0, 0]).sum()
    return CoconutOutput(loss, logits, losses.detach(), halting_loss, hidden, layers)


def label_losses(model: LatentModel, hidden: Tensor, labels: Tensor, logits: Tensor | None = None) -> Tensor:
    """The loss at each label, see CoconutOutput.label_losses; hidden (batch, time, hidden) are the states, and
    logits what the head makes of them where that is known."""
    labelled = has_label(labels)[:, 1:]
    scores = model.logits(hidden[:, :-1][labelled]) if logits is None else logits[:, :-1][labelled]
    return cross_entropy(scores.float(), labels[:, 1:][labelled])


class Places:
    """Keeps the states of all layers at some columns (batch, places), as hidden_states of transformers: what
    is fed to the first layer, then the residual stream after each, the last one behind the final norm."""

    def __init__(self, columns: Tensor, stream: list[Tensor]) -> None:
        """stream: of keeping_stream, which is open."""
        self.columns, self._stream = columns, stream
        self._first, self._last = int(columns.min()), int(columns.max())
        self.layers: Tensor | None = None  # (batch, places, layers + 1, hidden)

    def add(self, start: int, states: Tensor) -> None:
        """Take what there is of the pass just read; states (batch, time, hidden) are those of the columns from
        `start` on."""
        time, hidden = states.shape[1:]
        if start > self._last or start + time <= self._first:
            return
        there = (self.columns >= start) & (self.columns < start + time)
        index = (self.columns - start).clamp(0, time - 1)[..., None].expand(-1, -1, hidden)
        parts = [part[:, -time:].gather(1, index) for part in (*self._stream[:-1], states)]
        wide = torch.promote_types(states.dtype, torch.float32)  # autocast gives several formats
        picked = torch.stack([part.to(states.device, wide) for part in parts], dim=2)
        before = torch.zeros_like(picked) if self.layers is None else self.layers
        self.layers = torch.where(there[..., None, None], picked, before)


def read_with_thoughts(
    model: LatentModel,
    input_ids: Tensor,
    mask: Tensor,
    labels: Tensor | None,
    places: Places | None = None,
) -> Tensor:
    """Hidden states (batch, time, hidden) of sequences in which <latent> positions hold thoughts.

    With labels, those of the prompt but for its last position may be left uncomputed, unless they are at
    places. With passes in the configuration the first latents of the batch are found in parallel, as in a run.
    Raises CoconutError where a sequence begins with a thought.
    """
    is_latent_column = (input_ids == model.config.latent_id).any(dim=0)
    if bool(is_latent_column[0]):
        raise CoconutError("a sequence cannot begin with a latent: a thought needs a state to come from")
    prompt_end = 0
    if labels is not None:
        read = is_latent_column | has_label(labels).any(dim=0)  # columns that need the state before them
        if places is not None:
            read[(places.columns + 1).clamp(max=len(read) - 1).flatten()] = True
        prompt_end = int(read.long().argmax()) if bool(read.any()) else 0
    pieces: list[Tensor] = []
    for start, states in _read(
        model, input_ids, mask, _spans(is_latent_column.tolist(), prompt_end), prompt_end
    ):
        pieces.append(states)
        if places is not None:
            places.add(start, states)
    return torch.cat(pieces, dim=1)


def _read(
    model: LatentModel, input_ids: Tensor, mask: Tensor, spans: list[tuple[int, int, bool]], prompt_end: int
) -> Iterator[tuple[int, Tensor]]:
    """The states (batch, time, hidden) of one pass after the other, and the column that each begins with."""
    latent = input_ids == model.config.latent_id
    embeddings = model.embed(input_ids)
    context = model.empty_context(input_ids.shape[0])
    passes, first_latent = model.config.passes, next((start for start, _, thinking in spans if thinking), 0)
    for start, end, thinking in _passes(spans, at_once=first_latent if passes else None):
        if thinking and passes and start == first_latent:
            others = Others(embeddings[:, start:end], latent[:, start:end])
            _, states = find_thoughts(
                model, context, end - start, passes, mask=mask[:, start:end], others=others
            )
        elif thinking:
            states = model.latent_positions(
                context,
                context.hidden[:, None],
                otherwise=embeddings[:, start:end],
                thinking=latent[:, start:end],
                mask=mask[:, start:end],
            )
        else:
            with reading_prompt(model, end == prompt_end):
                states = model.feed(context, embeddings[:, start:end], mask[:, start:end])
        yield start, states


def _passes(spans: list[tuple[int, int, bool]], at_once: int | None) -> Iterator[tuple[int, int, bool]]:
    """Spans cut into passes: one for each thought, the last of which reads the words behind it as well, since
    they wait for no other; at_once is where a span begins that stays whole."""
    behind = 0
    for number, (start, end, thinking) in enumerate(spans):
        if thinking and start != at_once:
            yield from ((column, column + 1, True) for column in range(start, end - 1))
            behind = spans[number + 1][1] if number + 1 < len(spans) else end
            yield end - 1, behind, True
        elif start >= behind:
            yield start, end, thinking


def _spans(flags: list[bool], cut: int = 0) -> list[tuple[int, int, bool]]:
    """Runs of equal flags as (start, end, flag); one run ends at `cut`."""
    spans: list[tuple[int, int, bool]] = []
    for index, flag in enumerate(flags):
        if spans and spans[-1][2] == flag and index != cut:
            spans[-1] = (spans[-1][0], index + 1, flag)
        else:
            spans.append((index, index + 1, flag))
    return spans
