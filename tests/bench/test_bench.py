"""The benchmarks on tiny shapes: every way gives the same numbers, and a difference is not passed over."""

import json
from dataclasses import replace

import pytest

from bench import ask, atlas, compiling, controls, evaluation, grid, lens, step, train
from bench.__main__ import BENCHMARKS, bench, run
from bench.measure import Comparison, Way, take_turns
from bench.naive import loss_of, loss_of_words, read_again, read_official
from bench.shapes import SHAPES, random_batch
from coconut_core.common.errors import CoconutError
from coconut_core.latent.losses import IGNORE
from tests.core.reference import loss_of_rows

TINY = ["tiny-gpt2", "tiny-llama"]


@pytest.mark.parametrize("name", TINY)
def test_the_plain_ways_give_the_loss_of_the_reference(name: str) -> None:
    shape = replace(SHAPES[name], batch=2)
    model = shape.build()
    batch = random_batch(shape, model)
    rows = []
    for ids, mask, labels in zip(batch.input_ids, batch.attention_mask, batch.labels, strict=True):
        rows.append((ids[mask == 1].tolist(), labels[mask == 1].tolist()))
    expected, _ = loss_of_rows(model, rows)
    for read in (read_again, read_official):
        loss = loss_of(read, model, batch.input_ids, batch.attention_mask, batch.labels)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_a_step_without_thoughts_has_the_loss_of_the_library(name: str) -> None:
    shape = replace(SHAPES[name], batch=2)
    model = shape.build()
    batch = random_batch(shape, model)
    positions = (batch.attention_mask.cumsum(dim=1) - 1).clamp(min=0)
    expected = model.base_lm(
        batch.input_ids, attention_mask=batch.attention_mask, position_ids=positions, labels=batch.labels
    ).loss
    loss = loss_of_words(model, batch.input_ids, batch.attention_mask, batch.labels)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_batches_have_padding_thoughts_and_labels(name: str) -> None:
    shape = SHAPES[name]
    model = shape.build()
    batch = random_batch(shape, model)
    latent = batch.input_ids == model.config.latent_id
    assert latent.sum(dim=1).tolist() == [shape.thoughts] * shape.batch
    assert latent.any(dim=0).sum() == shape.thoughts
    assert (batch.attention_mask == 0).any()
    assert ((batch.labels != IGNORE).sum(dim=1) >= shape.answer * 9 // 10).all()


def test_all_of_it_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    run([name for name in BENCHMARKS if name != "compile"], TINY, repetitions=2, as_json=True)
    results = json.loads(capsys.readouterr().out)["results"]
    found = [(result["benchmark"], result["shape"], result["against"]) for result in results]
    assert found == [
        *(
            ("train", shape, against)
            for shape in TINY
            for against in (train.AGAIN, train.OFFICIAL, train.WORDS)
        ),
        *(("step", shape, against) for shape in TINY for against in (*step.TARGETS, step.LIBRARY)),
        *(("ask", shape, ask.OFFICIAL) for shape in TINY),
        *(("eval", shape, ask.OFFICIAL) for shape in TINY),
        *(("controls", shape, controls.SEPARATELY) for shape in TINY),
        *(("grid", shape, grid.SEPARATELY) for shape in TINY),
        *(("lens", shape, lens.APART) for shape in TINY),
    ]
    for result in results:
        assert len(result["seconds"]) == len(result["seconds_against"]) == 2
        assert 0 < result["ratio"]["min"] <= result["ratio"]["median"] <= result["ratio"]["max"]


def test_a_compiled_thought_beside_a_plain_one() -> None:
    found = compiling.compare(SHAPES["tiny-llama"], repetitions=1, backend="eager")  # a compiler takes long
    assert [each.against for each in found] == ["1 row", "64 rows"]
    for each in found:
        assert f"{(1 if each.against == '1 row' else 64) * 16} numbers" in each.same


def test_an_atlas_beside_an_evaluation() -> None:
    found = atlas.compare(SHAPES["prosqa"], repetitions=1, count=8)
    assert [(each.shape, each.against) for each in found] == [
        ("atlas, 0 swaps", "coconut eval"),
        ("atlas, 1 swap", "coconut eval"),
    ]
    assert all(" of 8 right; " in each.same for each in found)


def test_the_table_names_the_numbers_that_were_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    run(["ask"], ["tiny-llama"], repetitions=1, as_json=False)
    shown = capsys.readouterr().out
    assert "ask        tiny-llama  official way" in shown
    assert "same 5 words" in shown
    assert "meets" not in shown


def test_a_difference_is_an_error() -> None:
    right = train.StepResult(1.0, 2.0)
    assert "loss 1.000000" in train.check_same(right, train.StepResult(1.00001, 2.0))
    for wrong in (
        train.StepResult(1.001, 2.0),
        train.StepResult(1.0, 2.001),
        train.StepResult(float("nan"), 2.0),
    ):
        with pytest.raises(AssertionError, match="not the same step"):
            train.check_same(right, wrong)
    assert "another loss" in train.check_same(right, train.StepResult(9.0, 9.0, thinks=False))
    for nothing in (float("nan"), 0.0):
        with pytest.raises(AssertionError, match="not a step"):
            train.check_same(right, train.StepResult(1.0, nothing, thinks=False))
    with pytest.raises(AssertionError, match="not the same words"):
        ask.check_same([1, 2], [1, 3])
    with pytest.raises(AssertionError, match="1 answers differ"):
        controls.check_same({("q", "none"): "a"}, {("q", "none"): "b"})


def test_turns_go_back_and_forth_and_every_result_is_compared() -> None:
    order: list[str] = []

    def way(name: str) -> Way[str]:
        return Way(name, lambda: order.append(name) or name)  # type: ignore[func-returns-value]

    seconds, same = take_turns([way("a"), way("b"), way("c")], 3, lambda ours, theirs: ours + theirs)
    assert "".join(order) == "abccbaabc"
    assert same == {"a": "aa", "b": "ab", "c": "ac"}
    assert [len(times) for times in seconds.values()] == [3, 3, 3]


@pytest.mark.parametrize(("theirs", "verdict"), [(3.1, "meets 3 ×"), (2.9, "falls short of 3 ×")])
def test_the_median_is_held_to_the_target(theirs: float, verdict: str) -> None:
    result = Comparison("train", "s", "a", "", [1, 1, 1], [1, theirs, 9], target=3.0)
    assert result.verdict == verdict
    assert result.to_json()["meets"] is verdict.startswith("meets")
    assert result.to_row()[-4:] == ["1.00", f"{theirs:.2f}", "9.00", verdict]
    assert replace(result, target=None).verdict == ""


@pytest.mark.parametrize(
    ("ours", "verdict"), [(1.09, "meets at most 1.1 ×"), (1.2, "falls short of at most 1.1 ×")]
)
def test_a_cost_is_the_other_way_round(ours: float, verdict: str) -> None:
    result = Comparison("step", "s", "a", "", [ours, ours, 9], [1, 1, 1], target=1.1, cost=True)
    assert result.verdict == verdict
    assert result.to_json()["ratio"] == pytest.approx({"min": ours, "median": ours, "max": 9})


def test_what_is_prepared_does_not_count() -> None:
    ways = [Way("a", lambda given: given + 1, lambda: sum(range(10**7))), Way("b", lambda: 49999995000001)]
    seconds, _ = take_turns(ways, 1, lambda ours, theirs: "" if ours == theirs else pytest.fail("differ"))
    assert seconds.keys() == {"a", "b"}


def test_answers_are_compared_up_to_where_ours_thinks_again() -> None:
    assert evaluation.check_same([[1, 2], [3, 9, 4]], [[3, 9, 5]], [1], bot=9) == "2 words of 1 answers"
    with pytest.raises(AssertionError, match="not the same answers"):
        evaluation.check_same([[1, 2], [3, 9, 4]], [[1, 3]], [0], bot=9)
    assert "2 likeliest" in step.check_same([1, 2], [1, 2])
    with pytest.raises(AssertionError, match="not the same tokens"):
        step.check_same([1], [2])


def test_names_that_are_not_there() -> None:
    with pytest.raises(CoconutError, match="no benchmark 'cook': name one of paint, graph, train, step, ask"):
        bench(["cook"])
    with pytest.raises(CoconutError, match="no shape 'cube'"):
        bench(["ask"], ["cube"])
