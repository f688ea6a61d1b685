"""What other packages add: the worked example installed and used, and every way a plugin can be wrong."""

import json
import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from coconut_core.checkpoints.importers import importer_named, other_formats
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.feedback import feedback_text, read_feedback
from coconut_core.problems import Graph, example_problem, generate_problems, recognise, split_of
from coconut_core.problems.families import TABLE, family_named
from coconut_core.problems.twins import twin_of
from coconut_core.problems.wording import build_tokenizer
from coconut_core.runs.session import Session
from tests.abuse.warm import Done, Warm
from tests.core.plugin_sites import EXAMPLE, install_example, seen, write_package
from tests.core.reference import states_of, word_embeddings
from tests.core.tiny_official import official_run, write_base
from tests.core.tiny_recipes import tiny_recipe, train

Run = Callable[..., Done]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the worked example is installed."""
    return install_example(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model and a checkpoint in the example's format."""
    folder = tmp_path_factory.mktemp("bundle")
    write_base("gpt2", folder / "base")
    weights = official_run("gpt2").base_causallm.state_dict()
    save_file({f"lm.{name}": weight.clone() for name, weight in weights.items()}, folder / "bundle.safetensors")
    return folder


@pytest.fixture(scope="module")
def converted(site: Path, bundle: Path, coconut: Run) -> Path:
    """The same as the command converts it with the example's importer."""
    done = coconut(
        *("convert", "bundle", bundle / "bundle.safetensors", "--base", bundle / "base"),
        *("--family", "heights", "--out", bundle / "converted"),
        site=site,
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(bundle / "converted")), done.stderr
    return bundle / "converted"


@pytest.fixture(scope="module")
def coconut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run `coconut` in a fork of a process that has imported torch, with what is in a folder besides."""
    warm, cache = Warm(), str(tmp_path_factory.mktemp("cache"))

    def run(*arguments: object, site: Path | None = None) -> Done:
        path = {} if site is None else {"PYTHONPATH": str(site)}
        return warm.run("coconut", *arguments, environment={**path, "COLUMNS": "150", "XDG_CACHE_HOME": cache})

    yield run
    warm.close()


# -- the worked example ------------------------------------------------------------------------------------


def test_the_installed_command_lists_what_is_registered_and_from_where(site: Path) -> None:
    command = [str(Path(sys.executable).with_name("coconut")), "plugins", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    listed = json.loads(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    found = {(row["what"], row["name"]): row for row in listed}
    plugged = [name for name, row in found.items() if row["package"] == "coconut-example 0.1.0"]
    assert plugged == [
        ("feedback", "rounded"),
        ("format", "bundle"),
        ("problem family", "heights"),
        ("method", "two-ways"),
        ("view", "norms"),
    ]
    assert found["feedback", "hidden"]["package"] == found["view", "numbers"]["package"] == "coconut-tui"
    assert {row["problem"] for row in listed} == {None}


def test_a_package_can_have_a_table_of_its_own_and_it_is_listed(tmp_path: Path, coconut: Run) -> None:
    write_package(
        tmp_path,
        "more-things",
        "from coconut_core.common.plugins import Table\n"
        "TABLE = Table('colour', 'more.colours', int, {'red': 1})\n",
        "[coconut.tables]\ncolour = more_things:TABLE\n[more.colours]\nblue = more_things:TABLE\n",
    )
    listed = json.loads(coconut("plugins", "--json", site=tmp_path).stdout)
    assert [row["name"] for row in listed if row["what"] == "colour"] == ["red", "blue"]
    assert "must be a int" in next(row["problem"] for row in listed if row["name"] == "blue")
    assert {"view", "feedback"} < {row["what"] for row in listed}


def test_a_family_of_a_plugin_makes_problems(site: Path, coconut: Run, tmp_path: Path) -> None:
    made = coconut(
        "data", "make", "heights", "--count", 20, "--hops", "3", "--out", tmp_path / "h.json", site=site
    )
    assert made.returncode == 0, made.stderr
    problems = json.loads((tmp_path / "h.json").read_text())
    assert [len(problem["steps"]) for problem in problems] == [3] * 20
    assert json.loads(coconut("data", "stats", tmp_path / "h.json", "--json").stdout)["problems"] == 20
    refused = coconut("data", "make", "heights", "--out", tmp_path / "no.json")
    assert refused.stderr.startswith("error: unknown problem family 'heights': known are prosqa,")


def test_a_family_of_a_plugin_is_one_like_the_others(site: Path) -> None:
    with seen(site):
        heights, tokenizer = family_named("heights"), build_tokenizer("heights")
        for problem in generate_problems("heights", 50, seed=3, split="train"):
            found = recognise(problem.question)
            assert (found.steps, found.answer) == (problem.steps, problem.answer)
            assert isinstance(problem.graph, Graph)
            again = heights.retell(problem.graph, random.Random(1))
            assert isinstance(again.graph, Graph)
            assert (len(again.steps), split_of(again.graph)) == (len(problem.steps), "train")
            told = f"{problem.question}\n{problem.steps[0]}\n### {problem.answer}"
            assert tokenizer.decode(tokenizer(told).input_ids) == told
            assert tokenizer.unk_token_id not in tokenizer(told).input_ids
            assert twin_of(problem, random.Random(0)) is None  # which knows the project's wordings only
        assert example_problem("heights", 2) == example_problem("heights", 2)


def test_a_method_of_a_plugin_is_a_small_file_and_trains(site: Path, coconut: Run, tmp_path: Path) -> None:
    assert len((EXAMPLE / "coconut_example" / "method.py").read_text().splitlines()) < 80
    listed = coconut("train", "--list", site=site).stdout.splitlines()
    assert any(line.startswith("two-ways ") and "(coconut-example 0.1.0)" in line for line in listed)
    assert any("options.words_weight = 1.0" in line for line in listed)
    with seen(site):
        recipe = tiny_recipe(method="two-ways", curriculum={"lookup": 0}, options={"words_weight": 0.5})
        rows = [row for row in train(recipe, tmp_path / "run") if "terms" in row]
        assert all(set(row["terms"]) == {"thoughts", "words"} for row in rows)
        assert rows[0]["terms"]["words"] == pytest.approx(rows[0]["loss"] / 2, rel=1e-3)  # stage 0 is in words
        assert rows[-1]["terms"]["words"] != pytest.approx(rows[-1]["loss"] / 2, rel=1e-3)
        with pytest.raises(CoconutError, match="which is an option of two-ways: leave it out"):
            tiny_recipe(method="cot", options={"words_weight": 0.5})
        with pytest.raises(CoconutError, match="the warm-up has none: set it to 0"):
            tiny_recipe(method="two-ways")
    model = CoconutModel.from_pretrained(tmp_path / "run" / "checkpoint", device="cpu")  # without the plugin
    assert model.config.recipe["method"] == "two-ways"
    assert len(model.run(example_problem("prosqa", 1)).answers) == 1


def test_a_checkpoint_of_a_plugin_is_converted_and_asked(
    site: Path, converted: Path, bundle: Path, coconut: Run
) -> None:
    config = json.loads((converted / "coconut.json").read_text())
    assert (config["feedback"], config["feedback_package"]) == ("rounded", "coconut-example 0.1.0")
    asked = coconut("ask", "--model", converted, "--example", 1, "--json", site=site)
    assert asked.returncode == 0, asked.stderr
    seen_run = json.loads(asked.stdout)
    opened = coconut(
        *("ask", "--model", f"bundle:{bundle / 'bundle.safetensors'}", "--base", bundle / "base"),
        *("--json", seen_run["question"]),
        site=site,
    )
    assert opened.returncode == 0, opened.stderr
    assert json.loads(opened.stdout)["text"] == seen_run["text"]


def test_a_run_feeds_what_the_plugins_rule_makes_of_each_thought(site: Path, converted: Path) -> None:
    with seen(site):
        session = Session(CoconutModel.from_pretrained(converted, device="cpu"), "2 apples?", thoughts=3)
    model, table = session.model, word_embeddings(session.model)
    fed: list[torch.Tensor] = []
    embeddings = [table[token] for token in session.prompt_ids]
    for _ in range(3):
        state = states_of(model, [*embeddings, *fed])[-1]
        torch.testing.assert_close(session.think().state, state, rtol=1e-4, atol=1e-4)
        fed.append((state * 4).round() / 4)


def test_a_plugins_feedback_and_its_options_can_be_chosen_for_any_model(site: Path, bundle: Path) -> None:
    with seen(site):
        model = CoconutModel.from_pretrained(bundle / "base", device="cpu", feedback="rounded:step=0.5")
        assert feedback_text(model.config) == "rounded:step=0.5"
        states = torch.tensor([[0.3, -0.9, 1.6]])
        torch.testing.assert_close(model.feedback(states), torch.tensor([[0.5, -1.0, 1.5]]))
        with pytest.raises(CoconutError, match="'step' must be a number above 0, not -1"):
            read_feedback("rounded:step=-1")
        with pytest.raises(CoconutError, match=r"choose one of hidden, .*, rounded$"):
            read_feedback("nothing")


def test_a_checkpoint_without_its_plugin_says_which_package_is_missing(converted: Path, coconut: Run) -> None:
    refused = coconut("ask", "--model", converted, "?")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"error: {converted}/coconut.json: the feedback 'rounded' comes with the package coconut-example "
        "0.1.0, which is not installed: install it\n"
    )


def test_what_is_built_in_names_no_package(tmp_path: Path, site: Path) -> None:
    with seen(site):
        CoconutConfig(0, 1, 2, feedback="rounded").save(tmp_path)
        saved = CoconutConfig.load(tmp_path)
        assert saved is not None
        assert saved.feedback_package == "coconut-example 0.1.0"
        replace(saved, feedback="hidden").save(tmp_path)
    assert "feedback_package" not in json.loads((tmp_path / "coconut.json").read_text())


def test_the_help_imports_no_plugin_and_no_torch(site: Path) -> None:
    code = (
        "import sys\n"
        "from coconut_core.cli.app import app\n"
        "app(['convert', '--help'], standalone_mode=False)\n"
        "heavy = [name for name in sys.modules if name.startswith(('torch', 'coconut_example'))]\n"
        "print(heavy, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert "sim-cot" in done.stdout
    assert done.stderr == "[]\n"


# -- what can be wrong with one ----------------------------------------------------------------------------


def test_a_plugin_that_cannot_be_imported_is_named_and_takes_nothing_else_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, coconut: Run
) -> None:
    write_package(
        tmp_path,
        "bad-news",
        "import not_there_at_all\n",
        "[coconut.families]\nnews = bad_news:NEWS\n[coconut.importers]\nnews = bad_news:NEWS\n",
    )
    told = (
        "the problem family 'news' of the package bad-news 1.0 cannot be imported "
        "(ModuleNotFoundError: No module named 'not_there_at_all'): mend or uninstall that package"
    )
    with seen(tmp_path), caplog.at_level(logging.WARNING):
        with pytest.raises(CoconutError) as raised:
            family_named("news")
        assert str(raised.value) == told
        question = generate_problems("prosqa", 1, seed=0)[0].question
        assert recognise(question) is not None
        assert recognise(question) is not None
        assert other_formats(["codi.x"], "official") == "Its tensors look like another format: codi."
    assert [record.getMessage() for record in caplog.records] == [
        told,
        told.replace("problem family", "format"),
    ]
    made = coconut("data", "make", "news", "--out", tmp_path / "x.json", site=tmp_path)
    assert (made.returncode, made.stdout, made.stderr) == (2, "", f"error: {told}\n")
    listed = coconut("plugins", site=tmp_path)
    assert listed.returncode == 0
    assert "bad-news 1.0" in listed.stdout
    assert listed.stderr.splitlines() == [told.replace("problem family", "format"), told]


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "1 / 0", "raise ValueError('two\\nlines')"])
def test_whatever_a_plugin_raises_is_one_line(tmp_path: Path, code: str) -> None:
    write_package(tmp_path, "bad-news", code, "[coconut.families]\nnews = bad_news\n")
    with seen(tmp_path), pytest.raises(CoconutError, match=r"'news' of the package bad-news 1\.0") as raised:
        family_named("news")
    assert "\n" not in str(raised.value)


def test_two_packages_with_one_name_are_both_named(tmp_path: Path) -> None:
    for package in ("first-one", "second-one"):
        write_package(tmp_path, package, "", f"[coconut.families]\ntwice = {package.replace('-', '_')}:X\n")
    write_package(tmp_path, "third-one", "", "[coconut.families]\nprosqa = third_one:X\n")
    with seen(tmp_path):
        with pytest.raises(CoconutError) as raised:
            family_named("twice")
        assert str(raised.value) == (
            "the problem family 'twice' comes from two packages, first-one 1.0 and second-one 1.0: "
            "uninstall one of them"
        )
        with pytest.raises(
            CoconutError, match=r"'prosqa' comes from two packages, coconut-tui and third-one 1\.0"
        ):
            family_named("prosqa")
        assert TABLE.names() == [*TABLE.built_in, "twice"]
        assert TABLE.values() == TABLE.built_in  # what walks over all goes on with the project's own
        assert family_named("symbolic") is TABLE.built_in["symbolic"]


def test_a_plugin_of_the_wrong_kind_or_under_another_name_is_refused(tmp_path: Path) -> None:
    code = (
        "from coconut_core.checkpoints import Importer\n"
        "FAMILY = 3\n"
        "FORMAT = Importer('other', '', 'x.', 'nowhere:read')\n"
    )
    told = "[coconut.families]\nthree = wrong_kind:FAMILY\n[coconut.importers]\nthree = wrong_kind:FORMAT\n"
    write_package(tmp_path, "wrong-kind", code, told)
    with seen(tmp_path):
        with pytest.raises(CoconutError, match=r"wrong-kind 1\.0 must be a Family, not a int"):
            family_named("three")
        with pytest.raises(CoconutError, match="calls itself 'other': both names must be the same"):
            importer_named("three")
