"""What a checkpoint is, as plain data: `coconut info`, a server and a model card tell it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from coconut_core.evaluation.verdict import usage_line
from coconut_core.latent.architectures import TESTED
from coconut_core.latent.feedback import feedback_text
from coconut_core.latent.finite import not_finite
from coconut_core.latent.layers import cache_size, head_count
from coconut_core.latent.markers import marker_texts
from coconut_core.problems import trained_size
from coconut_core.records.untrained import untrained_usage
from coconut_core.runs.halting import choose_ending
from coconut_core.runs.passes import in_passes


def model_facts(source: str, model: Any) -> dict[str, Any]:
    """Everything `info` prints, as plain data. Sizes are in bytes."""
    base, config = model.base_lm, model.config
    parameters = {id(parameter): parameter for parameter in base.parameters()}.values()
    weights = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    shape = model.shape
    folder = Path(source)
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    size = trained_size(config.family, config.recipe)
    return {
        "model": model.name,
        "architecture": type(base).__name__,
        "architecture_tested": base.config.model_type in TESTED,
        "layers": shape.num_hidden_layers,
        "hidden_size": shape.hidden_size,
        "heads": head_count(model),
        "vocabulary": shape.vocab_size,
        "context": model.max_positions,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "not_finite": not_finite(model),
        "dtype": str(base.dtype).removeprefix("torch."),
        "markers": _markers(model),
        "thoughts": config.thoughts,
        "thinking": str(choose_ending(model)) + in_passes(config.passes),
        "ending": config.ending,
        **({} if config.ending == "fixed" else {"ending_threshold": config.ending_threshold}),
        "goes_back": "by recomputing" if model.recurrent else "by cropping the cache",
        "feedback": feedback_text(config),
        **({"chat": config.chat_template or True} if config.chat else {}),
        **({} if config.system is None else {"system": config.system}),
        "trained_to_think_in_latents": config.trained,
        "stage": config.stage,
        "family": config.family,
        "problem_size": None if size is None else asdict(size),
        "thoughts_used": usage_line(source)
        if config.trained
        else untrained_usage(config.feedback, config.thoughts),
        "memory": {"weights": weights, "cache_per_position": cache_size(model)},
        "files": files,
    }


def _markers(model: Any) -> dict[str, Any]:
    """What stands around the thoughts, and the latent token; markers by id and token, a text as it is."""

    config = model.config
    before, behind = marker_texts(config, model.tokenizer)
    markers: dict[str, Any] = {
        name: {"id": number, "token": model.tokenizer.convert_ids_to_tokens(number)}
        for name, number in (("bot", config.bot_id), ("eot", config.eot_id), ("latent", config.latent_id))
        if number is not None
    }
    if config.bot_id is None:
        markers["in_front"] = before
    if config.eot_id is None:
        markers["behind"] = behind
    return markers
