"""What is found out about a run: it changes nothing, and it is what then happens."""

import json
import math
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from coconut_core.cli.app import app
from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.ablations import ablations_of
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.latent.prompt import encode_text
from coconut_core.latent.readout import Readout
from coconut_core.problems import generate_problems
from coconut_core.records.answers import final_answer
from coconut_core.records.trace import TokenRecord
from coconut_core.runs.generate import generate
from coconut_tui.engine.readings import answer_all, compare, peek, preview, what_if
from coconut_tui.run.branches import Said
from coconut_tui.run.state import DecidingPlace, WhatIf
from coconut_tui.run.what_if import sweep_of
from tests.tui.benches import PROBLEM, brief_model, go_on, opened, same_numbers, to_the_end


@pytest.fixture(scope="module")
def model() -> CoconutModel:
    return brief_model()


def test_a_peek_is_what_the_run_would_say_and_changes_nothing(model: CoconutModel) -> None:
    bench = opened(model)
    bench.take(lambda run: len(run.moves) == 3, go_on)
    before = bench.view()
    peek(bench, 2, go_on)
    heard = bench.view().peeks[2]
    assert replace(bench.view(), peeks={}) == before
    bench.go_to_thought(2, go_on)
    bench.end_thinking()
    to_the_end(bench)
    assert bench.view().said == heard


def test_a_preview_is_what_the_edit_then_gives(model: CoconutModel) -> None:
    bench = opened(model)
    bench.take(lambda run: len(run.moves) == 2, go_on)
    before = bench.view()
    seen = preview(bench, "zero@1", 0, go_on)
    assert bench.view() == before
    assert seen is not None
    assert preview(bench, "zero@99", 0, go_on).error.endswith("the run takes 4")
    to_the_end(bench)
    assert bench.view().said == seen.said_before
    bench.undo()
    bench.edit("zero@1", 0, go_on)
    to_the_end(bench)
    assert bench.view().said == seen.said_after
    assert same_numbers(bench.view().steps[:4], list(seen.after))


@pytest.mark.parametrize("texts", [ablations_of(2), sweep_of("steer Alex -6..6/3", 2)])
def test_what_if_answers_are_those_of_sessions_with_the_same_plans(
    model: CoconutModel, texts: tuple[str, ...]
) -> None:
    bench = opened(model)
    bench.edit("scale 2@1", 0, go_on)  # stays in force in every row
    before = bench.view()
    tables: list[WhatIf] = []
    what_if(bench, "all", texts, go_on, tables.append)
    assert bench.view() == before
    assert tables[-1].complete
    usual = None
    for variant in tables[-1].variants:
        session = model.start(PROBLEM.question)
        sources = Sources(model, PROBLEM.question, PROBLEM)
        session.apply(parse_plan("scale 2@1", sources))
        if usual is not None:
            session.apply(parse_plan(variant.text, sources))
        session.finish()
        words = [step for step in session.steps if step.kind == "token"]
        answer = final_answer(session.text, "###")
        usual = answer if usual is None else usual
        assert variant.said is not None
        assert variant.said.text == session.text
        assert variant.changed is (answer != usual)
        session.rewind(len(session.steps) - len(words))
        for word in encode_text(model.tokenizer, tables[-1].place.behind):
            session.speak(word)
        expected = [session.next_readout.probability(model.token_id(name)) for name in ("jelpus", "worpus")]
        assert variant.probabilities == pytest.approx(expected, abs=1e-5)
        right, wrong = (session.next_readout.logits[model.token_id(name)] for name in ("jelpus", "worpus"))
        assert variant.logit_difference == pytest.approx(float(right - wrong), abs=1e-4)
    assert any(variant.changed for variant in tables[-1].variants)
    assert tables[-1].place == DecidingPlace("### Polly is a", ("jelpus", "worpus"), judged=True)


def test_what_if_is_stopped_while_its_rows_are_answered() -> None:
    bench = opened(CoconutModel.from_pretrained("models/prosqa-labelled"))
    tables: list[WhatIf] = []
    what_if(bench, "thought 1", ("nearest@1",), lambda: len(tables) > 1, tables.append)
    assert [variant.said is None for variant in tables[-1].variants] == [False, True]
    assert not tables[-1].complete


def test_what_if_compares_answers_and_reads_both_candidates_in_every_row() -> None:
    """One row speaks its chain in words: its answer is the same, and the numbers are of the same place."""
    bench = opened(CoconutModel.from_pretrained("models/prosqa-labelled"))
    tables: list[WhatIf] = []
    what_if(bench, "thought 1", ("nearest@1", "noise@1"), go_on, tables.append)
    usual, nearest, noise = tables[-1].variants
    assert len(nearest.said.text) > len(usual.said.text)
    shown = [[variant.said is not None for variant in table.variants] for table in tables]
    assert [True, False, False] in shown, "a row is there as soon as its answer has ended"
    assert nearest.said.answer == usual.said.answer == "Polly is a jelpus."
    assert (usual.aloud, nearest.aloud, nearest.changed, noise.changed) == (0, 6, False, True)
    assert tables[-1].place == DecidingPlace("### Polly is a", ("jelpus", "worpus"), judged=True)
    for row in (usual, nearest, noise):
        right, wrong = row.probabilities
        assert (right > wrong) is (row.said.answer == "Polly is a jelpus.")


def test_without_a_known_answer_what_was_said_stands_in_for_right_and_wrong(model: CoconutModel) -> None:
    bench = opened(model)
    bench.ask(PROBLEM.question, None, None, None)
    tables: list[WhatIf] = []
    what_if(bench, "all", ablations_of(2), go_on, tables.append)
    table = tables[-1]
    assert not table.place.judged
    own, other = table.place.words
    assert (
        f"{table.place.behind} {own}".split()[1:]
        == table.variants[0].said.answer.split()[: len(words_of(table))]
    )
    assert own != other
    assert all(len(row.probabilities) == 2 for row in table.variants if not row.error)
    what_if(bench, "one", ("scale 1@1",), go_on, tables.append)  # every row says the same
    assert len(tables[-1].place.words) == 1
    assert [len(row.probabilities) for row in tables[-1].variants] == [1, 1]


def words_of(table: WhatIf) -> list[str]:
    """The words of its answer up to the deciding one."""
    assert table.place is not None
    return f"{table.place.behind} {table.place.words[0]}".split()[1:]


def test_what_if_says_in_a_row_what_cannot_be_done(model: CoconutModel) -> None:
    bench = opened(model)
    bench.ask("Bob is a sterpus.", None, None, None)  # no question of any family, so that it has no twin
    tables: list[WhatIf] = []
    what_if(bench, "all", ablations_of(2), go_on, tables.append)
    rows = {variant.text: variant for variant in tables[-1].variants}
    assert "has no minimal twin" in rows["replace twin@2"].error
    assert rows["zero@2"].probabilities


def test_what_if_can_be_stopped(model: CoconutModel) -> None:
    bench = opened(model)
    tables: list[WhatIf] = []
    what_if(bench, "all", ablations_of(2), lambda: len(tables) >= 3, tables.append)
    assert not tables[-1].complete


def test_a_comparison_holds_the_divergence_and_cosine_of_each_thought(model: CoconutModel) -> None:
    bench = opened(model)
    bench.take(lambda run: len(run.moves) == 3, go_on)
    bench.edit("zero@2", 0, go_on)
    bench.take(lambda run: True, go_on)
    found = compare(bench, 1, 2)
    assert (found.first, found.second, found.shared) == ("main", "zero@2", 1)
    assert [step.thought for step in found.steps] == [1, 2, 3, 4]
    assert found.steps[0].divergence == pytest.approx(0, abs=1e-9)
    assert found.steps[0].cosine == pytest.approx(1, abs=1e-6)
    assert (found.steps[3].first, found.steps[3].divergence) == (None, None)
    mine, other = (
        Readout(model, bench.run_of(number).session.steps[1].hidden).probabilities.double() for number in (1, 2)
    )
    assert found.steps[1].divergence == pytest.approx(float((mine * (mine / other).log()).sum()), rel=1e-4)
    assert found.steps[1].rank_before(found.steps[1].first.top[3]) == 4
    assert found.steps[1].rank_before(TokenRecord("no such token", 0.5)) is None


def test_answering_many_problems_gives_the_verdicts_of_generate(model: CoconutModel) -> None:
    bench = opened(model)
    problems = dict(enumerate(generate_problems("prosqa", 20, seed=3), start=1))
    expected = generate(model, [problem.question for problem in problems.values()])
    answers = {number: final_answer(each.text, "###") for number, each in enumerate(expected, start=1)}
    known = next(number for number, answer in answers.items() if answer)
    right = {known: replace(problems[known], answer=answers[known])}
    said: dict[int, Said] = {}
    answer_all(bench, problems | right, go_on, said.update)
    assert {number: each.right for number, each in said.items()} == {
        number: number == known for number in problems
    }
    assert [each.text for each in said.values()] == [answer.text for answer in expected]


def test_no_step_keeps_a_vocabulary_of_numbers(model: CoconutModel) -> None:
    bench = opened(model)
    to_the_end(bench)
    assert bench.view().steps == bench.trace().steps
    assert not any({"logits", "probabilities"} & set(vars(step.readout)) for step in bench.run.session.steps)


def test_what_if_answers_and_its_change_are_those_of_coconut_ask() -> None:
    """Every row, those that speak their chain in words included: one meaning of answer, right and changed."""
    texts = ("zero@3", "nearest@1", "noise@1", "replace twin@4", "drop@2")
    bench = opened(CoconutModel.from_pretrained("models/prosqa"))
    tables: list[WhatIf] = []
    what_if(bench, "some", texts, go_on, tables.append)
    asked = []
    for text in texts:
        line = ["ask", "--model", "models/prosqa", "--example", "1", "--do", text, "--json"]
        asked.append(json.loads(CliRunner().invoke(app, line).stdout))
    rows = tables[-1].variants[1:]
    assert [(row.said.answer, row.said.right, row.changed) for row in rows] == [
        (record["answer"], record["right"], record["changed"]) for record in asked
    ]
    assert {row.changed for row in rows} == {True, False}


def test_the_grid_tells_thoughts_that_decide_from_those_that_do_not() -> None:
    """The bundled model on its first problem: the twin's first thought turns the answer, its sixth does not."""
    texts = [f"{name}@{thought}" for name in ("replace twin", "drop") for thought in (1, 6)]
    bench = opened(CoconutModel.from_pretrained("models/prosqa"))
    tables: list[WhatIf] = []
    what_if(bench, "every thought", texts, go_on, tables.append)
    table = tables[-1]
    assert [table.flip(each) for each in table.variants[1:]] == [False, None, None, None]
    shifts = [table.shift(each) for each in table.variants[1:]]
    first, sixth, without_first, without_sixth = [shift for shift in shifts if shift is not None]
    assert first < -8 < sixth
    assert abs(without_first) < 2
    assert abs(without_sixth) < 2
    for variant in table.variants:
        right, wrong = variant.probabilities
        assert variant.logit_difference == pytest.approx(math.log(right) - math.log(wrong), abs=1e-6)
