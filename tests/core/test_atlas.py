"""The atlas: what stands in it is what the model's own runs say, and wrong questions get one line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
import torch
from safetensors.torch import load_file

from coconut_core import CoconutModel
from coconut_core.analysis.pca import Pca
from coconut_core.atlas import Atlas, FilterError
from coconut_core.atlas.building import build
from coconut_core.atlas.columns import COLUMNS
from coconut_core.common.errors import CoconutError
from coconut_core.common.markdown import markdown_table
from coconut_core.problems import generate_problems
from coconut_core.problems.base import Problem
from coconut_core.records.graph_reading import graph_mass

PROSQA = "models/prosqa"
COUNT = 24


@pytest.fixture(scope="module")
def prosqa() -> CoconutModel:
    return CoconutModel.from_pretrained(PROSQA)


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return generate_problems("prosqa", COUNT, 7, "test")


@pytest.fixture(scope="module")
def folder(prosqa: CoconutModel, problems: list[Problem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of two parts; tests must copy it before they change it."""
    path = tmp_path_factory.mktemp("atlas") / "A"
    build(prosqa, problems[:16], path, source=PROSQA, batch_size=8)
    build(prosqa, problems[16:], path, source=PROSQA, batch_size=8, append=True)
    return path


@pytest.fixture(scope="module")
def atlas(folder: Path) -> Atlas:
    return Atlas.open(folder)


def test_a_row_is_what_a_run_of_that_question_says(
    atlas: Atlas, prosqa: CoconutModel, problems: list[Problem]
) -> None:
    runs = prosqa.run(problems, answer_only=True)
    rows = atlas.rows()
    assert len(atlas) == len(rows) == COUNT
    assert [row["run"] for row in rows] == list(range(COUNT))
    assert [row["question"] for row in rows] == runs.questions
    assert [row["said"] for row in rows] == runs.answers
    assert [row["right"] for row in rows] == runs.right
    for row, problem, recording, readouts in zip(rows, problems, runs.recordings, runs._readouts, strict=True):
        assert row["thoughts"] == len(recording.thoughts)
        assert row["hops"] == len(problem.steps)
        assert row["entropy"] == pytest.approx([readout.entropy for readout in readouts], rel=1e-3, abs=1e-5)
        assert row["norm"] == pytest.approx([readout.norm for readout in readouts], rel=1e-4)
        assert row["token"] == [readout.top(1)[0].name for readout in readouts]
        assert [tokens[0] for tokens in row["tokens"]] == row["token"]
        assert problem.graph is not None
        shares = [{name: readout.probability(name) for name in problem.graph.names} for readout in readouts]
        masses = [graph_mass(problem.graph, number, share) for number, share in enumerate(shares, start=1)]
        assert row["frontier"] == pytest.approx([mass.frontier for mass in masses], rel=1e-3, abs=1e-5)
        assert row["wrong_candidate"] == pytest.approx([mass.wrong for mass in masses], rel=1e-3, abs=1e-5)


def test_pandas_reads_the_folder_and_the_vectors_are_the_thoughts(
    atlas: Atlas, folder: Path, prosqa: CoconutModel, problems: list[Problem]
) -> None:
    frame = pandas.read_parquet(folder / "runs")
    assert list(frame.columns) == list(COLUMNS)
    assert frame["run"].tolist() == list(range(COUNT))
    vectors = load_file(folder / "vectors" / "part-000001.safetensors")["thoughts"]
    own = prosqa.run(problems[16:18]).thoughts
    assert (vectors[:2] - own).abs().max() < 1e-4
    assert frame["norm"][16].tolist() == pytest.approx(own[0].norm(dim=-1).tolist(), rel=1e-4)


FILTERS: dict[str, Callable[[dict], bool]] = {
    "": lambda row: True,
    "wrong": lambda row: row["right"] is False,
    "right and hops >= 4": lambda row: row["right"] and row["hops"] >= 4,
    "frontier(4) < .5 and entropy(2) > 1": lambda row: row["frontier"][3] < 0.5 and row["entropy"][1] > 1,
    "Frontier (2)<frontier(3)": lambda row: row["frontier"][1] < row["frontier"][2],
    "top(4) = '\\n' or used": lambda row: row["token"][3] == "\\n" or row["used"],
    "'yumpus' in tokens(2)": lambda row: "yumpus" in row["tokens"][1],
    "norm(-1) > norm(1) -- a remark": lambda row: row["norm"][-1] > row["norm"][0],
    "list_max(entropy) > 3": lambda row: max(row["entropy"]) > 3,
    "said like '%\u00fc%' or probability(1) > .9": lambda row: row["probability"][0] > 0.9,
    "frontier(hops) > .9": lambda row: row["frontier"][row["hops"] - 1] > 0.9,
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_gives_the_runs_for_which_it_is_true(atlas: Atlas, text: str) -> None:
    expected = [row["run"] for row in atlas.rows() if FILTERS[text](row)]
    assert [row["run"] for row in atlas.rows(text)] == expected
    assert atlas.count(text) == len(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fronteir(4) < .5", "there is no 'fronteir' in this atlas: the nearest is frontier(1)"),
        ("wrng", "there is no 'wrng' in this atlas: the nearest is wrong"),
        ("xyz = 1", "there is no 'xyz' in this atlas: there are run, question, "),
        ("frontier > .5", "frontier has a value for each thought: write frontier(1), frontier(2), "),
        ("hops(3) = 1", "hops has one value for the whole run: write hops, without brackets"),
        ("top = 'x'", "top needs the number of a thought: write top(3)"),
        ("norm() > 1", "norm needs the number of a thought: write norm(3)"),
        ("norm('x') > 1", "norm needs the number of a thought: write norm(3)"),
        ("frontier(4) <", "'frontier(4) <' cannot be read: syntax error at its end"),
        ("wrong and", "'wrong and' cannot be read: syntax error at its end"),
        ("(frontier(4) <)", "'(frontier(4) <)' cannot be read: syntax error at or near \")\""),
        ("entropy(2)", "'entropy(2)' is no filter: it is not true or false of a run"),
        ("(wrong", "there is a ( without its )"),
        ("wrong) or (right", "there is a ) without its ("),
        ("wrong; drop view runs", "a filter is one expression: leave out ;"),
        ("said::int > 1", "'said::int > 1' cannot be read: Could not convert string"),
        ("said = 'x", "cannot be read"),
        ('top(3) = "yumpus"', "a text stands in single quotes: write 'yumpus', not \"yumpus\""),
    ],
)
def test_what_is_typed_wrongly_is_told_in_one_line(atlas: Atlas, text: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        atlas.rows(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_summary_is_that_of_its_rows(atlas: Atlas) -> None:
    rows, summary = atlas.rows(), atlas.summary()
    assert (summary.count, summary.right.right, summary.right.count) == (
        COUNT,
        sum(row["right"] for row in rows),
        COUNT,
    )
    assert sum(share.count for share in summary.by_hops.values()) == COUNT
    assert summary.used.right == sum(row["used"] for row in rows)
    hops = summary.heat.rows[0]
    of_these = [row["frontier"][1] for row in rows if row["hops"] == hops]
    assert summary.heat.means[0][1] == pytest.approx(sum(of_these) / len(of_these), rel=1e-5)
    commonest, runs = summary.tokens[0][0]
    assert runs == sum(row["token"][0] == commonest for row in rows)
    wrong = atlas.summary("wrong")
    assert wrong.right is None or wrong.right.right == 0


def test_the_nearest_thoughts_are_those_of_the_largest_cosine(atlas: Atlas, folder: Path) -> None:
    parts = [load_file(path)["thoughts"] for path in sorted((folder / "vectors").iterdir())]
    every = torch.cat(parts)
    cosines = torch.nn.functional.cosine_similarity(every, every[17, 2], dim=-1)
    cosines[17, 2] = -1
    values, places = cosines.flatten().topk(5)
    found = atlas.nearest(17, 3, count=5)
    assert [(near.run, near.thought - 1) for near in found] == [divmod(int(place), 6) for place in places]
    assert [near.cosine for near in found] == pytest.approx(values.tolist(), abs=1e-5)
    wrong = {row["run"] for row in atlas.rows("hops = 4", columns=["run"])}
    assert {near.run for near in atlas.nearest(17, 3, count=50, where="hops = 4")} <= wrong
    with pytest.raises(CoconutError, match="run 17 has no thought 9"):
        atlas.nearest(17, 9)
    with pytest.raises(CoconutError, match="there is no run 99: the atlas has 24, numbered from 0"):
        atlas.nearest(99, 1)


def test_the_map_is_that_of_the_principal_components(atlas: Atlas, folder: Path) -> None:
    every = torch.cat([load_file(path)["thoughts"] for path in sorted((folder / "vectors").iterdir())])
    pca = Pca.fit(every.flatten(0, 1), 2)
    found = atlas.projection()
    assert found.of == len(found.points) == COUNT * 6
    last = found.points[-1]
    assert (last.run, last.thought) == (COUNT - 1, 6)
    assert [last.x, last.y] == pytest.approx(pca.project(every[-1, -1]).tolist(), abs=1e-3)
    assert found.explained == pytest.approx(tuple(pca.explained.tolist()), abs=1e-5)
    third = atlas.projection(thought=3, where="hops = 4", most=4)
    assert {point.thought for point in third.points} == {3}
    assert third.of == atlas.count("hops = 4")
    assert 2 <= len(third.points) <= 4


def test_no_torch_is_needed_to_open_and_ask(folder: Path) -> None:
    code = f"""
import sys
from coconut_core.atlas import Atlas
atlas = Atlas.open({str(folder)!r})
atlas.rows("wrong", limit=1), atlas.summary(), atlas.nearest(0, 1)
print("torch" in sys.modules, "pyarrow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_the_document_tells_of_every_column() -> None:
    page = Path("docs/ATLAS.md").read_text(encoding="utf-8")
    rows = [[f"`{column.name}`", column.type, column.about] for column in COLUMNS.values()]
    head = ["name", "type", "meaning"]
    assert markdown_table(head, rows, left=head).strip() in page
