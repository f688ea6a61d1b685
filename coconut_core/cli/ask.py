"""coconut ask: one question, or a file of them."""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.cli.ask_file import answer_file
from coconut_core.cli.cut_off import tell_cut_off
from coconut_core.cli.samples import count_answers, say_record, say_seed
from coconut_core.common.errors import CoconutError
from coconut_core.common.seeds import check_samples, seed_behind
from coconut_core.model_choice import ModelChoice
from coconut_core.records.answer_record import answer_record
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.checkpoints.explainer import Explanation
    from coconut_core.coconut import CoconutModel
    from coconut_core.interventions import Plan
    from coconut_core.interventions.text import Command
    from coconut_core.problems.base import Problem
    from coconut_core.records.trace import Trace
    from coconut_core.runs.session import Session


@options.opens_model(question=options.SOURCE, thoughts=["passes"], samples=options.PLACE + options.HOW)
def ask(
    choice: ModelChoice,
    context: typer.Context,
    question: Annotated[str | None, typer.Argument(help="The question, or - to read it from stdin.")] = None,
    thoughts: options.Thoughts = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show every thought's top tokens as bars.")] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Also what the decoder of a SIM-CoT checkpoint reads in the thoughts."),
    ] = False,
    as_json: options.Json = False,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="Answer a JSONL file, - for stdin; one JSON line out per line in.",
            callback=options.expanded,
        ),
    ] = None,
    example: Annotated[
        int | None, typer.Option(help="Ask example question number N of the model's problem family.")
    ] = None,
    do: Annotated[
        list[str] | None,
        typer.Option(
            "--do",
            help="Change thoughts first: zero@2, 'steer rompus 4@1', 'replace twin@all'; several in order. "
            "--do help lists what there is.",
            metavar="TEXT",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help="Problems to take donors and means from, for --do.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="Tokens shown of each thought.")] = 5,
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 64,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest word, more samples.")] = 0.0,
    seed: Annotated[int, options.seed("Seed of the sampling.")] = 0,
    samples: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Draw N answers, with the seeds --seed, --seed + 1, …; needs --temperature."
        ),
    ] = 1,
    until_entropy: options.UntilEntropy = None,
    entropy_steps: options.EntropySteps = 1,
    server: Annotated[
        str | None,
        typer.Option(help="Ask a running `coconut serve` instead of loading a model.", metavar="URL"),
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="COCONUT_TOKEN", help="The token of that server.")] = None,
) -> None:
    """Ask a model; prints the answer and nothing else.

    Examples:

      coconut ask --model models/prosqa --example 1 --trace

      coconut ask --model models/prosqa --example 1 --do "replace twin@all" --json

      echo "…" | coconut ask --model models/prosqa --json -

      coconut ask --model FOLDER --feedback mixture:temperature=0.6,top_k=30 --until-entropy 0.1 "…"
    """
    if do == ["help"]:
        _print_forms()
        return
    if server is not None:
        from coconut_core.cli.remote import ask_remotely

        ask_remotely(server, token, context)
        return
    _check(thoughts, top_k, max_new_tokens, temperature)
    check_samples(samples, temperature)
    if sum(source is not None for source in (question, input_file, example)) != 1:
        raise CoconutError("give one question: as text, as - (stdin), with --example N or with --input FILE")
    if (do or explain or samples > 1) and input_file is not None:
        named = "--do" if do else "--explain" if explain else "--samples"
        raise CoconutError(f"{named} works on one question: give it as text, as - or with --example N")
    stop = options.entropy_rule(until_entropy, entropy_steps)
    choice = choice.resolved(options.report)
    sampling = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed, "stop": stop}

    if input_file is not None:
        answer_file(input_file, choice, thoughts, sampling)
        return
    commands = _read_interventions(do or [])
    text = sys.stdin.read() if question == "-" else question
    began = time.perf_counter()
    opened = options.open_model(choice, thoughts)
    loaded = time.perf_counter()
    seeds = [seed_behind(seed, number) for number in range(samples)]
    drawn = _run(opened, text, example, thoughts, sampling, seeds, commands, data)
    if explain:
        drawn = [replace(asked, explained=_explain(asked.run, choice.source)) for asked in drawn]
    timings = {
        "load_seconds": round(loaded - began, 4),
        "answer_seconds": round(time.perf_counter() - loaded, 4),
    }
    if as_json:
        say_record([(asked.run.seed, _record(asked, choice.source, top_k, timings)) for asked in drawn])
    for asked in () if as_json else drawn:
        if trace:
            say_seed(asked.run.seed, samples)
            _tell(asked, choice.source, top_k)
            continue
        say(asked.answer)
        _tell_explained(asked)
        if asked.before is not None:
            say(f"note: without {asked.done} it says: {asked.before}", err=True)
    if not as_json:
        count_answers([asked.answer for asked in drawn], seeds)
    tell_cut_off([(asked.run.stopped_by, asked.run.text) for asked in drawn], max_new_tokens)


@dataclass(frozen=True)
class _Asked:
    """A finished run, and where something was done to its thoughts, what and the answer without it."""

    run: "Session"
    problem: "Problem | None"
    done: str = ""
    before: str | None = None
    explained: "list[Explanation] | None" = None  # None: not asked for

    @property
    def answer(self) -> str:
        return answer_of(self.run.text, self.run.model.config.answer_prefix)


def _check(thoughts: int | None, top_k: int, max_new_tokens: int, temperature: float) -> None:
    from coconut_core.latent.config import check_thoughts
    from coconut_core.latent.readout import check_top_k
    from coconut_core.runs.decoding import check_temperature

    check_temperature(temperature)
    check_top_k(top_k)
    if thoughts is not None:
        check_thoughts(thoughts)
    if max_new_tokens < 1:
        raise CoconutError(f"max-new-tokens must be 1 or more, not {max_new_tokens}")


def _run(
    model: "CoconutModel",
    text: str | None,
    example: int | None,
    thoughts: int | None,
    sampling: dict[str, Any],
    seeds: list[int],
    commands: "list[Command]",
    data: Path | None,
) -> list[_Asked]:
    """Answer a question, given as text or as the number of an example, with each seed; it is read once."""
    from coconut_core.problems import example_problem, recognise, trained_size

    config = model.config
    size = trained_size(config.family, config.recipe)
    problem = recognise(text or "") if example is None else example_problem(config.family, example, size)
    run = model.start(problem.question if text is None and problem else text or "", thoughts, **sampling)
    plain = [run.fork(seed) for seed in seeds]
    for each in plain:
        each.finish()
    if not commands:
        return [_Asked(each, problem) for each in plain]
    plan = _bind(commands, run, problem, data, sampling["seed"])
    for note in plan.notes:
        say(f"note: {note}", err=True)
    run.apply(plan)
    drawn = []
    for left_alone in plain:
        changed = run.fork(left_alone.seed)
        changed.finish()
        before = answer_of(left_alone.text, model.config.answer_prefix)
        drawn.append(_Asked(changed, problem, str(plan), before))
    return drawn


def _traced(asked: _Asked, source: str, top_k: int) -> "Trace":
    from coconut_core.evaluation.verdict import usage_line
    from coconut_core.records.untrained import untrained_usage
    from coconut_core.runs.recording import trace_session

    seen = trace_session(asked.run, top_k, asked.problem)
    config = asked.run.model.config
    seen.settings["verdict"] = (
        usage_line(source) if config.trained else untrained_usage(config.feedback, asked.run.thoughts)
    )
    return seen


def _record(asked: _Asked, source: str, top_k: int, timings: dict[str, float]) -> dict[str, Any]:
    record = answer_record(_traced(asked, source, top_k), timings, asked.done, asked.before)
    if asked.explained is not None:
        record["explained"] = [
            {"first": each.first, "last": each.last, "text": each.text} for each in asked.explained
        ]
    return record


def _tell(asked: _Asked, source: str, top_k: int) -> None:
    """Print the trace."""
    from coconut_core.terminal.show import print_trace, say_conclusion

    seen = _traced(asked, source, top_k)
    print_trace(seen)
    _tell_explained(asked)
    if asked.before is not None:
        say(f"without {asked.done}: {asked.before}")
    say_conclusion(seen)


def _explain(run: "Session", source: str) -> "list[Explanation]":
    """What the explainer of the checkpoint reads in the thoughts of the first latent segment."""
    from coconut_core.checkpoints.explainer import explain_steps, open_explainer

    thoughts = [step.hidden for step in run.thought_steps() if step.segment == 0]
    return explain_steps(open_explainer(run.model, source), run.model, thoughts)


def _tell_explained(asked: _Asked) -> None:
    """Print the explanations; the model does not read them."""
    for each in asked.explained or []:
        which = f"thought {each.first}" if each.first == each.last else f"thoughts {each.first}-{each.last}"
        say(f"{which}, as the decoder beside the model reads them: {each.text}")


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


def _bind(
    commands: "list[Command]", run: "Session", problem: "Problem | None", data: Path | None, seed: int
) -> "Plan":
    from coconut_core.interventions.donors import Sources
    from coconut_core.interventions.text import bind
    from coconut_core.problems import read_problems

    others = None if data is None else read_problems(data)
    return bind(commands, Sources(run.model, run.question, problem, others, run.thoughts, seed))


def answer_of(text: str, answer_prefix: str) -> str:
    """The answer within what was said; all of it where the model reasoned in words without concluding."""
    from coconut_core.records.answers import final_answer

    return final_answer(text, answer_prefix)
