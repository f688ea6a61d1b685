"""How an atlas is made: gone on with after a kill, added to, refused for another model; on all kinds."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from coconut_core import CoconutModel
from coconut_core.atlas import Atlas
from coconut_core.atlas import folder as atlas_folder
from coconut_core.atlas.building import build
from coconut_core.atlas.columns import COLUMNS
from coconut_core.atlas.folder import LOCK, Settings, check_hashes
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.deciding import next_words, parting
from coconut_core.problems import generate_problems
from coconut_core.problems.base import Problem
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.runs.generate import Answer
from coconut_core.runs.plan import Plan
from tests.core.ending_models import ending_model
from tests.core.two_processes import PARTED, run_in_two

PROSQA = "models/prosqa"


@pytest.fixture(scope="module")
def prosqa() -> CoconutModel:
    return CoconutModel.from_pretrained(PROSQA)


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return generate_problems("prosqa", 16, 3, "test")


@pytest.fixture(scope="module")
def whole(prosqa: CoconutModel, problems: list[Problem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas that was made without interruption; tests must copy it before they change it."""
    path = tmp_path_factory.mktemp("whole") / "A"
    build(prosqa, problems, path, source=PROSQA, part_rows=4)
    return path


@pytest.fixture
def own(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "A"))


def files(path: Path) -> dict[str, bytes]:
    """All that an atlas holds but its manifest and the lock."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in ("atlas.json", LOCK)
    }


def assert_alike(first: Path, second: Path, but: tuple[str, ...] = ()) -> None:
    """The same rows, but for some columns, and vectors, up to rounding, which hangs on where memory lies."""
    for ours, theirs in zip(Atlas.open(first).rows(), Atlas.open(second).rows(), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            is_number = COLUMNS[name].kind == "number" and not COLUMNS[name].several
            if name not in ("distances", *but):
                assert value == (pytest.approx(theirs[name], rel=1e-3, abs=1e-4) if is_number else theirs[name])
    for number, part in enumerate(sorted((second / "vectors").iterdir())):
        stored = sorted((first / "vectors").iterdir())[number]
        assert (load_file(stored)["thoughts"] - load_file(part)["thoughts"]).abs().max() < 1e-4


def killed(path: Path, make: Callable[[], object]) -> None:
    """Run make in another process, which is to be killed on the way."""
    pid = os.fork()
    if pid == 0:
        try:
            make()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_two_processes_make_the_same_and_go_on_after_a_kill(
    prosqa: CoconutModel, problems: list[Problem], tmp_path: Path
) -> None:
    def make(name: str, interrupt: Callable[[], None] = lambda: None) -> None:
        path = tmp_path / name
        build(prosqa, problems, path, source=PROSQA, part_rows=4, batch_size=2, interrupt=interrupt)

    def killed_on_the_way(number: int) -> None:
        parts = tmp_path / "both" / "runs"
        make("both", lambda: end() if number and parts.exists() else None)

    make("alone")
    assert run_in_two(killed_on_the_way) == [PARTED, -signal.SIGKILL]
    begun = json.loads((tmp_path / "both" / "atlas.json").read_text())
    assert 4 <= begun["rows"] < 16
    assert run_in_two(lambda number: make("both")) == [0, 0]
    assert files(tmp_path / "both") == files(tmp_path / "alone")
    manifests = [(tmp_path / name / "atlas.json").read_text() for name in ("both", "alone")]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("moment", ["between parts", "before the manifest", "between two files", "in a file"])
def test_after_a_kill_it_ends_as_without(
    prosqa: CoconutModel, problems: list[Problem], whole: Path, tmp_path: Path, moment: str
) -> None:
    path = tmp_path / "A"

    def make() -> None:
        rename, hashed = os.replace, atlas_folder.hash_file

        def renamed(source: Path, target: Path) -> None:
            is_second = Path(target).parent.name == "runs" and "000001" in str(target)
            if is_second and moment == "between two files":
                end()
            rename(source, target)
            if is_second and moment == "before the manifest":
                end()

        os.replace = renamed  # type: ignore[assignment]
        if moment == "in a file":
            atlas_folder.hash_file = lambda file: end() if "000001" in file.name else hashed(file)  # type: ignore
        build(
            prosqa,
            problems,
            path,
            source=PROSQA,
            part_rows=4,
            progress=lambda done, planned: end() if done == 8 and moment == "between parts" else None,
        )

    killed(path, make)
    before = Atlas.open(path)
    assert (len(before), before.manifest.complete) == (8 if moment == "between parts" else 4, False)
    assert [row["said"] for row in before.rows()] == [
        row["said"] for row in Atlas.open(whole).rows(limit=len(before))
    ]
    told: list[tuple[int, int]] = []
    build(prosqa, problems, path, source=PROSQA, part_rows=4, progress=lambda *done: told.append(done))
    assert told[0] == (len(before), 16)
    assert told[-1] == (16, 16)
    assert files(path).keys() == files(whole).keys()
    assert_alike(path, whole)


def test_more_problems_are_added_as_if_they_had_been_there(
    prosqa: CoconutModel, problems: list[Problem], own: Path
) -> None:
    more = generate_problems("prosqa", 4, 9)
    with pytest.raises(CoconutError, match="holds other problems: --append adds these"):
        build(prosqa, more, own, source=PROSQA)
    build(prosqa, more, own, source=PROSQA, append=True)
    atlas = Atlas.open(own)
    assert [row["run"] for row in atlas.rows()] == list(range(20))
    assert [row["question"] for row in atlas.rows(offset=16)] == [problem.question for problem in more]
    both = own.with_name("both")
    build(prosqa, [*problems, *more], both, source=PROSQA, part_rows=4)
    assert_alike(both, own, but=("used", "changed"))  # whose donors are those with which it was begun
    with pytest.raises(CoconutError, match="has all 16 of these problems: nothing is to be added"):
        build(prosqa, problems, own, source=PROSQA, append=True)
    assert build(prosqa, problems, own, source=PROSQA) == atlas.manifest  # nothing is left to be done
    with pytest.raises(CoconutError, match=r"there is no atlas at .*none to add to: leave out --append"):
        build(prosqa, problems, own.with_name("none"), source=PROSQA, append=True)


def test_what_is_not_complete_is_gone_on_with_first(
    prosqa: CoconutModel, problems: list[Problem], tmp_path: Path
) -> None:
    def stop(done: int, planned: int) -> None:
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        build(prosqa, problems, tmp_path / "A", source=PROSQA, data="these", part_rows=4, progress=stop)
    with pytest.raises(CoconutError, match=r"is not complete \(4 of 16 runs\): go on with these first"):
        build(prosqa, problems[:3], tmp_path / "A", source=PROSQA, append=True)


def test_another_model_other_settings_and_other_folders_are_refused(
    prosqa: CoconutModel, problems: list[Problem], own: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        CoconutError, match=r"holds runs of another model \(models/prosqa\): its weights are not"
    ):
        build(prosqa, problems, own, source="models/sums", append=True)
    with pytest.raises(
        CoconutError, match=r"another model \(models/prosqa\): its weights are not those of mod"
    ):
        Atlas.open(own).check_model("models/sums")
    Atlas.open(own).check_model(PROSQA)
    with pytest.raises(CoconutError, match="was made with swaps 1, not 3: give the same, or another --out"):
        build(prosqa, problems, own, source=PROSQA, settings=Settings(swaps=3))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(CoconutError, match="is there and no atlas: choose another --out"):
        build(prosqa, problems, tmp_path / "other", source=PROSQA)
    with pytest.raises(CoconutError, match="holds no problems"):
        build(prosqa, [], tmp_path / "none", source=PROSQA)
    with (
        FileLock(own / LOCK),
        pytest.raises(CoconutError, match=r"another process builds .*: wait until it is"),
    ):
        build(prosqa, problems, own, source=PROSQA)


def test_what_is_damaged_or_no_atlas_is_told_in_one_line(own: Path, tmp_path: Path) -> None:
    def refusal(path: Path, ask: Callable[[Atlas], object] = lambda atlas: atlas.rows()) -> str:
        with pytest.raises(CoconutError) as caught:
            ask(Atlas.open(path))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "is no atlas: it has no atlas.json" in refusal(tmp_path)
    assert "is no atlas: it has no atlas.json" in refusal(tmp_path / "missing")
    (tmp_path / "file.json").write_text("[]", encoding="utf-8")
    assert "file.json is a file and no atlas" in refusal(tmp_path / "file.json")
    table, vectors = own / "runs" / "part-000001.parquet", own / "vectors" / "part-000002.safetensors"
    content = table.read_bytes()
    table.write_bytes(content[:-9])
    assert "is damaged: runs/part-000001.parquet has" in refusal(own)
    table.write_bytes(b"\0" * len(content))
    assert "is damaged: " in refusal(own)
    table.write_bytes(content)
    stored = vectors.read_bytes()
    vectors.unlink()
    assert "is damaged: vectors/part-000002.safetensors is missing" in refusal(own)
    vectors.write_bytes(b"\0" * len(stored))
    assert "is damaged: vectors/part-000002.safetensors cannot be read: " in refusal(
        own, lambda atlas: atlas.nearest(0, 1)
    )
    vectors.write_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
    assert refusal(own, lambda atlas: check_hashes(atlas.path, atlas.manifest)).endswith(
        "vectors/part-000002.safetensors is not as it was written; build the atlas again"
    )
    vectors.write_bytes(stored)
    manifest = json.loads((own / "atlas.json").read_text())
    (own / "atlas.json").write_text(json.dumps(manifest | {"version": 2}))
    assert "has version 2 of the format, this coconut reads 1: upgrade it" in refusal(own)
    (own / "atlas.json").write_text(json.dumps({"format": "something"}))
    assert "is no atlas: its atlas.json does not say coconut-atlas" in refusal(own)
    (own / "atlas.json").write_text(json.dumps(manifest | {"model": {}}))
    assert "the entry 'model.source' is missing" in refusal(own)
    (own / "atlas.json").write_text(json.dumps(manifest | {"parts": []}))
    assert "holds no runs yet" in refusal(own)


def test_a_filter_reaches_no_other_file_and_changes_nothing(own: Path, tmp_path: Path) -> None:
    secret, target = tmp_path / "secret.csv", tmp_path / "target.csv"
    secret.write_text("a\n1\n")
    atlas, before = Atlas.open(own), files(own)
    for text in (
        f"(select count(*) from read_csv('{secret}')) > 0",
        f"(select content from read_text('{secret}')) = 'x'",
        f"exists(from '{secret}')",
        f"exists(from glob('{tmp_path}/*'))",
        f"exists(from query('copy runs to ''{target}'''))",
        "exists(from atlas)",
        "exists(with x as (delete from runs returning run) select * from x)",
        "exists(from duckdb_extensions()) and exists(install httpfs)",
    ):
        with pytest.raises(CoconutError) as caught:
            atlas.rows(text)
        assert "\n" not in str(caught.value)
        with pytest.raises(CoconutError):
            atlas.rows(order=text)
        with pytest.raises(CoconutError):
            atlas.rows(columns=[text])
    assert not target.exists()
    assert files(own) == before
    assert atlas.count() == 16


# -- columns -------------------------------------------------------------------------------------------------


def test_used_is_what_becomes_of_the_answer_with_the_thoughts_of_others(
    prosqa: CoconutModel, problems: list[Problem], tmp_path: Path
) -> None:
    build(prosqa, problems[:6], tmp_path / "A", source=PROSQA, settings=Settings(swaps=5))
    build(prosqa, problems[:6], tmp_path / "B", source=PROSQA, settings=Settings(swaps=0))
    own = prosqa.run(problems[:6], answer_only=True)
    for number, row in enumerate(Atlas.open(tmp_path / "A").rows()):
        others = [recording for place, recording in enumerate(own.recordings) if place != number]
        plans = [Plan.feeding(recording.thoughts) for recording in others]
        swapped = prosqa.run([problems[number]] * 5, answer_only=True, plans=plans)
        assert row["changed"] == sum(answer != own.answers[number] for answer in swapped.answers)
        assert row["used"] is (row["changed"] > 2)
    rows = Atlas.open(tmp_path / "B").rows()
    assert {(row["used"], row["changed"]) for row in rows} == {(None, None)}
    assert Atlas.open(tmp_path / "B").summary().used is None


def test_the_logit_difference_is_that_of_the_place_where_the_answers_part(
    prosqa: CoconutModel, problems: list[Problem], whole: Path
) -> None:
    for problem, row in zip(problems[:6], Atlas.open(whole).rows(limit=6), strict=True):
        place = parting(prosqa, problem, Answer(text=problem.answer), (), len)
        assert place is not None
        (found,) = next_words(prosqa, problem.question, [Plan()], place)
        assert row["logit_difference"] == pytest.approx(found.logit_difference, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("ending", ["entropy", "halting"])
def test_runs_of_different_length_have_as_many_entries_as_thoughts(ending: str, tmp_path: Path) -> None:
    model = ending_model("llama", ending)
    problems = generate_problems("prosqa", 12, 5, size=ProsqaSize(nodes=(8, 10), hops=(2, 3)))
    model.save_pretrained(tmp_path / "model")
    build(model, problems, tmp_path / "A", source=str(tmp_path / "model"), batch_size=5)
    atlas, own = Atlas.open(tmp_path / "A"), model.run(problems, answer_only=True)
    rows = atlas.rows()
    assert [row["thoughts"] for row in rows] == own.mask.sum(dim=1).tolist()
    assert len({row["thoughts"] for row in rows}) > 1
    assert all(len(row[name]) == row["thoughts"] for row in rows for name in ("entropy", "token", "tokens"))
    vectors = load_file(tmp_path / "A" / "vectors" / "part-000000.safetensors")["thoughts"]
    assert torch.equal(vectors.any(dim=-1), own.mask)
    most = atlas.manifest.most_thoughts
    assert atlas.count(f"thoughts = {most}") == atlas.count(f"entropy({most}) is not null")
    assert sum(atlas.summary().heat.counts[0]) <= sum(row["thoughts"] for row in rows)


def test_without_graphs_there_are_no_names_of_graphs(tmp_path: Path) -> None:
    sums = CoconutModel.from_pretrained("models/sums")
    build(sums, generate_problems("sums", 6, 5), tmp_path / "A", source="models/sums")
    atlas = Atlas.open(tmp_path / "A")
    rows = atlas.rows()
    assert all(row["frontier"] is None and row["logit_difference"] is None for row in rows)
    assert "frontier" not in atlas.names
    with pytest.raises(CoconutError, match="there is no 'frontier' in this atlas"):
        atlas.rows("frontier(1) > 0")
    summary = atlas.summary()
    assert summary.heat.column == "entropy"
    assert summary.search is None
    assert summary.right is not None


def test_what_goes_wrong_with_one_problem_stands_in_its_row(
    prosqa: CoconutModel, problems: list[Problem], tmp_path: Path
) -> None:
    bad = [replace(problems[0], question="Every lempus is a rompus. " * 200), Problem("\ud800 half", (), "")]
    build(prosqa, [problems[0], *bad, problems[1]], tmp_path / "A", source=PROSQA)
    rows = Atlas.open(tmp_path / "A").rows()
    assert [row["error"] is None for row in rows][:2] == [True, False]
    assert (rows[1]["said"], rows[1]["right"]) == (None, None)
    assert rows[3]["right"] is not None
    assert Atlas.open(tmp_path / "A").count("error is null and used") == sum(bool(row["used"]) for row in rows)


def test_no_thoughts_at_all(prosqa: CoconutModel, problems: list[Problem], tmp_path: Path) -> None:
    build(prosqa, problems[:3], tmp_path / "A", source=PROSQA, settings=Settings(thoughts=0))
    atlas = Atlas.open(tmp_path / "A")
    assert [row["thoughts"] for row in atlas.rows()] == [0, 0, 0]
    assert {row["used"] for row in atlas.rows()} == {None}
    assert atlas.summary().tokens == ()
    with pytest.raises(CoconutError, match="run 0 has no thought 1"):
        atlas.nearest(0, 1)
    with pytest.raises(CoconutError, match="at least two thoughts"):
        atlas.projection()


@pytest.mark.smollm2
def test_a_model_that_was_never_trained_to_think_has_its_atlas(smollm2_folder: Path, tmp_path: Path) -> None:
    model = CoconutModel.from_pretrained(smollm2_folder)
    problems = [Problem("What is the capital of France?", (), ""), generate_problems("prosqa", 1, 1)[0]]
    settings = Settings(thoughts=2, answer_only=False, max_new_tokens=3)
    build(model, problems, tmp_path / "A", source=str(smollm2_folder), settings=settings)
    atlas = Atlas.open(tmp_path / "A")
    first, second = atlas.rows()
    assert (first["thoughts"], len(first["tokens"][1]), first["right"]) == (2, 5, None)
    assert (first["frontier"], second["frontier"]) == (None, None)  # a node's name is several tokens
    assert second["right"] is False
