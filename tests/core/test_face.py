"""What a notebook meets first: the names of the package, one question where many may stand."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from pyarrow.parquet import read_table

from coconut_core.analysis.insight import look_inside
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import draw_grid
from coconut_core.interventions import Add, PatchLayer, Replace, Scale
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer
from coconut_core.runs.generate import generate
from tests.core.precision import EXACT
from tests.core.tiny_models import QUESTIONS, tiny_model


def test_the_package_shows_what_there_is_and_imports_it_when_it_is_used() -> None:
    code = (
        "import sys, coconut_core\n"
        "names = [name for name in dir(coconut_core) if not name.startswith('_')]\n"
        "classes = ['CoconutConfig', 'CoconutError', 'CoconutModel', 'Runs', 'Session', 'Trace']\n"
        "assert names == [*classes, 'evaluate'], names\n"
        "assert 'torch' not in sys.modules\n"
        "assert all(getattr(coconut_core, name).__name__ == name for name in names)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_one_question_is_no_list_of_its_letters(llama: CoconutModel) -> None:
    one = llama.generate(QUESTIONS[0], max_new_tokens=4)
    assert one == llama.generate([QUESTIONS[0]], max_new_tokens=4)
    assert len(llama.generate(list(QUESTIONS), max_new_tokens=1)) == len(QUESTIONS)


def test_a_run_takes_a_plain_function_as_an_edit(llama: CoconutModel) -> None:
    by_name, by_hand = (llama.start(QUESTIONS[0], max_new_tokens=4) for _ in range(2))
    for run, edit in ((by_name, Scale(2.0)), (by_hand, lambda thought: thought * 2)):
        run.think()
        run.edit(1, edit)
        run.think(edit)
    assert by_name.finish() == by_hand.finish()
    assert str(by_hand.steps[0].edit) == "apply <lambda>"


def test_thoughts_can_be_trained_on(llama: CoconutModel) -> None:
    """A probe's gradient needs what it reads, which a tensor of inference mode does not give."""
    run = llama.start(QUESTIONS[0], max_new_tokens=4)
    run.think()
    run.think(Scale(2.0))
    run.finish()
    probe = torch.nn.Linear(32, 1, dtype=torch.float64)
    for step in run.steps:
        for state in (step.state, step.hidden, step.readout.hidden):
            probe(state).backward()
    assert float(probe.weight.grad.abs().sum()) > 0


def test_the_thoughts_of_a_run_are_one_ordinary_tensor(llama: CoconutModel) -> None:
    run = llama.start(QUESTIONS[0], max_new_tokens=1)
    assert run.thought_vectors.shape == (0, 32)
    run.finish()
    assert torch.equal(run.thought_vectors, torch.stack([step.hidden for step in run.thought_steps()]))
    probe = torch.nn.Linear(32, 1, dtype=torch.float64)
    probe(run.thought_vectors).sum().backward()
    assert float(probe.weight.grad.abs().sum()) > 0


def test_what_is_shown_tells_shapes_and_tokens_and_no_vector(llama: CoconutModel) -> None:
    run = llama.start(QUESTIONS[2], max_new_tokens=4)
    first = run.think(Add(torch.ones(32, dtype=torch.float64), label="ones"))
    likeliest = first.readout.top(1)[0]
    token = f"{likeliest.name} {likeliest.probability:.2f}"
    assert repr(first).startswith(f"Step(thought 1, add ones 1, (32,): {token}, ")
    assert repr(first.readout).startswith(f"Readout((32,): {token}, ")
    assert repr(first.edit) == "Add(add ones 1)"
    run.finish()
    for text in (repr(run), repr(run.trace())):
        assert text.startswith(("Session('Every impus is a jompus.", "Trace(model, 'Every impus is a jompus."))
        assert all(part in text for part in (token, "…", repr(run.text)))
    assert "thoughts (3, 32): " in repr(run)
    assert repr(run.steps[-1]).startswith(f"Step(token {run.steps[-1].token!r}, (32,): ")
    insight = look_inside(run, attention=True)
    length = len(run.prompt_ids)
    assert repr(insight).startswith(
        f"Insight(places={len(run.steps) + 1} × Place, words={len(insight.words)} × Word"
    )
    assert "state=(32,), layers=(2, 32), lens=[Readout((32,): " in repr(insight.places[0])
    assert f"attention=(2, 4, {length})" in repr(insight.places[0])
    answer = generate(llama, [QUESTIONS[0]], max_new_tokens=1, keep="inside")[0]
    assert "recording=Recording(thoughts=(3, 32), layers=(3, 2, 32), heads=(3, 2, 4, 8))" in repr(answer)
    shown = [run, *run.steps, run.trace(), insight, *insight.places, answer, Replace(run.thought_vectors[0])]
    assert not any("tensor(" in repr(each) for each in shown)


def test_many_questions_are_one_object_of_tensors_and_rows(llama: CoconutModel) -> None:
    counts = [1, 3, 0, 2]
    runs = llama.run(QUESTIONS, thoughts=counts, max_new_tokens=4, keep="inside")
    assert runs.thoughts.shape == (4, 3, 32)
    assert runs.layers.shape == (4, 3, 2, 32)
    assert runs.mask.tolist() == [[place < count for place in range(3)] for count in counts]
    assert not runs.thoughts[~runs.mask].any()
    readouts, texts = runs.readouts(top=2), []
    for number, (question, count) in enumerate(zip(QUESTIONS, counts, strict=True)):
        alone = llama.start(question, count, max_new_tokens=4)
        texts.append(alone.finish())
        torch.testing.assert_close(runs.thoughts[number, :count], alone.thought_vectors, **EXACT)
        names = [[token.name for token in step.readout.top(2)] for step in alone.thought_steps()]
        assert [[token.name for token in thought] for thought in readouts[number]] == names
    assert [answer.text for answer in runs.results] == texts
    assert [row["text"] for row in runs.rows()] == texts
    by_thought = [(row["run"], row["thought"]) for row in runs.rows(by="thought")]
    assert by_thought == [(run, place) for run, count in enumerate(counts) for place in range(1, count + 1)]
    assert [row["token"] for row in runs.rows(by="thought")] == [
        thought[0].name for row in readouts for thought in row
    ]
    assert repr(runs).startswith("Runs(4, thoughts (4, 3, 32), the first: ")
    probe = torch.nn.Linear(32, 1, dtype=torch.float64)
    probe(runs.thoughts[runs.mask]).sum().backward()
    assert float(probe.weight.grad.abs().sum()) > 0


def test_which_runs_are_right_is_known_of_problems(llama: CoconutModel) -> None:
    said = final_answer(llama.generate(QUESTIONS[0], max_new_tokens=4)[0], llama.config.answer_prefix)
    known = [Problem(QUESTIONS[0], (), answer) for answer in (said, "nothing like it")]
    runs = llama.run([*known, QUESTIONS[1]], max_new_tokens=4)
    assert runs.answers[:2] == [said, said]
    assert runs.right == [True, False, None]
    assert [row["expected"] for row in runs.rows()] == [said, "nothing like it", None]
    assert ", 1 of 2 right" in repr(runs)


@pytest.mark.parametrize("by", ["run", "thought"])
def test_the_rows_of_runs_go_into_a_parquet_file(llama: CoconutModel, tmp_path: Path, by: Any) -> None:
    runs = llama.run(QUESTIONS, thoughts=[0, 1, 3, 2], max_new_tokens=4)
    runs.to_parquet(tmp_path / "new" / "runs.parquet", by=by)
    assert read_table(tmp_path / "new" / "runs.parquet").to_pylist() == runs.rows(by)
    llama.run([]).to_parquet(tmp_path / "none.parquet", by=by)
    first, none = (
        read_table(path).schema for path in (tmp_path / "new" / "runs.parquet", tmp_path / "none.parquet")
    )
    assert first == none, "files of other runs go together, whatever is not known of them"


def test_a_parquet_file_that_cannot_be_written_and_rows_of_something_else(
    llama: CoconutModel, tmp_path: Path
) -> None:
    runs = llama.run(QUESTIONS[0], max_new_tokens=1)
    with pytest.raises(CoconutError, match=r"cannot write .*: Is a directory"):
        runs.to_parquet(tmp_path)
    with pytest.raises(CoconutError, match="rows go by run or by thought, not by 'token'"):
        runs.rows(by="token")  # type: ignore[arg-type]


def test_runs_of_nothing_and_what_was_not_kept(llama: CoconutModel) -> None:
    empty = llama.run([])
    assert (len(empty), empty.thoughts.shape, empty.mask.shape, empty.rows()) == (0, (0, 0, 32), (0, 0), [])
    with pytest.raises(CoconutError, match="the layers of these runs were not kept"):
        _ = llama.run(QUESTIONS[0], max_new_tokens=1).layers


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_hook_at_thoughts_does_what_a_patch_does(architecture: str) -> None:
    model = tiny_model(architecture, dtype=torch.float64)
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    patched, hooked, alone = (model.start(QUESTIONS[0], max_new_tokens=1) for _ in range(3))
    seen: list[tuple[int, ...]] = []
    with model.hooks({1: lambda stream: vector.expand_as(stream), 0: lambda stream: seen.append(stream.shape)}):
        hooked.finish()
    for _ in range(3):
        patched.think(PatchLayer(1, vector))
        alone.think()
    assert seen == [(1, 32)] * 3
    torch.testing.assert_close(hooked.thought_vectors, patched.thought_vectors, **EXACT)
    assert not torch.allclose(hooked.thought_vectors[1:], alone.thought_vectors[1:])
    hooked.rewind(0)
    hooked.finish()
    torch.testing.assert_close(hooked.thought_vectors, alone.thought_vectors, **EXACT)


@pytest.mark.parametrize("passes", [0, 3])
def test_in_a_batch_a_hook_is_given_the_rows_that_think(llama: CoconutModel, passes: int) -> None:
    counts, lengths = [1, 3, 0, 2], []

    def double(stream: torch.Tensor) -> torch.Tensor:
        lengths.append(len(stream))
        return 2 * stream

    with llama.hooks({0: double}):
        runs = llama.run(QUESTIONS, thoughts=counts, max_new_tokens=3, passes=passes)
        assert sum(lengths) % sum(counts) == 0
        if not passes:
            assert lengths == [3, 2, 1]
        for number, (question, count) in enumerate(zip(QUESTIONS, counts, strict=True)):
            alone = llama.start(question, count, max_new_tokens=3, passes=passes)
            assert alone.finish() == runs.results[number].text
            torch.testing.assert_close(runs.thoughts[number, :count], alone.thought_vectors, **EXACT)


def test_a_hook_may_change_all_positions_and_be_trained_through(llama: CoconutModel) -> None:
    direction = torch.zeros(32, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([llama.encode_prompt(QUESTIONS[0])])
    lengths = []
    with (
        llama.hooks({0: lambda stream: stream + direction}),
        llama.hooks({1: lambda s: lengths.append(s.shape)}, at="everything"),
    ):
        llama.latent_step(llama.start_context(ids)).sum().backward()
    assert lengths == [(1, ids.shape[1], 32), (1, 1, 32)]
    assert direction.grad is not None
    assert float(direction.grad.abs().sum()) > 0


def test_a_hook_that_does_not_fit_is_refused(llama: CoconutModel) -> None:
    with (
        pytest.raises(CoconutError, match="there is no layer 2: this model has layers 0 to 1"),
        llama.hooks({2: abs}),
    ):
        pass
    run = llama.start(QUESTIONS[0])
    with (
        llama.hooks({0: lambda stream: stream[:, :5]}),
        pytest.raises(CoconutError, match=r"the hook returns shape \(1, 5\), what it was given has \(1, 32\)"),
    ):
        run.think()
    assert run.steps == []
    run.think()


def test_a_notebook_draws_a_run_as_a_table_of_its_thoughts(llama: CoconutModel) -> None:
    problem = Problem(QUESTIONS[0], (), "<b>nothing</b> like it")
    run = llama.start(problem, max_new_tokens=4, do={2: Scale(2.0)})
    assert "<tr>" in run._repr_html_(), "before the first thought there is its head"
    run.finish()
    html = run._repr_html_()
    assert html == run.trace(4)._repr_html_()
    table = ElementTree.fromstring(f"<div>{html}</div>")
    rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in table.iter("tr")][1:]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert "".join(table.itertext()).endswith("; expected: <b>nothing</b> like it")
    for row, step in zip(rows, run.thought_steps(), strict=False):
        assert " · ".join(row[1:3]) == step.readout.likeliest(4).replace(", ", " · ")
        assert row[3:5] == [f"{step.readout.entropy:.2f}", f"{step.readout.norm:.1f}"]
        assert row[5] == ("scale 2" if step.index == 2 else "")


def test_a_notebook_draws_runs_and_no_more_than_it_can_show(llama: CoconutModel) -> None:
    problems = [Problem(QUESTIONS[0], (), "<b>nothing</b> like it")] * 12
    runs = llama.run(problems, thoughts=[0, 2] * 6, max_new_tokens=4)
    html = runs._repr_html_()
    assert "… and 2 more" in html
    table = ElementTree.fromstring(f"<div>{html}</div>")
    rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in table.iter("tr")][1:]
    assert [row[0] for row in rows] == [str(number) for number in range(10)]
    assert rows[0][3:] == ["✗ <b>nothing</b> like it", "", ""]
    likeliest = [thought[0] for thought in runs.readouts(top=1)[1]]
    assert rows[1][4:] == [f"{token.name} {token.probability:.2f}" for token in likeliest]
    assert "<table>" in llama.run([])._repr_html_()


def test_words_are_no_plan(llama: CoconutModel) -> None:
    with pytest.raises(CoconutError, match=r"apply takes a Plan: write model.start\(question, do='zero@2'\)"):
        llama.start(QUESTIONS[0]).apply("zero@2")  # type: ignore[arg-type]


def test_a_figure_is_drawn_where_it_stands_in_a_notebook(tmp_path: Path) -> None:
    figure = draw_grid([[0.0, 1.0]], ["r"], ["a", "b"], "title", "x", "y")
    assert "</svg>" in figure.svg()
    assert figure._repr_svg_() == figure.svg()
    figure.save_svg(tmp_path / "grid.svg")
    assert (tmp_path / "grid.svg").read_text(encoding="utf-8") == figure.svg()
