"""SIM-CoT (arXiv 2509.20317): a second model has to say each whole step from the thoughts in its place.

The decoder is for training only: it reads the thoughts of one step as they are fed, then that step's words by
the embeddings of the model, and its loss goes through the thoughts to the model. A checkpoint keeps it as
explainer, see coconut_core.checkpoints.explainer.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM

from coconut_core.checkpoints.explainer import Explainer
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path
from coconut_core.latent.losses import IGNORE
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, Example, Part, TokenizedProblem
from coconut_core.training.methods.passes import MAIN, Pass

STEPS = "steps"
FIRST_POSITION = 1  # of a step's first thought, as published


class Decoder(nn.Module):
    """The decoder in training; its forward is that of the language model."""

    def __init__(self, language_model: nn.Module, thoughts_per_step: int) -> None:
        super().__init__()
        self.language_model: Any = language_model
        self._thoughts_per_step = thoughts_per_step

    def forward(self, rows: Sequence[Tensor], device: torch.device) -> Tensor:
        """Logits (rows, time, vocabulary) of embeddings (time, hidden) each, one row a step."""
        lengths = torch.tensor([len(row) for row in rows], device=device)
        embeddings = pad_sequence(list(rows), batch_first=True)
        places = torch.arange(embeddings.shape[1], device=device)
        logits: Tensor = self.language_model(
            inputs_embeds=embeddings.to(self.language_model.dtype),
            attention_mask=(places < lengths[:, None]).long(),
            position_ids=(places + FIRST_POSITION).expand(len(rows), -1),
            use_cache=False,
        ).logits
        return logits

    def save(self, folder: Path) -> None:
        """Keep it in a checkpoint's folder, for `coconut ask --explain`."""
        Explainer(self.language_model, self._thoughts_per_step, FIRST_POSITION).save(folder)


def decoder(model: CoconutModel, options: Mapping[str, Any]) -> Decoder:
    """A decoder that begins as the model does, or as another of its shape. Raises CoconutError where that does
    not fit, and for a model whose thoughts are found side by side."""
    if model.config.passes:
        raise CoconutError("method 'sim-cot' has thoughts one after the other: set thinking.passes=0")
    language_model = deepcopy(model.base_lm)
    if name := options["decoder"]:
        language_model = _other(str(name), model)
    return Decoder(language_model, model.config.recipe["curriculum"]["thoughts_per_step"])


def _other(name: str, model: CoconutModel) -> Any:
    """A language model by folder or hub id, whose thoughts and words are as wide as the model's."""
    try:
        found: Any = AutoModelForCausalLM.from_pretrained(
            user_path(name) if user_path(name).is_dir() else name,
            dtype=model.dtype,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except Exception as error:  # transformers raises bare Exceptions here
        raise CoconutError(f"options.decoder: {name} cannot be loaded: {one_line(error)}") from error
    width, own = (each.get_input_embeddings().weight.shape[1] for each in (found, model.base_lm))
    if width != own:
        raise CoconutError(f"options.decoder: {name} has {width} numbers a state, the model {own}")
    return found


def lay_out(
    encoder: Encoder, problem: TokenizedProblem, stage: Stage, options: Mapping[str, Any]
) -> Mapping[str, Example]:
    """The sequence of Coconut, and beside it what the decoder reads: for each step that is gone its thoughts
    and its words, one behind the other. Where more steps are gone than have thoughts, the last thoughts stand
    for all the rest of them; where fewer, the decoder says what the model itself has to say."""
    main = encoder.sequence(problem, stage)
    each = encoder.thoughts_per_step
    count = encoder.thoughts(problem, stage) // each
    end = problem.answer[-1]
    rest = main.ids[main.prompt_length + each * count + len(encoder.config.fed_behind) : -1]
    steps = [problem.steps[number] for number in encoder.gone(problem, stage)]
    gone = [encoder.without_line_break(step) for step in steps]
    if count and len(gone) > count:
        last = [token for step in steps[count - 1 :] for token in step]
        gone[count - 1 :] = [encoder.without_line_break(last)]
    gone += [rest] * (count - len(gone))
    ids: list[int] = []
    labels: list[Any] = []
    for step in gone[:count]:
        ids += [*[encoder.config.latent_id] * each, *step, end]
        labels += [*[IGNORE] * each, *step, end]
    nothing = [IGNORE] * len(ids)
    return {MAIN: main, STEPS: Example(ids, labels, [int(Part.NONE)] * len(ids), nothing, 0)}


def loss(model: CoconutModel, passes: Mapping[str, Pass], options: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The cross entropy of Coconut, and that of the decoder: of an example the mean over its steps of the sum
    over a step's words."""
    main = passes[MAIN]
    terms = {"coconut": main.cross_entropy}
    hidden, trained = main.output.hidden, model.companion
    assert hidden is not None
    assert isinstance(trained, Decoder)
    latent = main.batch.input_ids == model.config.latent_id
    fed = model.feedback(hidden[:, :-1])  # what stands one position later
    rows, words, owners = [], [], []
    read = passes[STEPS].batch
    lengths = read.attention_mask.sum(dim=1).tolist()
    for example, (ids, length) in enumerate(zip(read.input_ids.tolist(), lengths, strict=True)):
        thoughts = fed[example][latent[example, 1:]]  # (thoughts, hidden)
        for step in _steps(ids[:length], model.config.latent_id):
            count = len(step) - len(spoken := [token for token in step if token != model.config.latent_id])
            own, thoughts = thoughts[:count], thoughts[count:]
            tokens = torch.tensor(spoken, device=fed.device)
            rows.append(torch.cat([own, model.embed(tokens[:-1])]))
            words.append(torch.cat([tokens.new_full((count - 1,), IGNORE), tokens]))
            owners.append(example)
    if not rows:  # it reads one position, asked for nothing: processes wait for gradients of all, if only of 0
        rows, owners = [fed[0, :1]], [0]
        words = [torch.full((1,), IGNORE, device=fed.device)]
    logits = trained(rows, fed.device).float()
    labels = pad_sequence(words, batch_first=True, padding_value=IGNORE)
    losses = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORE, reduction="none").sum(dim=1)
    owner = torch.tensor(owners, device=fed.device)
    values = hidden.new_zeros(hidden.shape[0], dtype=torch.float32)
    steps = torch.bincount(owner, minlength=len(values)).clamp(min=1)
    values = values.index_add(0, owner, losses) / steps
    return {**terms, "steps": options["weight"] * main.mean(values)}


def _steps(ids: Sequence[int], latent: int) -> list[list[int]]:
    """What the decoder reads of each step, thoughts and words, from the sequence of all."""
    runs = [list(run) for _, run in groupby(ids, key=lambda token: token == latent)]
    return [[*thoughts, *words] for thoughts, words in zip(runs[::2], runs[1::2], strict=True)]
