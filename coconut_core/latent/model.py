"""LatentModel: a causal language model that can be fed its own hidden states.

Every user of the latent loop (training, Session, generate, evaluation) goes through `Context` and the methods
`feed` and `latent_step` (`latent_positions` for several thoughts at once); there is no other place where a
thought is fed back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import (
    Context,
    cache_argument,
    check_unbroken,
    gap_limit,
    has_attention,
    longest_sequence,
    new_context,
)
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.feedback import build_feedback
from coconut_core.latent.feedback_modules import embedding_table
from coconut_core.latent.halting_head import HaltingHead
from coconut_core.latent.prompt import encode_prompt
from coconut_core.latent.vocabulary import Vocabulary

if TYPE_CHECKING:
    from coconut_core.latent.cache.compiled import CompiledPass

EXTRA_FILE = "coconut.safetensors"  # the weights that a checkpoint has besides its base model's


@dataclass
class Work:
    """What was computed: passes through the base model, and positions read in them (rows times columns,
    padding included, since it is computed too)."""

    passes: int = 0
    positions: int = 0


class Companion(Protocol):
    """What is kept in a checkpoint's folder beside the model, such as SIM-CoT's decoder."""

    def save(self, folder: Path) -> None:
        """Write it into the folder of the checkpoint."""


class Adapter(Protocol):
    """What is trained beside a base model whose weights are frozen, such as LoRA."""

    def merged(self, model: "LatentModel") -> dict[str, Tensor]:
        """The weights of the base model by their own names, with what was learned in them."""

    def save(self, model: "LatentModel", folder: Path) -> None:
        """Write what was learned into the folder of a checkpoint, beside the whole model."""


class LatentModel(nn.Module):
    """A Hugging Face causal language model, its tokenizer, the latent markers, a feedback rule that may have
    weights, and where the configuration asks for one a halting head."""

    def __init__(
        self, base_lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: CoconutConfig
    ) -> None:
        super().__init__()
        self.base_lm, self.tokenizer, self.config = base_lm, tokenizer, config
        self.shape: Any = base_lm.config.get_text_config()  # of what reads text: its numbers of layers, heads
        head, embeddings = base_lm.get_output_embeddings(), base_lm.get_input_embeddings()
        self.feedback = build_feedback(config, head, embeddings, self.logits).to(self.device, self.dtype)
        self.halting: HaltingHead | None = None
        if config.ending == "halting":
            self.halting = HaltingHead(head.weight.shape[1]).to(self.device, self.dtype)
        self._cache_argument = cache_argument(self.text_model)
        self._gap_limit, self._has_attention = gap_limit(base_lm.config), has_attention(base_lm.config)
        self.companion: Companion | None = None  # of a conversion or a training, for save_pretrained
        self.adapter: Adapter | None = None  # in training, likewise
        self.name = "model"
        self.work = Work()  # of this object's lifetime, counted in feed
        self.prompt_layer: Any = None  # a LastPositionLayer while there is a prompt_shortcut
        self.compiled: CompiledPass | None = None  # see compile_steps
        self.thinking: Tensor | None = None  # (batch, time), the positions of a pass that read a thought

    # -- opening and saving --------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> None:
        """Write weights (safetensors), tokenizer, coconut.json and the extra weights into folder."""
        (folder := Path(folder)).mkdir(parents=True, exist_ok=True)
        transformers_logging.disable_progress_bar()
        self.base_lm.save_pretrained(
            folder, state_dict=None if self.adapter is None else self.adapter.merged(self)
        )
        self.save_extras(folder)
        if self.companion is not None:
            self.companion.save(folder)
        if self.adapter is not None:
            self.adapter.save(self, folder)

    def save_extras(self, folder: Path) -> None:
        """Write all but the base model's weights: tokenizer, coconut.json and the extra weights."""
        self.tokenizer.save_pretrained(folder)
        self.config.save(folder)
        (folder / EXTRA_FILE).unlink(missing_ok=True)  # another model may have been here before
        if weights := self.extra_weights:
            save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / EXTRA_FILE)

    def require_halting_head(self) -> HaltingHead:
        """The halting head. Raises CoconutError where the model was built without."""
        if self.halting is None:
            raise CoconutError(
                "this model has no halting head: build it with ending 'halting' in its configuration"
            )
        return self.halting

    @property
    def extra_weights(self) -> dict[str, Tensor]:
        """What a checkpoint has besides its base model's weights: the feedback's and the halting head's."""
        weights: dict[str, Tensor] = self.feedback.state_dict(prefix="feedback.")
        if self.halting is not None:
            weights |= self.halting.state_dict(prefix="halting.")
        return weights

    @property
    def text_model(self) -> nn.Module:
        """What reads embeddings: the base model without its head, or its part for text if it sees images."""
        base: nn.Module = self.base_lm.base_model
        return getattr(base, "language_model", base)

    @property
    def device(self) -> torch.device:
        """Where what is fed has to lie; layers may lie elsewhere, see --device-map."""
        hook = getattr(self.base_lm.get_input_embeddings(), "_hf_hook", None)  # accelerate's, on parts it moves
        device = getattr(hook, "execution_device", None)
        return torch.device(self.base_lm.device if device is None else device)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.base_lm.dtype
        return dtype

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Names of tokens, and what names mean."""
        return Vocabulary(self.tokenizer, self.base_lm.get_input_embeddings().weight.shape[0])

    def token_text(self, token_id: int) -> str:
        """The text of one token decoded alone: not what it adds to a text, nor a name; see vocabulary."""
        return str(self.tokenizer.decode([token_id]))

    def token_id(self, text: str) -> int:
        """The id of a token by its name, or its text with or without a space before it; see Vocabulary.find."""
        return self.vocabulary.find(text)

    @property
    def eos_ids(self) -> frozenset[int]:
        """Tokens that end a run: the base model's and the tokenizer's, which training teaches."""
        base_ids = getattr(self.base_lm.generation_config, "eos_token_id", None)
        ids = {self.tokenizer.eos_token_id, *(base_ids if isinstance(base_ids, list) else [base_ids])}
        return frozenset(ids - {None})

    @property
    def max_positions(self) -> int | None:
        """The longest sequence the base model can read step by step, or None where it sets no limit."""
        return longest_sequence(self.shape)

    @property
    def recurrent(self) -> bool:
        """Whether some layer keeps one state for all that it has read: nothing can be taken back from it."""
        return self._gap_limit == 0

    # -- the loop ------------------------------------------------------------------------------------------

    def start_context(self, input_ids: Tensor, mask: Tensor | None = None) -> Context:
        """Read a prompt into a fresh cache. input_ids and mask are (batch, time), left-padded."""
        context = self.empty_context(input_ids.shape[0])
        self.feed(context, self.embed(input_ids), mask)
        return context

    def feed(
        self,
        context: Context,
        embeddings: Tensor,
        mask: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Read embeddings (batch, time, hidden) after what the context holds.

        visible (batch, context.length) is 0 at earlier positions that these ones must not attend to; they keep
        their places, and whatever is read later sees them again. Returns the hidden states after the final
        norm, (batch, time, hidden), and moves the context on.
        """
        time = embeddings.shape[1]
        whole = context.whole and mask is None
        if mask is None:
            mask = context.mask.new_ones(embeddings.shape[:2])
        full_mask = torch.cat([context.mask, mask], dim=1)
        check_unbroken(full_mask, self._gap_limit)
        if time > 1 and context.length and context.cache is not None and self.recurrent:
            # Some recurrent layers go on from their state by one position only.
            columns = zip(embeddings.split(1, dim=1), mask.split(1, dim=1), strict=True)
            return torch.cat([self.feed(context, *column) for column in columns], dim=1)
        if context.cache is None:
            before = embeddings[:, :0] if context.fed is None else context.fed
            embeddings = context.fed = torch.cat([before, embeddings], dim=1)
        self.work.passes += 1
        self.work.positions += embeddings.shape[0] * embeddings.shape[1]
        positions = (full_mask.cumsum(dim=1) - 1).clamp(min=0)
        seen: Tensor | None = full_mask
        if visible is not None:
            seen = torch.cat([context.mask * visible, mask], dim=1)
        elif whole and context.croppable:
            seen = None  # the library would look whether all of it is 1, and make a GPU wait for the answer
        elif not self._has_attention:
            seen = full_mask[:, -embeddings.shape[1] :]
        if self.compiled is not None and self.prompt_layer is None and self.compiled.takes(context, embeddings):
            read = partial(self.compiled, context, embeddings, full_mask if seen is None else seen)
        else:
            read = partial(self._read, context, embeddings, seen)
        try:
            hidden = read(positions[:, -embeddings.shape[1] :])[:, -time:]
        except BaseException:  # out of memory, a lost device, Ctrl-C: the context is as it was
            context.forget_broken_pass()
            raise
        context.mask, context.hidden, context.whole = full_mask, hidden[:, -1], whole
        return hidden

    def _read(self, context: Context, embeddings: Tensor, seen: Tensor | None, positions: Tensor) -> Tensor:
        """The base model's hidden states (batch, time, hidden); see feed, which prepares what it is given."""
        output = self.text_model(
            inputs_embeds=embeddings,
            attention_mask=seen,
            position_ids=positions,
            use_cache=context.cache is not None,
            **{self._cache_argument: context.cache},
        )
        hidden: Tensor = output.last_hidden_state.to(self.device)  # as layers may lie elsewhere
        return hidden

    def compile_steps(self, backend: str | Callable[..., Any] = "inductor") -> None:
        """From now on read single positions through a compiled graph, see latent.cache.compiled: faster, after
        some ten seconds for the first. backend: see torch.compile. Raises CoconutError where the model has no
        such graph."""
        from coconut_core.latent.cache.compiled import CompiledPass

        self.compiled = CompiledPass(self.base_lm, self.text_model, backend)

    def latent_step(
        self,
        context: Context,
        thought: Tensor | None = None,
        *,
        otherwise: Tensor | None = None,
        thinking: Tensor | None = None,
        mask: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Feed one continuous thought: the one latent step of this code base.

        thought (batch, hidden) is the state that is fed back, by default the context's last hidden state
        (arXiv 2412.06769: E[t+1] = h[t]). Rows where thinking (batch,) is False read otherwise
        (batch, hidden) instead, an ordinary embedding; rows where mask (batch, 1) is 0 are over and read
        padding. visible: see feed. Returns the new hidden state (batch, hidden).
        """
        return self.latent_positions(
            context,
            (context.hidden if thought is None else thought)[:, None],
            otherwise=None if otherwise is None else otherwise[:, None],
            thinking=None if thinking is None else thinking[:, None],
            mask=mask,
            visible=visible,
        )[:, 0]

    def latent_positions(
        self,
        context: Context,
        thoughts: Tensor,
        *,
        otherwise: Tensor | None = None,
        thinking: Tensor | None = None,
        mask: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tensor:
        """latent_step for thoughts (batch, count, hidden) that are known all at once, in one pass; the other
        arguments have that time axis too. It may be longer: where no row thinks any more, otherwise is read.
        Returns hidden states (batch, time, hidden)."""
        fed, count = self.feedback(thoughts), thoughts.shape[1]
        if otherwise is not None and thinking is not None:
            fed = torch.where(thinking[:, :count, None], fed.to(otherwise.dtype), otherwise[:, :count])
            if otherwise.shape[1] > count:
                fed = torch.cat([fed, otherwise[:, count:]], dim=1)
        counted = torch.ones_like(fed[..., 0]) if mask is None else mask
        self.thinking = counted.bool() if thinking is None else thinking
        try:
            return self.feed(context, fed, mask, visible)
        finally:
            self.thinking = None

    def embed(self, input_ids: Tensor) -> Tensor:
        """Token embeddings, (batch, time) -> (batch, time, hidden)."""
        embeddings: Tensor = self.base_lm.get_input_embeddings()(input_ids)
        return embeddings

    @torch.no_grad()
    def embedding_table(self) -> Tensor:
        """What embed makes of each token, (vocabulary, hidden)."""
        return embedding_table(self.base_lm.get_input_embeddings(), self.device).detach()

    def logits(self, hidden: Tensor) -> Tensor:
        """The language-model head, (…, hidden) -> (…, vocabulary)."""
        scores: Tensor = self.base_lm.get_output_embeddings()(hidden)
        cap = getattr(self.shape, "final_logit_softcapping", None)
        return scores if cap is None else torch.tanh(scores / cap) * cap

    def empty_context(self, batch: int) -> Context:
        """A context that has read nothing yet."""
        return new_context(self.base_lm.config, batch, self.device)

    # -- training ------------------------------------------------------------------------------------------

    # -- running -------------------------------------------------------------------------------------------

    def encode_prompt(self, question: str, system: str | None = None) -> list[int]:
        """Token ids of the question and of what stands in front of the thoughts; system is a system prompt in
        place of the model's. Raises CoconutError for an unusable question."""
        config = self.config if system is None else replace(self.config, system=system)
        return encode_prompt(self.tokenizer, question, config, self.max_positions)
