"""Problems of tables and data sets: columns with names of their own, what is read where, and runs from them."""

import json
import shutil
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import constants

from coconut_core.common.errors import CoconutError
from coconut_core.problems import (
    Problem,
    read_problems,
    read_some_problems,
    stream_problems,
    write_problems,
)
from coconut_core.problems.columns import Columns
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.gsm8k import convert_file
from coconut_core.problems.sources import DataSource
from coconut_core.training.recipe import recipe_from_table, with_absolute_paths
from tests.core.refusals import refusal
from tests.core.tiny_recipes import (
    assert_same_weights,
    go_on,
    sums_file,
    tiny_gpt2,
    tiny_recipe,
    train,
    weights,
)

ROWS = [
    {"frage": "Ann has 8 nuts. She eats 3. Left?", "weg": "She has 8-3=<<8-3=5>>5.\nSo 5.\n#### 5"},
    {"frage": " Ann has 2 bags of 3 nuts, and 4. How many? ", "weg": "<<2*3=6>> <<6+4=10>> #### 1,010"},
]
BOTH = Columns(question="frage", steps="weg", answer="weg")
PROBLEMS = [
    Problem("Ann has 8 nuts. She eats 3. Left?", ("She has 8-3=5.", "So 5."), "5"),
    Problem("Ann has 2 bags of 3 nuts, and 4. How many?", (), "1010"),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the library keeps what it has read."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with HF_HUB_OFFLINE=1."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def table(rows: list[dict[str, Any]] = ROWS) -> Any:
    return datasets.Dataset.from_list(rows)


# -- columns -----------------------------------------------------------------------------------------------


def test_a_text_is_cut_into_lines_or_annotations_up_to_the_answer() -> None:
    assert [BOTH.problem(row) for row in ROWS] == PROBLEMS
    annotated = Columns("frage", "weg", "weg", "annotations")
    assert [annotated.problem(row).steps for row in ROWS] == [("<<8-3=5>>",), ("<<2*3=6>>", "<<6+4=10>>")]


@pytest.mark.parametrize(
    ("row", "steps", "answer"),
    [
        ({"steps": ["a ", "", "b"], "answer": 5.0}, ("a", "b"), "5"),
        ({"steps": None, "answer": -3}, (), "-3"),
        ({"steps": "one\n\n two \n", "answer": "Lily is a gorpus."}, ("one", "two"), "Lily is a gorpus."),
        ({"steps": [], "answer": True}, (), "True"),
        ({"steps": "x", "answer": None}, ("x",), ""),
    ],
)
def test_what_stands_in_a_column_becomes_steps_and_answer(row: Any, steps: Any, answer: str) -> None:
    assert Columns().problem({"question": "q", **row}) == Problem("q", steps, answer)


@pytest.mark.parametrize(
    ("columns", "row", "words"),
    [
        (Columns(), {"question": 3, "steps": [], "answer": "1"}, "the column 'question' must be a text, not 3"),
        (
            Columns(),
            {"question": "q", "steps": [1], "answer": "1"},
            "the column 'steps' must be text or a list",
        ),
        (BOTH, {"frage": "q", "weg": "5"}, "no '####' in front of the answer in the column 'weg'"),
    ],
)
def test_what_is_no_problem_names_the_column(columns: Columns, row: Any, words: str) -> None:
    assert words in refusal(lambda: columns.problem(row))


# -- where rows come from ----------------------------------------------------------------------------------


def test_every_kind_of_table_has_the_same_problems(tmp_path: Path) -> None:
    table().save_to_disk(tmp_path / "folder")
    table().to_parquet(tmp_path / "t.parquet")
    table().to_csv(tmp_path / "t.csv")
    table().to_csv(tmp_path / "t.tsv", sep="\t")
    table().to_json(tmp_path / "t.jsonl")
    table().to_parquet(tmp_path / "files" / "train-00000.parquet")
    names = ["folder", "t.parquet", "t.csv", "t.tsv", "t.jsonl", "files", "files?split=train[:50%]"]
    for name in names:
        source = DataSource(str(tmp_path / name), BOTH)
        assert list(source.problems()) == (PROBLEMS[:1] if "?" in name else PROBLEMS), name
        assert source.is_there
    contents = {DataSource(str(tmp_path / name), BOTH).content() for name in names[:4]}
    assert len(contents) == 1, "the content counts, not the form"
    assert DataSource(str(tmp_path / "files"), Columns("frage", "", "weg")).content() not in contents


def test_a_split_is_named_or_found(tmp_path: Path) -> None:
    parts = datasets.DatasetDict({"train": table(ROWS[:1]), "valid": table(ROWS[1:])})
    folder = tmp_path / "sets"
    parts.save_to_disk(folder)
    assert list(DataSource(str(folder), BOTH).problems()) == PROBLEMS[:1]
    assert list(DataSource(f"{folder}?split=valid", BOTH, "validation").problems()) == PROBLEMS[1:]
    message = refusal(lambda: DataSource(str(folder), BOTH, "validation").first(1))
    assert message == (
        f"{folder} has no split 'validation' but train, valid: name one, as in {folder}?split=train"
    )
    table().save_to_disk(tmp_path / "one")
    assert "is one table, without splits" in refusal(
        lambda: DataSource(f"{tmp_path / 'one'}?split=train", BOTH).first(1)
    )


def test_official_gsm8k_by_its_columns_is_what_the_converter_makes() -> None:
    file = Path(__file__).parents[3] / "shared" / "data" / "gsm8k_train.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    columns = Columns("question", "answer", "answer", "annotations")
    assert list(DataSource(str(file), columns).problems()) == list(convert_file(file, Conversion()))


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.parquet", "folder"])
def test_columns_are_named_behind_the_name_of_whatever_is_read(tmp_path: Path, name: str) -> None:
    table().to_json(tmp_path / "t.jsonl")
    table().to_csv(tmp_path / "t.csv")
    table().to_parquet(tmp_path / "t.parquet")
    datasets.DatasetDict(train=table(ROWS[1:]), test=table()).save_to_disk(tmp_path / "folder")
    place = f"{tmp_path / name}?question=frage&steps=weg&answer=weg"
    assert read_problems(place) == PROBLEMS
    assert [problem.steps for problem in stream_problems(Path(f"{place}&steps_as=annotations"))] == [
        ("<<8-3=5>>",),
        ("<<2*3=6>>", "<<6+4=10>>"),
    ]
    without = f"{tmp_path / name}?question=frage&steps=&answer=weg"
    assert [problem.steps for problem in read_some_problems(without, 1, answered=True)] == [()]
    assert DataSource(place).content() == DataSource(str(tmp_path / name), BOTH, "train").content()


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    table().save_to_disk(tmp_path / "folder")
    name = str(tmp_path / "folder")
    assert refusal(lambda: DataSource(name, Columns("Fragen", "weg", "weg")).first(1)) == (
        f"{name} has no column 'Fragen' but frage, weg: say which holds the question, perhaps ?question=frage "
        'behind the name (in a recipe data.columns.question = "frage")'
    )
    message = refusal(lambda: DataSource(name, Columns("frage", "wege", "weg")).first(1))
    assert message.endswith('(in a recipe data.columns.steps = "weg"); ?steps= for none')
    rows = [{"q": "a", "steps": "b", "answer": "c"}]
    table(rows).to_parquet(tmp_path / "q.parquet")
    assert "perhaps ?question=q " in refusal(lambda: read_problems(tmp_path / "q.parquet")), (
        "not one that is taken"
    )
    (tmp_path / "t.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    assert "t.jsonl, line 1 has no column 'x' but frage, weg: say which holds the question" in refusal(
        lambda: DataSource(str(tmp_path / "t.jsonl"), Columns("x", "weg", "weg")).first(1)
    )


def test_what_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.parquet").write_text("nothing")
    (tmp_path / "sub.csv").write_text("frage,weg\n")
    (tmp_path / "t.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    for name, words in (
        ("empty", f"cannot read problems from {tmp_path}/empty: "),
        ("bad.parquet", f"cannot read problems from {tmp_path}/bad.parquet: "),
        ("gone.parquet", "gone.parquet: there is no such file or folder (a data set of the hub is named hub:"),
        ("sub.csv", f"cannot read problems from {tmp_path}/sub.csv: "),
        ("gone.json", "gone.json: there is no such file or folder"),
        ("sub.csv?spilt=train", "'spilt=train' is none of config=…, split=…, revision=…, question=…"),
        ("x" * 300, "File name too long"),
        ("t.jsonl/x", "Not a directory"),
        ("t.jsonl?split=train", "'split=train' is none of question=…, steps=…, answer=…, steps_as=…"),
        ("t.jsonl?answer=", "'answer=' is none of question=…"),
        ("t.jsonl?steps_as=words", "'steps_as' must be one of lines, annotations"),
    ):
        message = refusal(partial(DataSource(str(tmp_path / name), BOTH).first, 1))
        assert words in message
        assert "\n" not in message
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "is read by datasets: pip install 'coconut-tui[datasets]'" in refusal(
        lambda: DataSource("hub:some/set").first(1)
    )


# -- the hub -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("offline")
def test_offline_the_hub_is_named_in_one_line() -> None:
    for read in (lambda: DataSource("hub:some/set").first(1), lambda: DataSource("hub:some/set").content()):
        assert refusal(read) == (
            "hub:some/set: the hub cannot be reached, and the cache has no copy: go online (HF_HUB_OFFLINE=0), "
            "or name a file or folder"
        )
    assert "is named hub:owner/name" in refusal(lambda: DataSource("hub:a/b/c").first(1))
    assert not DataSource("hub:some/set").is_there


@pytest.mark.usefixtures("offline")
def test_offline_a_data_set_of_the_hub_comes_from_the_cache(tmp_path: Path, own_cache: Path) -> None:
    """What the library keeps of a data set, made here from files in the place of the hub's."""
    for split in ("train", "test"):
        table(ROWS[:1] if split == "train" else ROWS[1:]).to_parquet(tmp_path / "nuts" / f"{split}.parquet")
    builder = datasets.load_dataset_builder(str(tmp_path / "nuts"), cache_dir=str(tmp_path / "made"))
    builder.download_and_prepare(str(own_cache / "some___nuts" / "default" / "0.0.0" / "abc"))
    assert list(DataSource("hub:some/nuts", BOTH).problems()) == PROBLEMS[:1]
    assert list(DataSource("hub:some/nuts?config=default&split=test", BOTH).problems()) == PROBLEMS[1:]
    assert "hub:some/nuts has no split 'validation' but" in refusal(
        lambda: DataSource("hub:some/nuts", BOTH, "validation").first(1)
    )


# -- recipes and runs --------------------------------------------------------------------------------------


def test_a_recipe_with_columns_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"question": "Body", "steps": "", "steps_as": "annotations"}
    recipe = tiny_recipe(data={"train": "hub:some/set?split=train[:9]", "validation": "v", "columns": columns})
    assert recipe.data.columns == Columns("Body", "", "answer", "annotations")
    assert recipe_from_table(tomllib.loads(recipe.to_toml())) == recipe
    assert recipe_from_table(json.loads(json.dumps(recipe.to_json()))) == recipe
    monkeypatch.chdir(tmp_path)
    moved = with_absolute_paths(recipe).data
    assert (moved.train, moved.validation) == ("hub:some/set?split=train[:9]", str(tmp_path / "v"))
    assert "data.columns.steps_as" in refusal(lambda: tiny_recipe(data={"columns": {"steps_as": "words"}}))
    assert "data.columns" in refusal(lambda: tiny_recipe(data={"columns": {"quest": "x"}}))


def test_a_run_from_a_folder_is_that_from_a_file_and_goes_on_without_it(tmp_path: Path) -> None:
    """Its tokens and held-out problems are in its own folder; other data in that place are refused."""
    file, folder = sums_file(tmp_path, 8), tmp_path / "folder"
    records = json.loads(file.read_text())

    def save(rows: list[dict[str, Any]]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        renamed = [{"q": row["question"], "s": row["steps"], "a": int(row["answer"])} for row in rows]
        datasets.DatasetDict({"train": table(renamed), "validation": table(renamed[:3])}).save_to_disk(folder)

    save(records)
    base = tiny_gpt2(tmp_path / "gpt2")
    settings: dict[str, Any] = {
        "step_style": "sentence",
        "curriculum": {"lookup": 0, "first": 1, "per_stage": 1, "stages": 1, "total": 6},
        "model": {"base": str(base)},
    }
    valid = tmp_path / "valid.json"
    write_problems(valid, [Problem.from_json(record) for record in records[:3]])
    of_file = tiny_recipe(**settings, data={"train": str(file), "validation": str(valid)})
    columns = {"question": "q", "steps": "s", "answer": "a"}
    of_folder = tiny_recipe(
        **settings, data={"train": str(folder), "validation": str(folder), "columns": columns}
    )
    train(of_file, tmp_path / "of-file")
    train(of_folder, tmp_path / "run", until=3)
    save(records[::-1])
    with pytest.raises(CoconutError, match="folder has changed since the run was begun"):
        go_on(of_folder, tmp_path / "run")
    save(records)  # another date, the same rows
    shutil.copytree(tmp_path / "run", tmp_path / "run2")
    go_on(of_folder, tmp_path / "run2")
    shutil.rmtree(folder)
    go_on(of_folder, tmp_path / "run")
    assert weights(tmp_path / "run")
    assert_same_weights(tmp_path / "run", tmp_path / "of-file")
    assert_same_weights(tmp_path / "run", tmp_path / "run2")
