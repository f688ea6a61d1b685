"""What is fed back at a thought: the table of rules, from the last hidden state to the next input embedding.

What is special about a rule are fields of its row. Plugins add rules. Needs no torch.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.plugins import FEEDBACK_GROUP, Table
from coconut_core.latent.config import CoconutConfig

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Option:
    """An entry of CoconutConfig.feedback_options."""

    description: str  # what it may be, in words
    fits: Callable[[Any], bool]
    needed: bool = False


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


@dataclass(frozen=True)
class Parts:
    """What a model has that a rule can be made of."""

    config: CoconutConfig
    head: "nn.Module"  # the language-model head
    embeddings: "nn.Module"  # of the tokens
    logits: "Callable[[Tensor], Tensor]"  # what the head says, (…, hidden) -> (…, vocabulary)


@dataclass(frozen=True)
class Rule:
    """A kind of feedback. build makes the module, (…, hidden) -> (…, hidden), from the parts and, as keyword
    arguments, the options that were given."""

    build: "Callable[..., nn.Module]"
    options: Mapping[str, Option] = field(default_factory=dict)
    trained: bool = False  # its weights belong to a checkpoint, so that nobody can ask for it
    identity: bool = False  # it feeds the state as it is, so that an embedding can stand for a thought
    reads_state: bool = True  # else it feeds the same whatever the state, and no thought can be edited
    trainable: bool = False  # training goes on with it where a base has it; a recipe can ask for it
    training_free: bool = False  # a checkpoint that thinks with it is not trained on
    remark: str = ""  # what is to be expected of it in a model that was not trained to think in latents
    remark_tied: str = ""  # what has to be known where the model's embeddings are tied


def _modules() -> Any:
    """The modules of the rules, which import torch: only when a model is made."""
    from coconut_core.latent import feedback_modules

    return feedback_modules


_STATES = "its own hidden states are no inputs that it knows, so feeding them back is expected to fail"
RULES = {
    "hidden": Rule(lambda parts: _modules().HiddenFeedback(), identity=True, trainable=True, remark=_STATES),
    "normed": Rule(
        lambda parts, **options: _modules().NormedFeedback(parts.embeddings, **options),
        {"scale": Option("a number above 0", lambda value: _is_number(value) and value > 0)},
        trainable=True,
        remark=_STATES,
    ),
    "mixture": Rule(
        lambda parts, **options: _modules().MixtureFeedback(parts.logits, parts.embeddings, **options),
        {
            "temperature": Option("a number of 0 or more", lambda value: _is_number(value) and value >= 0),
            "top_p": Option("above 0 and at most 1", lambda value: _is_number(value) and 0 < value <= 1),
            "top_k": Option("a whole number of 1 or more", lambda value: type(value) is int and value >= 1),
        },
        training_free=True,
    ),
    "linear": Rule(
        lambda parts, **options: _modules().LinearFeedback(parts.head, parts.embeddings, **options),
        {
            "penalty": Option("a number above 0", lambda value: _is_number(value) and value > 0),
            "match_norm": Option("true or false", lambda value: type(value) is bool),
        },
        remark_tied="its embeddings are tied, so the linear map changes only a thought's length",
    ),
    "pause": Rule(
        lambda parts: _modules().PauseFeedback(parts.embeddings, parts.config.latent_id), reads_state=False
    ),
    "projection": Rule(
        lambda parts, **options: _modules().ProjectionFeedback(
            _modules().weight_of(parts.embeddings).shape[1], **options
        ),
        {
            "width": Option(
                "a whole number of 1 or more", lambda value: type(value) is int and value >= 1, True
            ),
            "norm": Option("true or false", lambda value: type(value) is bool),
        },
        trained=True,
        trainable=True,
    ),
}
TABLE = Table("feedback", FEEDBACK_GROUP, Rule, RULES)


def rule_named(kind: str) -> Rule:
    """The rule of a kind of feedback. Raises CoconutError for an unknown one, or a plugin that does not
    work."""
    rule = TABLE.get(kind)
    if rule is None:
        raise CoconutError(f"unknown feedback '{kind}': choose one of {', '.join(TABLE.names())}")
    return rule


def check_feedback(kind: str, options: Mapping[str, Any]) -> None:
    """Raise CoconutError for an unknown kind of feedback, and for options that it cannot have or lacks."""
    known = rule_named(kind).options
    for name, value in options.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise CoconutError(f"feedback_options: feedback '{kind}' has no option '{name}': {has}")
        if not known[name].fits(value):
            raise CoconutError(f"feedback_options: '{name}' must be {known[name].description}, not {value!r}")
    for name, option in known.items():
        if option.needed and name not in options:
            raise CoconutError(f"feedback_options: feedback '{kind}' needs '{name}', {option.description}")


def read_feedback(text: str) -> tuple[str, dict[str, Any]]:
    """A kind of feedback and its options from "mixture" or "mixture:temperature=0.6,top_p=0.95".

    Raises CoconutError as check_feedback does, and for what is not of this form.
    """
    kind, _, rest = text.partition(":")
    kind = kind.strip()
    if rule_named(kind).trained:
        raise CoconutError(f"a {kind} is trained, so its checkpoint says it: leave out --feedback")
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        name, mark, value = part.partition("=")
        if not mark:
            raise CoconutError(f"feedback '{text}': write options as in mixture:temperature=0.6,top_p=0.95")
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value.strip()
    check_feedback(kind, options)
    return kind, options


def feedback_text(config: CoconutConfig) -> str:
    """The feedback of a configuration as read_feedback reads it."""
    options = ",".join(f"{name}={json.dumps(value)}" for name, value in config.feedback_options.items())
    return f"{config.feedback}:{options}" if options else config.feedback


def build_feedback(
    config: CoconutConfig, head: "nn.Module", embeddings: "nn.Module", logits: "Callable[[Tensor], Tensor]"
) -> "nn.Module":
    """The feedback rule of a configuration; weights that were trained are random. logits is what the head says,
    (…, hidden) -> (…, vocabulary). Raises CoconutError as check_feedback does."""
    kind, options = config.feedback, config.feedback_options
    check_feedback(kind, options)
    return rule_named(kind).build(Parts(config, head, embeddings, logits), **options)
