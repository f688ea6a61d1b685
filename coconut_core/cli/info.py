"""coconut info: what a checkpoint is."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from coconut_core.cli import options
from coconut_core.cli.guard import say
from coconut_core.errors import CoconutError


def info(
    model: Annotated[
        str, typer.Argument(help=options.MODEL_HELP, callback=options.expanded_source)
    ] = "models/prosqa",
    base: options.Base = None,
    question_length: Annotated[
        int | None, typer.Option(min=1, help="Tell the memory for questions of so many tokens, at most.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Questions at once, for --question-length.")] = 1,
    thoughts: Annotated[
        int | None,
        typer.Option("--thoughts", "-n", min=0, help="Thoughts and words of each, for --question-length."),
    ] = None,
    branches: Annotated[int, typer.Option(min=1, help="Branches of each, for --question-length.")] = 1,
    markers: options.Markers = None,
    as_json: options.Json = False,
) -> None:
    """Tell what a checkpoint is: architecture, size, markers, how it thinks, stage, files, memory.

    With --question-length also the memory that runs will take at most; one of that length is read to see.
    """
    if question_length is None and (batch > 1 or branches > 1 or thoughts is not None):
        raise CoconutError("how long are the questions? give --question-length in tokens as well")
    model = options.resolve_source(model, base)
    opened = options.open_model(model, "cpu", "auto", markers=markers)
    facts = model_facts(model, opened)
    if facts["not_finite"]:
        say(f"warning: weights with NaN or infinity: {', '.join(facts['not_finite'])}", err=True)
    if question_length is not None:
        from coconut_core.memory import predict

        need = predict(opened, question_length, batch=batch, thoughts=thoughts, branches=branches)
        facts["memory"] |= asdict(need) | {"peak": need.peak}
    if as_json:
        say(json.dumps(facts, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    from coconut_core.cli.show import cell

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), cell(_as_text(value)))
    Console().print(table)


def model_facts(source: str, model: Any) -> dict[str, Any]:
    """Everything `info` prints, as plain data. Sizes are in bytes."""
    from coconut_core.architectures import TESTED
    from coconut_core.feedback import feedback_text
    from coconut_core.finite import not_finite
    from coconut_core.halting import choose_ending
    from coconut_core.layers import cache_size, head_count
    from coconut_core.passes import in_passes
    from coconut_core.problems import trained_size
    from coconut_core.untrained import untrained_usage
    from coconut_core.verdict import usage_line

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
    from coconut_core.markers import marker_texts

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


def _as_text(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(item, int) for item in value.values()):
        return "\n".join(f"{name}  {_size(number)}" for name, number in value.items()) or "none"
    if isinstance(value, dict):
        return "\n".join(f"{name.replace('_', ' ')}  {_marker_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _marker_text(item: Any) -> str:
    if isinstance(item, dict):
        return f"{item['token']}  (id {item['id']})"
    return repr(item) if item else "nothing"


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count = count / 1000  # type: ignore[assignment]
    return f"{count:.4g} GB"
