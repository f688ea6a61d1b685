"""What a run of a model showed, written down as plain data: steps, settings, traces."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, Protocol

from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.markers import markers_record
from coconut_core.latent.model import LatentModel
from coconut_core.latent.readout import TokenProbability
from coconut_core.problems.arithmetic import equations
from coconut_core.problems.base import Problem
from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_core.runs.halting import Ending
from coconut_core.runs.passes import in_passes
from coconut_core.runs.steps import Step


class HasModel(Protocol):
    """A run of a model: a Session, or what else was run."""

    model: LatentModel
    prompt_ids: list[int]


class StoppedRun(HasModel, Protocol):
    """What a trace tells of a run, which may go on: a Session."""

    question: str
    ending: Ending
    passes: int
    temperature: float
    seed: int
    max_new_tokens: int

    @property
    def steps(self) -> Sequence[Step]:
        """All steps so far."""

    @property
    def text(self) -> str:
        """The words said so far."""

    @property
    def stopped_by(self) -> str | None:
        """Why it says no more; None while it goes on."""


def record_step(
    step: Step, before: Step | None, watched: dict[str, int] | None = None, top_k: int = 10
) -> StepRecord:
    """What a step showed. before is the thought in front of it; watched maps names to token ids."""
    readout = step.readout
    likeliest = readout.top(top_k) if isfinite(readout.entropy) else []
    return StepRecord(
        kind=step.kind,
        index=step.index,
        segment=step.segment,
        token=step.token,
        top=recorded(likeliest),
        entropy=readout.entropy,
        norm=readout.norm,
        cosine=None if before is None or not likeliest else readout.cosine(before.readout),
        edit=None if step.edit is None else str(step.edit),
        watched={name: readout.probability(number) for name, number in (watched or {}).items() if likeliest},
        ended=step.ended,
        token_id=step.token_id,
        name="" if step.token_id is None else readout.name(step.token_id),
    )


def recorded(tokens: Iterable[TokenProbability]) -> tuple[TokenRecord, ...]:
    """Tokens of a readout as plain data."""
    return tuple(TokenRecord(item.token, item.probability, item.token_id, item.name) for item in tokens)


def trace_session(session: StoppedRun, top_k: int = 10, problem: Problem | None = None) -> Trace:
    """The trace of a session as it stands."""
    model = session.model
    watched = watched_tokens(session, problem)
    records: list[StepRecord] = []
    before: Step | None = None
    for step in session.steps:
        records.append(record_step(step, before, watched, top_k))
        before = step if step.kind == "thought" else before
    return Trace(
        model=model.name,
        question=session.question,
        prompt=tuple(model.token_text(number) for number in session.prompt_ids),
        steps=tuple(records),
        text=session.text,
        stopped_by=session.stopped_by,
        settings=run_settings(
            model,
            session.ending,
            session.passes,
            temperature=session.temperature,
            seed=session.seed,
            max_new_tokens=session.max_new_tokens,
        ),
        problem=problem,
        prompt_ids=tuple(session.prompt_ids),
    )


def run_settings(model: LatentModel, ending: Ending, passes: int, **sampling: float) -> dict[str, Any]:
    """The settings of a trace: how the run thought, and how its words were picked."""
    config = model.config
    return {
        "thoughts": ending.thoughts,
        "ending": "fixed" if ending.rule is None else ending.rule.name,
        "thinking": str(ending) + in_passes(passes),
        **sampling,
        "feedback": config.feedback,
        "markers": markers_record(config, model.tokenizer),
        **_where_set(config, "feedback_options", "chat", "chat_template", "system"),
        **({"passes": passes} if passes else {}),
        "trained": config.trained,
        "first_thought_hops": config.first_thought_hops,
        "answer_prefix": config.answer_prefix,
    }


def _where_set(config: CoconutConfig, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(config, name))}


def watched_tokens(run: HasModel, problem: Problem | None) -> dict[str, int]:
    """Token ids of the graph's names, or of the results of steps that are sums, as far as each is one token of
    the vocabulary."""
    if problem is None:
        return {}
    results = [result for _, result in equations(problem.steps)]
    return named_tokens(run.model, run.prompt_ids, results if problem.graph is None else problem.graph.names)


def named_tokens(model: LatentModel, prompt_ids: Sequence[int], names: Iterable[str]) -> dict[str, int]:
    """Token ids of names, as far as each is one token of the vocabulary."""
    token_ids: dict[str, int] = {}
    for name in names:
        try:
            token_ids[name] = model.vocabulary.find(name, prompt_ids)
        except CoconutError:
            continue
    return token_ids
