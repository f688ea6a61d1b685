"""coconut ask: one question, or a file of them."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.cli.ask_file import answer_file
from coconut_core.cli.cut_off import tell_cut_off
from coconut_core.cli.samples import count_answers, say_record, say_seed
from coconut_core.common.errors import CoconutError
from coconut_core.common.seeds import check_samples, seed_behind
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.checkpoints.explainer import Explanation
    from coconut_core.coconut import CoconutModel
    from coconut_core.interventions import Plan
    from coconut_core.interventions.text import Command
    from coconut_core.problems.base import Problem
    from coconut_core.records.trace import Trace
    from coconut_core.runs.halting import StopRule
    from coconut_core.runs.session import Session


@dataclass(frozen=True)
class _Shown:
    """What is printed of an answer."""

    trace: Annotated[bool, typer.Option("--trace", help="Show every thought's top tokens as bars.")] = False
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Also what the decoder of a SIM-CoT checkpoint reads in the thoughts."),
    ] = False
    as_json: options.Json = False


@dataclass(frozen=True)
class _Interventions:
    """What is done to the thoughts first."""

    do: Annotated[
        list[str] | None,
        typer.Option(
            "--do",
            help="Change thoughts first: zero@2, 'steer rompus 4@1', 'replace twin@all'; several in order. "
            "--do help lists what there is.",
            metavar="TEXT",
        ),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help="Problems to take donors and means from, for --do.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None


@dataclass(frozen=True)
class _Sampling:
    """How the words of an answer are picked, and how many answers there are."""

    max_new_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 64
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest word, more samples.")] = 0.0
    seed: Annotated[int, options.seed("Seed of the sampling.")] = 0
    samples: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Draw N answers, with the seeds --seed, --seed + 1, …; needs --temperature."
        ),
    ] = 1

    def settings(self, stop: "StopRule | None") -> dict[str, Any]:
        """The same for a Session or generate, with the rule that ends thinking."""
        words = {"max_new_tokens": self.max_new_tokens, "temperature": self.temperature}
        return words | {"seed": self.seed, "stop": stop}


@dataclass(frozen=True)
class _Remote:
    """The running server that is asked instead."""

    server: Annotated[
        str | None,
        typer.Option(help="Ask a running `coconut serve` instead of loading a model.", metavar="URL"),
    ] = None
    token: Annotated[str | None, typer.Option(envvar="COCONUT_TOKEN", help="The token of that server.")] = None


InputFile = Annotated[
    Path | None,
    typer.Option(
        "--input",
        help="Answer a JSONL file, - for stdin; one JSON line out per line in.",
        callback=options.expanded,
    ),
]
Example = Annotated[
    int | None, typer.Option(help="Ask example question number N of the model's problem family.")
]
TopK = Annotated[int, typer.Option("--top-k", "-k", help="Tokens shown of each thought.")]


@options.grouped
def ask(
    *,
    context: typer.Context,
    question: Annotated[str | None, typer.Argument(help="The question, or - to read it from stdin.")] = None,
    source: options.Source,
    thoughts: options.Thoughts = None,
    passes: options.Passes = None,
    shown: _Shown,
    input_file: InputFile = None,
    example: Example = None,
    interventions: _Interventions,
    top_k: TopK = 5,
    sampling: _Sampling,
    placement: options.Placement,
    untrained: options.Untrained,
    ending: options.Ending,
    remote: _Remote,
) -> None:
    """Ask a model; prints the answer and nothing else.

    Examples:

      coconut ask --model models/prosqa --example 1 --trace

      coconut ask --model models/prosqa --example 1 --do "replace twin@all" --json

      echo "…" | coconut ask --model models/prosqa --json -

      coconut ask --model FOLDER --feedback mixture:temperature=0.6,top_k=30 --until-entropy 0.1 "…"
    """
    choice = options.model_choice(source, placement, untrained, passes)
    if interventions.do == ["help"]:
        _print_forms()
        return
    if remote.server is not None:
        from coconut_core.cli.remote import ask_remotely

        ask_remotely(remote.server, remote.token, context)
        return
    _check(thoughts, top_k, sampling)
    _check_question((question, input_file, example), shown, interventions, sampling)
    stop = ending.rule()
    choice = choice.resolved(options.report)
    if input_file is not None:
        answer_file(input_file, choice, thoughts, sampling.settings(stop))
        return
    commands = _read_interventions(interventions.do or [])
    text = sys.stdin.read() if question == "-" else question
    began = time.perf_counter()
    opened = options.open_model(choice, thoughts)
    loaded = time.perf_counter()
    seeds = [seed_behind(sampling.seed, number) for number in range(sampling.samples)]
    run, problem = _start(opened, text, example, thoughts, sampling.settings(stop))
    answers = _answer(run, problem, seeds, commands, interventions.data)
    if shown.explain:
        answers = [replace(answer, explained=_explain(answer.run, choice.source)) for answer in answers]
    timings = {"load_seconds": loaded - began, "answer_seconds": time.perf_counter() - loaded}
    _print(answers, shown, choice.source, top_k, timings)
    tell_cut_off([(answer.run.stopped_by, answer.run.text) for answer in answers], sampling.max_new_tokens)


def _print(
    answers: "list[_Answered]", shown: _Shown, source: str, top_k: int, timings: dict[str, float]
) -> None:
    if shown.as_json:
        timings = {name: round(seconds, 4) for name, seconds in timings.items()}
        say_record([(answer.run.seed, _record(answer, source, top_k, timings)) for answer in answers])
        return
    for answer in answers:
        if shown.trace:
            say_seed(answer.run.seed, len(answers))
            _print_trace(answer, source, top_k)
            continue
        say(answer.answer)
        _tell_explained(answer)
        if answer.before is not None:
            say(f"note: without {answer.done} it says: {answer.before}", err=True)
    count_answers([answer.answer for answer in answers], [answer.run.seed for answer in answers])


@dataclass(frozen=True)
class _Answered:
    """A finished run, and where something was done to its thoughts, what and the answer without it."""

    run: "Session"
    problem: "Problem | None"
    done: str = ""
    before: str | None = None
    explained: "list[Explanation] | None" = None  # None: not asked for

    @property
    def answer(self) -> str:
        return answer_of(self.run.text, self.run.model.config.answer_prefix)


def _check(thoughts: int | None, top_k: int, sampling: _Sampling) -> None:
    from coconut_core.latent.config import check_thoughts
    from coconut_core.latent.readout import check_top_k
    from coconut_core.runs.decoding import check_temperature

    check_temperature(sampling.temperature)
    check_top_k(top_k)
    if thoughts is not None:
        check_thoughts(thoughts)
    if sampling.max_new_tokens < 1:
        raise CoconutError(f"max-new-tokens must be 1 or more, not {sampling.max_new_tokens}")
    check_samples(sampling.samples, sampling.temperature)


def _check_question(
    origins: Sequence[object], shown: _Shown, interventions: _Interventions, sampling: _Sampling
) -> None:
    """origins: the question's text, the file of questions, the number of an example; None where absent."""
    if sum(origin is not None for origin in origins) != 1:
        raise CoconutError("give one question: as text, as - (stdin), with --example N or with --input FILE")
    if (interventions.do or shown.explain or sampling.samples > 1) and origins[1] is not None:
        option = "--do" if interventions.do else "--explain" if shown.explain else "--samples"
        raise CoconutError(f"{option} works on one question: give it as text, as - or with --example N")


def _start(
    model: "CoconutModel", text: str | None, example: int | None, thoughts: int | None, settings: dict[str, Any]
) -> "tuple[Session, Problem | None]":
    """A run that has read its question, given as text or as the number of an example, and its problem."""
    from coconut_core.problems import example_problem, recognise, trained_size

    config = model.config
    size = trained_size(config.family, config.recipe)
    problem = recognise(text or "") if example is None else example_problem(config.family, example, size)
    question = problem.question if text is None and problem else text or ""
    return model.start(question, thoughts, **settings), problem


def _answer(
    run: "Session",
    problem: "Problem | None",
    seeds: list[int],
    commands: "list[Command]",
    data: Path | None,
) -> "list[_Answered]":
    """Answer the question of a run with each seed; it is read once."""
    plain = [run.fork(seed) for seed in seeds]
    for fork in plain:
        fork.finish()
    if not commands:
        return [_Answered(fork, problem) for fork in plain]
    plan = _bind(commands, run, problem, data)
    for note in plan.notes:
        say(f"note: {note}", err=True)
    run.apply(plan)
    answers = []
    for unchanged in plain:
        changed = run.fork(unchanged.seed)
        changed.finish()
        before = answer_of(unchanged.text, run.model.config.answer_prefix)
        answers.append(_Answered(changed, problem, str(plan), before))
    return answers


def _traced(answer: _Answered, source: str, top_k: int) -> "Trace":
    from coconut_core.evaluation.verdict import usage_line
    from coconut_core.records.untrained import untrained_usage
    from coconut_core.runs.recording import trace_session

    trace = trace_session(answer.run, top_k, answer.problem)
    config = answer.run.model.config
    trace.settings["verdict"] = (
        usage_line(source) if config.trained else untrained_usage(config.feedback, answer.run.thoughts)
    )
    return trace


def _record(answer: _Answered, source: str, top_k: int, timings: dict[str, float]) -> dict[str, Any]:
    from coconut_core.records.answer_record import answer_record

    record = answer_record(_traced(answer, source, top_k), timings, answer.done, answer.before)
    if answer.explained is not None:
        record["explained"] = [
            {"first": part.first, "last": part.last, "text": part.text} for part in answer.explained
        ]
    return record


def _print_trace(answer: _Answered, source: str, top_k: int) -> None:
    """Print the trace."""
    from coconut_core.terminal.show import print_trace, say_conclusion

    trace = _traced(answer, source, top_k)
    print_trace(trace)
    _tell_explained(answer)
    if answer.before is not None:
        say(f"without {answer.done}: {answer.before}")
    say_conclusion(trace)


def _explain(run: "Session", source: str) -> "list[Explanation]":
    """What the explainer of the checkpoint reads in the thoughts of the first latent segment."""
    from coconut_core.checkpoints.explainer import explain_steps, open_explainer

    thoughts = [step.hidden for step in run.thought_steps() if step.segment == 0]
    return explain_steps(open_explainer(run.model, source), run.model, thoughts)


def _tell_explained(answer: _Answered) -> None:
    """Print the explanations; the model does not read them."""
    for part in answer.explained or []:
        which = f"thought {part.first}" if part.first == part.last else f"thoughts {part.first}-{part.last}"
        say(f"{which}, as the decoder beside the model reads them: {part.text}")


def _print_forms() -> None:
    from coconut_core.evaluation.ablations import CONTROLS
    from coconut_core.interventions.text import FORMS

    width = max(len(form.usage) for form in FORMS)
    for form in FORMS:
        say(f"{form.usage:<{width}}  {form.description}; such as {form.example}")
    say("THOUGHTS: 2, 1,3, 2-4 or all. Several interventions: zero@1; scale 2@3\n\nThe controls are:")
    for control in CONTROLS.values():
        say(f"{control.text:<{width}}  {control.name}: {control.description}")


def _read_interventions(texts: list[str]) -> "list[Command]":
    """What --do says; misspelt words are found before a model is loaded."""
    if not texts:
        return []
    from coconut_core.interventions.text import read_commands

    return [command for text in texts for command in read_commands(text)]


def _bind(commands: "list[Command]", run: "Session", problem: "Problem | None", data: Path | None) -> "Plan":
    from coconut_core.interventions.donors import Sources
    from coconut_core.interventions.text import bind
    from coconut_core.problems import read_problems

    others = None if data is None else read_problems(data)
    return bind(commands, Sources(run.model, run.question, problem, others, run.thoughts, run.seed))


def answer_of(text: str, answer_prefix: str) -> str:
    """The answer within what was said; all of it where the model reasoned in words without concluding."""
    from coconut_core.records.answers import final_answer

    return final_answer(text, answer_prefix)
