"""What evaluations say of a model's circuits, against the same numbers worked out in loops, row by row."""

import json
import re
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.analysis.graphs import controls
from coconut_core.coconut import CoconutModel
from coconut_core.problems import Graph, Problem, write_problems
from coconut_core.problems.prosqa import CONCEPTS
from coconut_core.training.curriculum import ALL, Stage
from coconut_core.training.diagnosis import Diagnosis, Reading, shortcut_loss, summary
from coconut_core.training.encoding import Encoder
from coconut_core.training.metrics import read_metrics, row_of, scalars
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model
from coconut_core.training.validation import Validation
from tests.core.reference import logits_of_row
from tests.core.tiny_recipes import (
    Died,
    assert_same_weights,
    run_logged,
    sums_file,
    timeless,
    tiny_gpt2,
    tiny_recipe,
    train,
)

# Means over a few problems, rounded to four digits; log-probabilities of up to 8 in float32 stay below that.
ROUNDED: dict[str, Any] = {"rel": 0.0, "abs": 6e-5}
Numbers = dict[str, Any]


def validation_of(folder: Path, **changes: Any) -> tuple[CoconutModel, Validation]:
    """A model with random weights in float64, and its held-out problems."""
    recipe = tiny_recipe(evaluation_problems=5, **changes)
    model = build_model(recipe).double().eval()
    run = RunFolder(folder)
    run.create()
    curriculum = recipe.curriculum
    encoder = Encoder(
        model.tokenizer,
        model.config,
        recipe.step_style,
        recipe.label_thoughts,
        curriculum.thoughts_per_step,
        curriculum.pad_to_longest,
    )
    return model, Validation(recipe, model, encoder, run)


def walks(graph: Graph, hops: int) -> set[str]:
    """Names of the nodes at which walks of so many hops from the root end: every walk is taken."""
    ends = [graph.root]
    for _ in range(hops):
        ends = [target for end in ends for source, target in graph.edges if source == end]
    return {graph.names[end] for end in ends}


def inner_names(problem: Problem) -> set[str]:
    """Of a question's text, the names told of at both ends of a sentence that are no candidates."""
    *told, asked = re.split(r"(?<=\.) ", problem.question)
    ends = [re.fullmatch(r"(?:Every )?(\w+) is a (\w+)\.", sentence) for sentence in told]
    pairs = [each.groups() for each in ends if each is not None]
    assert len(pairs) == len(told)
    candidates = re.findall(r"(\w+) or (\w+)\?", asked)[0]
    return {source for source, _ in pairs} & {target for _, target in pairs} - set(candidates)


def expected(
    model: CoconutModel, problems: list[Problem], thoughts: int, gone: int, hops_of_first: int
) -> Numbers:
    """The record of an evaluation of chains, each problem alone and without a cache."""
    dealt = controls([each.graph for each in problems if each.graph is not None], 0)
    by_hops: dict[str, list[Numbers]] = {}
    shares: dict[str, list[tuple[float, float]]] = {}
    for problem, control in zip(problems, dealt, strict=True):
        graph = problem.graph
        assert graph is not None
        bot, eot, latent = model.config.bot_id, model.config.eot_id, model.config.latent_id
        question = model.tokenizer.encode(problem.question + "\n")
        row = [*question, bot, *[latent] * thoughts, eot]
        with torch.no_grad():
            told = torch.softmax(logits_of_row(model, row), dim=-1)[len(question) :]

        def mass(place: int, names: set[str], told: torch.Tensor = told) -> float:
            return sum(float(told[place, model.tokenizer.encode(f" {name}")[0]]) for name in names)

        for place in range(thoughts):
            if real := walks(graph, place + hops_of_first):
                by_chance = mass(place, walks(control, place + hops_of_first))
                shares.setdefault(str(place + 1), []).append((mass(place, real), by_chance))
        chain = [graph.names[graph.root]] * (1 - hops_of_first) + [
            step.rstrip(".").split()[-1] for step in problem.steps
        ]
        if gone >= len(chain):
            continue
        frontier = walks(graph, gone + hops_of_first)
        if gone + hops_of_first == 0:
            shortcut = 0.0
        else:
            shortcut = log(2) if gone + 1 == len(chain) else log(len(inner_names(problem)))
        by_hops.setdefault(str(len(problem.steps)), []).append({
            "loss_at_thought": -log(mass(thoughts, {chain[gone]})),
            "loss_at_eot": -log(mass(thoughts + 1, {chain[gone]})),
            "frontier_at_thought": mass(thoughts, frontier),
            "frontier_at_eot": mass(thoughts + 1, frontier),
            "shortcut": shortcut,
            "search": log(len(frontier)),
        })  # fmt: skip
    every = [each for rows in by_hops.values() for each in rows]
    return {
        **({"n": len(every), **mean(every)} if every else {}),
        **({"by_hops": {hops: mean(rows) for hops, rows in by_hops.items()}} if every else {}),
        "frontier": {
            place: {
                "share": sum(share for share, _ in pairs) / len(pairs),
                "chance": sum(chance for _, chance in pairs) / len(pairs),
                "n": len(pairs),
            }
            for place, pairs in shares.items()
        },
    }  # fmt: skip


def mean(rows: list[Numbers]) -> Numbers:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def assert_equal(seen: Numbers, wanted: Numbers) -> None:
    """The same names, and the same numbers up to rounding."""
    seen = {"frontier": {}, **seen}
    assert scalars(seen).keys() == scalars(wanted).keys()
    for name, number in scalars(wanted).items():
        assert scalars(seen)[name] == pytest.approx(number, **ROUNDED), name
    assert seen.get("n") == wanted.get("n")
    assert {name: each["n"] for name, each in seen["frontier"].items()} == {
        name: each["n"] for name, each in wanted["frontier"].items()
    }


@pytest.mark.parametrize(("style", "hops_of_first"), [("chain", 0), ("nodes", 1)])
@pytest.mark.parametrize("gone", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("labels", ["no", "frontier"])
def test_a_diagnosis_is_what_loops_over_single_rows_give(
    style: str, hops_of_first: int, gone: int, labels: str, tmp_path: Path
) -> None:
    model, validation = validation_of(tmp_path, step_style=style, label_thoughts=labels)
    stage = Stage(1, removed=gone, thoughts=gone)
    seen = validation.row(model, stage)["evaluation"]["diagnosis"]
    assert {len(problem.steps) for problem in validation.problems} == {3, 4}
    assert_equal(seen, expected(model, validation.problems, gone, gone, hops_of_first))


def test_the_loss_stays_what_training_has(tmp_path: Path) -> None:
    """The diagnosis reads states that the loss does not need; it must not change the loss."""
    model, validation = validation_of(tmp_path, label_thoughts="frontier")
    for stage in (Stage(1), Stage(1, removed=2, thoughts=2)):
        total, count = 0.0, 0
        for problem in validation.problems:
            example = validation.encoder.encode(validation.encoder.tokenize(problem), stage)
            wide = max(len(label) if isinstance(label, tuple) else 1 for label in example.labels)
            several = [each if isinstance(each, tuple) else (each,) for each in example.labels]
            labels = [[*each, *[-100] * (wide - len(each))] for each in several]
            with torch.no_grad():
                output = model(torch.tensor([example.ids]), labels=torch.tensor([labels]))
            assert output.label_losses is not None
            total, count = total + float(output.label_losses.sum()), count + len(output.label_losses)
        assert validation.row(model, stage)["evaluation"]["loss"] == pytest.approx(total / count, **ROUNDED)


def test_the_loss_is_in_the_number_format_of_training(tmp_path: Path) -> None:
    model, validation = validation_of(tmp_path, precision="bf16")
    model, stage = model.float(), Stage(1, removed=2, thoughts=2)
    del validation.problems[1:], validation._tokenized[1:]
    example = validation.encoder.encode(validation.encoder.tokenize(validation.problems[0]), stage)
    losses = []
    for reduced in (True, False):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            output = model(torch.tensor([example.ids]), labels=torch.tensor([example.labels]))
        assert output.loss is not None
        losses.append(float(output.loss))
    seen = validation.row(model, stage)["evaluation"]["loss"]
    assert seen == pytest.approx(losses[0], **ROUNDED)
    assert seen != pytest.approx(losses[1], **ROUNDED)


def test_several_thoughts_a_step_stand_for_the_same_hops(tmp_path: Path) -> None:
    model, validation = validation_of(tmp_path, curriculum={"thoughts_per_step": 2})
    seen = validation.row(model, Stage(1, removed=2, thoughts=4))["evaluation"]["diagnosis"]
    one = expected(model, validation.problems, 4, 2, 0)
    for name in ("loss_at_thought", "loss_at_eot", "frontier_at_eot", "shortcut", "search"):
        assert seen[name] == pytest.approx(one[name], **ROUNDED)
    assert seen["frontier"]["1"] == pytest.approx(one["frontier"]["1"], **ROUNDED)  # the root, at no hop
    assert seen["frontier"]["2"] != pytest.approx(one["frontier"]["2"], **ROUNDED)  # the root once more


def test_short_problems_with_fewer_thoughts_are_read_behind_their_own(tmp_path: Path) -> None:
    model, validation = validation_of(tmp_path, curriculum={"pad_to_longest": False})
    seen = validation.row(model, Stage(1, removed=ALL, thoughts=5))["evaluation"]["diagnosis"]
    assert "n" not in seen, "no step is left in words"
    counts = {4: 0, 5: 0}
    for problem in validation.problems:
        counts[len(problem.steps) + 1] += 1
    assert all(counts.values())
    assert seen["frontier"]["4"]["n"] == 5
    assert seen["frontier"]["5"]["n"] == counts[5]


def test_without_eot_the_thought_alone_is_read(tmp_path: Path) -> None:
    model, validation = validation_of(tmp_path)
    stage = Stage(1, removed=1, thoughts=1)
    before = validation.row(model, stage)["evaluation"]["diagnosis"]
    model.config = replace(model.config, eot_id=None)
    encoder = replace(validation.encoder, config=model.config)
    tokenized = [encoder.tokenize(problem) for problem in validation.problems]
    diagnosis = Diagnosis(validation.problems, tokenized, encoder)
    readings: list[Reading] = []
    for number, problem in enumerate(tokenized):
        with torch.no_grad():
            context = model.start_context(torch.tensor([problem.prompt]))
            states = [context.hidden, model.latent_step(context)]
        readings += diagnosis.read(model, torch.stack(states, dim=1), [number], stage)
    seen = summary(readings)
    assert not [name for name in scalars(seen) if "eot" in name]
    assert seen["loss_at_thought"] == pytest.approx(before["loss_at_thought"], **ROUNDED)
    assert seen["frontier"] == {"1": pytest.approx(before["frontier"]["1"], **ROUNDED)}


def test_problems_without_a_graph_have_losses_only(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        step_style="sentence", evaluate_every=4, model={"base": str(tiny_gpt2(tmp_path / "gpt2"))},
        curriculum={"lookup": 0, "first": 2, "per_stage": 2, "stages": 1, "total": 4},
        data={"train": str(sums_file(tmp_path, 8)), "validation": str(sums_file(tmp_path, 3, seed=1))},
    )  # fmt: skip
    seen = train(recipe, tmp_path / "run")[-1]["evaluation"]["diagnosis"]
    assert seen.keys() == {"n", "loss_at_thought", "loss_at_eot", "by_hops"}
    assert seen["by_hops"] == {"2": {name: seen[name] for name in ("loss_at_thought", "loss_at_eot")}}


def test_sentences_and_names_of_several_tokens_have_no_more_than_can_be_read(tmp_path: Path) -> None:
    """The next sentence begins with a word that names no node; GPT-2 has several tokens for a name."""
    model, validation = validation_of(tmp_path / "words", step_style="sentence")
    seen = validation.row(model, Stage(1, removed=1, thoughts=1))["evaluation"]["diagnosis"]
    assert seen.keys() == {"n", "loss_at_thought", "loss_at_eot", "by_hops", "frontier"}
    valid = tmp_path / "valid.json"
    write_problems(valid, validation.problems)
    model, validation = validation_of(
        tmp_path / "pieces", step_style="chain", model={"base": str(tiny_gpt2(tmp_path / "gpt2"))},
        curriculum={"lookup": 0}, data={"train": str(valid), "validation": str(valid)},
    )  # fmt: skip
    seen = validation.row(model, Stage(1, removed=1, thoughts=1))["evaluation"]["diagnosis"]
    assert seen.keys() == {"n", "loss_at_thought", "loss_at_eot", "by_hops"}


def test_of_prontoqa_the_kinds_are_searched(tmp_path: Path) -> None:
    """What is said of a kind, as "not red", is no place of the search, and may have several tokens."""
    model, validation = validation_of(
        tmp_path, data={"family": "prontoqa", "nodes": [14, 20], "hops": [3, 4]}, curriculum={"lookup": 0}
    )
    seen = validation.row(model, Stage(1, removed=2, thoughts=2))["evaluation"]["diagnosis"]
    assert "shortcut" not in seen, "there are no two candidates"
    shares = []
    for problem in validation.problems:
        assert problem.graph is not None
        with torch.no_grad():
            row = logits_of_row(model, [*validation.encoder.prompt(problem), model.config.latent_id])
        told = torch.softmax(row[-1], dim=-1)  # of what thought 1 leads to, which is fed as thought 2
        kinds = walks(problem.graph, 1) & set(CONCEPTS)
        shares.append(sum(float(told[model.token_id(f" {name}")]) for name in kinds))
    assert seen["frontier"]["2"]["share"] == pytest.approx(sum(shares) / len(shares), **ROUNDED)


def test_the_shortcut_of_a_known_graph() -> None:
    # a -> b -> c -> d (target), a -> e -> c, f -> g -> h (wrong); b, c, e and g have a parent and a child
    edges = ((0, 1), (1, 2), (2, 3), (0, 4), (4, 2), (5, 6), (6, 7))
    graph = Graph(tuple("abcdefgh"), edges, root=0, target=3, wrong=7)
    assert shortcut_loss(graph, 0, last=False) == 0.0
    assert shortcut_loss(graph, 1, last=False) == shortcut_loss(graph, 2, last=False) == log(4)
    assert shortcut_loss(graph, 3, last=True) == log(2)


def test_what_is_not_finite_or_not_there_is_left_out() -> None:
    nan = float("nan")
    readings = [
        Reading(
            3, {"loss_at_thought": nan, "loss_at_eot": 1.0, "search": 0.5}, ({"share": 0.5, "chance": nan}, {})
        ),
        Reading(4, {"loss_at_thought": 1.0, "loss_at_eot": 2.0}, ({},)),
        Reading(5, {}, ({"share": 0.25, "chance": 0.25}, {})),
    ]
    seen = summary(readings)
    assert seen == {
        "n": 2,
        "loss_at_eot": 1.5,
        "by_hops": {
            "3": {"loss_at_eot": 1.0, "search": 0.5},
            "4": {"loss_at_thought": 1.0, "loss_at_eot": 2.0},
        },
        "frontier": {"1": {"share": 0.375, "n": 2}},
    }
    assert row_of(json.dumps({"step": 1, "evaluation": {"diagnosis": seen}}).encode()) is not None
    assert summary([]) == summary([Reading(3, {}, ())]) == {}


def test_nothing_of_it_is_trained_on(tmp_path: Path) -> None:
    for name, period in (("often", 1), ("once", 9)):
        train(tiny_recipe(evaluate_every=period, checkpoint_every=9, evaluation_problems=1), tmp_path / name)
    assert_same_weights(tmp_path / "often", tmp_path / "once")


def test_a_resumed_run_says_the_same_of_its_circuits(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    whole = run_logged(recipe, tmp_path / "whole")
    with pytest.raises(Died):
        run_logged(recipe, tmp_path / "parts", 2)  # behind the evaluation of step 6, whose step is not saved
    assert "diagnosis" in read_metrics(tmp_path / "parts" / "metrics.jsonl")[-1]["evaluation"]
    assert timeless(run_logged(recipe, tmp_path / "parts")) == timeless(whole)
