"""The model that a recipe starts from: a fresh one, or a base to go on from."""

import re
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.latent.config import LAYOUTS, CoconutConfig
from coconut_core.latent.feedback import rule_named
from coconut_core.latent.markers import with_layout
from coconut_core.latent.prompt import answer_end
from coconut_core.problems.families import family_named, is_family
from coconut_core.problems.wording import BOT, EOT, LATENT, build_tokenizer
from coconut_core.training.lora import add_lora, check_lora
from coconut_core.training.methods.table import method_named
from coconut_core.training.recipe import ModelShape, Recipe, available_recipes, local_source
from coconut_core.training.run_folder import RunFolder


def build_model(recipe: Recipe) -> CoconutModel:
    """The model of a recipe before its first step. Raises CoconutError where its base cannot be opened."""
    check_lora(recipe.lora)
    torch.manual_seed(recipe.seed)
    return _from_base(recipe) if recipe.model.base else _fresh(recipe)


def add_parts(model: CoconutModel, recipe: Recipe) -> None:
    """Add what is trained beside a model: LoRA, and a module of the method."""
    make = method_named(recipe.method).module
    if recipe.lora.rank or make is not None:
        torch.manual_seed(recipe.seed)
    if make is not None:
        module: Any = make(model, recipe.options).to(model.device)
        model.companion = module.requires_grad_(True)
    if recipe.lora.rank:
        add_lora(model, recipe.lora, local_source(recipe.model.base))


def reopen_model(run: RunFolder) -> CoconutModel:
    """The model of a run as its newest checkpoint has it, to be gone on with; the base it began with is not
    needed. Raises CoconutError where there is none."""
    steps = run.steps()
    if not steps:
        raise CoconutError(f"nothing to resume in {run.path}: start it without --resume")
    model = CoconutModel.from_pretrained(run.folder_of(steps[-1]), device="cpu", dtype="float32")
    model.requires_grad_(True)
    _end_as_learned(model)
    return model


def _fresh(recipe: Recipe) -> CoconutModel:
    """A Llama-shaped model with random weights and the word-level tokenizer of the recipe's family.

    Weights start with standard deviation 1/sqrt(width): at GPT-2's 0.02 a narrow model's attention starts
    so flat that the look-up circuit does not form.
    """
    if not is_family(recipe.data.family):
        raise CoconutError(
            f"there is no word-level tokenizer for data.family '{recipe.data.family}': "
            "set model.base to a model to start from"
        )
    tokenizer = build_tokenizer(recipe.data.family)
    return from_config(recipe, LlamaForCausalLM(fresh_config(recipe, tokenizer)), tokenizer)


def fresh_config(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> LlamaConfig:
    """The configuration of a fresh base model."""
    shape = recipe.model
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.max_positions,
        attention_bias=True,
        tie_word_embeddings=True,
        initializer_range=shape.hidden_size**-0.5,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def from_config(
    recipe: Recipe, base: Any, tokenizer: PreTrainedTokenizerBase, before: CoconutConfig | None = None
) -> CoconutModel:
    """A model with the markers of the word-level tokenizers; before is the configuration it goes on from."""
    bot, eot, latent = tokenizer.convert_tokens_to_ids([BOT, EOT, LATENT])
    has_bot, has_eot = LAYOUTS[recipe.model.markers or "both"]
    entries = _entries(recipe, before)
    config = CoconutConfig(bot if has_bot else None, eot if has_eot else None, latent, **entries)
    return CoconutModel(base, tokenizer, config)


def _check_base(base: str) -> None:
    """Raises CoconutError where a base is the checkpoint of a packaged recipe that has not been trained yet."""
    run = re.fullmatch(r"runs/([^/]+)/checkpoint", base)
    if run and run[1] in available_recipes() and not user_path(base).exists():
        raise CoconutError(f"there is no {base} yet: train it first, coconut train {run[1]}")


def _from_base(recipe: Recipe) -> CoconutModel:
    """An ordinary model with markers added, or a checkpoint of an earlier run with those it has."""
    _check_base(recipe.model.base)
    base = CoconutModel.from_pretrained(recipe.model.base, device="cpu", dtype="float32")
    fresh_markers = not base.config.trained and not base.config.recipe
    if recipe.model.family_words:
        base.tokenizer, base.config = _with_family_words(base, recipe.data.family, recipe.model.base)
    own_eot = base.config.eot_id
    if recipe.model.markers or (fresh_markers and base.config.bot_id is None):
        layout = recipe.model.markers or "both"
        base.config = with_layout(base.base_lm, base.tokenizer, base.config, layout)
    if rule_named(base.config.feedback).training_free and not fresh_markers:
        raise CoconutError(f"{recipe.model.base} has feedback '{base.config.feedback}', which is not trained")
    entries = _entries(recipe, base.config)
    entries |= _chat_entries(recipe.model, base)
    model = CoconutModel(base.base_lm, base.tokenizer, replace(base.config, **entries))
    base_feedback = base.config.feedback, base.config.feedback_options
    if (entries["feedback"], entries["feedback_options"]) == base_feedback:
        model.feedback = base.feedback
    model.requires_grad_(True)
    markers = model.config.bot_id, model.config.eot_id, model.config.latent_id
    if fresh_markers and recipe.model.new_rows_from:
        source = model.token_id(recipe.model.new_rows_from)
        _copy_row(model, source, [marker for marker in markers if marker is not None])
    if recipe.model.bot_from_eot:
        eot = model.config.eot_id if own_eot is None else own_eot
        _take_bot_from(model, eot, recipe.model.base, thinks=base.config.trained)
    end = answer_end(model.tokenizer, model.config)
    if model.tokenizer.pad_token_id is None:
        model.tokenizer.pad_token = model.tokenizer.convert_ids_to_tokens(end)
    _end_as_learned(model)
    return model


def _with_family_words(
    base: CoconutModel, family: str, base_name: str
) -> tuple[PreTrainedTokenizerBase, CoconutConfig]:
    """The word-level tokenizer of a family, and the configuration with its ids; the base model gets its rows.

    A word that the base has keeps its row, and one that it has in small letters begins as that; all others
    begin at random. Raises CoconutError where the base knows no name of the family.
    """
    if not is_family(family):
        raise CoconutError(f"model.family_words: data.family '{family}' is no family with words of its own")
    base_vocabulary, tokenizer = base.tokenizer.get_vocab(), build_tokenizer(family)
    words = tokenizer.get_vocab()
    ids = {name: getattr(base.config, name) for name in ("bot_id", "eot_id", "latent_id")}
    token_of = base.tokenizer.convert_ids_to_tokens
    markers = {name: str(token_of(marker)) for name, marker in ids.items() if marker is not None}
    if not set(markers.values()) <= set(words) or not any(
        f" {name}" in base_vocabulary for name in family_named(family).wording.names
    ):
        raise CoconutError(
            f"model.family_words: {base_name} knows no word of data.family '{family}': leave it out"
        )
    old = base.base_lm.get_input_embeddings().weight
    assert isinstance(old, Tensor)
    rows = torch.randn(len(words), old.shape[1]) * float(old.std())
    for word, number in words.items():
        source = base_vocabulary.get(word, base_vocabulary.get(word.lower()))
        if source is not None:
            rows[number] = old[source]
    base.base_lm.resize_token_embeddings(len(words))
    with torch.no_grad():
        for weight in _token_rows(base):
            weight.copy_(rows)
    return tokenizer, replace(base.config, **{name: words[word] for name, word in markers.items()})


def _chat_entries(shape: ModelShape, base: CoconutModel) -> dict[str, Any]:
    """Whether questions are turns of a chat, and in which. Raises CoconutError where there is no template."""
    has_template = base.tokenizer.chat_template is not None
    if shape.chat == "yes" and not has_template:
        raise CoconutError(f"model.chat: the tokenizer of {shape.base} has no chat template: leave it out")
    if shape.chat == "no" or not has_template or not (base.config.chat or shape.chat == "yes"):
        if shape.system:
            raise CoconutError(f"model.system: {shape.base} is not asked in a chat here: leave it out")
        return {"chat": None, "chat_template": None, "system": None}
    return {"chat": True, "system": shape.system or base.config.system}


def _end_as_learned(model: CoconutModel) -> None:
    """Have the base model end with the token that it learns, besides where it ended before: the tokenizer's end
    of text, or that of a turn in a chat.

    Base models of chat families name one token in their configuration and another in their tokenizer.
    """
    learned = answer_end(model.tokenizer, model.config)
    for config in (model.base_lm.config, model.shape, model.base_lm.generation_config):
        before = getattr(config, "eos_token_id", None)
        earlier = before if isinstance(before, list) else [] if before is None else [before]
        ends = [learned, *(number for number in earlier if number != learned)]
        config.eos_token_id = ends if len(ends) > 1 else learned


def _entries(recipe: Recipe, base: CoconutConfig | None = None) -> dict[str, Any]:
    """The entries of the configuration that a recipe decides; base is that of the model it goes on from."""
    feedback, options = _feedback(recipe, base)
    passes = recipe.thinking.passes
    if not passes and base is not None and recipe.thinking.ends == "fixed":
        passes = base.passes
    return {
        "thoughts": 0,
        "trained": recipe.thinks,
        "answer_prefix": recipe.answer_prefix,
        "ending": recipe.thinking.ends,
        "ending_threshold": None if recipe.thinking.ends == "fixed" else recipe.thinking.threshold,
        "ending_window": recipe.thinking.window,
        "feedback": feedback,
        "feedback_options": options,
        "passes": passes,
        "family": recipe.data.family if is_family(recipe.data.family) else None,
        "first_thought_hops": 0 if recipe.step_style == "chain" else 1,
        "recipe": recipe.to_json(),
        "data": {"train": recipe.data.train or f"generated {recipe.data.family}, seed {recipe.data.seed}"},
    }


def _feedback(recipe: Recipe, base: CoconutConfig | None) -> tuple[str, dict[str, Any]]:
    """Kind and options of what is fed back; where the recipe leaves it open, those of the base."""
    by_method, width = method_named(recipe.method).feedback, recipe.thinking.projection
    if not rule_named(by_method).reads_state:
        return by_method, {}
    kind = "projection" if width else recipe.thinking.feedback
    keeps_base = base is not None and rule_named(base.feedback).trainable and kind in ("", base.feedback)
    if base is not None and keeps_base and width in (0, base.feedback_options.get("width")):
        return base.feedback, base.feedback_options
    return kind or by_method, {"width": width} if width else {}


def _take_bot_from(model: CoconutModel, eot: int | None, base: str, thinks: bool) -> None:
    """Have <bot> begin as the base's <eot>, which has learned to say the first step; <bot> has not."""
    if thinks:
        raise CoconutError(
            f"model.bot_from_eot: {base} was trained to think, and its <bot> with it: leave it out"
        )
    bot = model.config.bot_id
    if bot is None or eot is None:
        lacking = "the layout has no <bot>" if bot is None else f"{base} has no <eot>"
        raise CoconutError(f"model.bot_from_eot: {lacking}: leave it out")
    _copy_row(model, eot, [bot])


def _copy_row(model: CoconutModel, source: int, tokens: list[int]) -> None:
    """Have tokens begin as another one, where they are read and where they are said."""
    with torch.no_grad():
        for weight in _token_rows(model):
            weight[tokens] = weight[source].clone()


def _token_rows(model: CoconutModel) -> list[Tensor]:
    """The rows of the tokens, (vocabulary, hidden), where they are read and where they are said."""
    base = model.base_lm
    weights = []
    for embeddings in (base.get_input_embeddings(), base.get_output_embeddings()):
        weight = embeddings.weight
        assert isinstance(weight, Tensor)
        weights.append(weight)
    return weights
