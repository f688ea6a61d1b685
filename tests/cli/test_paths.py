"""`~` where the shell has not expanded it: in every path of the command lines, in recipes and from Python."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer

from coconut_core.cli.app import app as coconut_app
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import check_outputs, user_path
from coconut_core.training.recipe import recipe_from_table, with_absolute_paths
from coconut_tui.cli import app as explorer_app
from coconut_tui.cli import commands
from tests.abuse.warm import Warm
from tests.cli.conftest import Run

SOURCES = ("model", "base", "plot")  # folders or hub ids, or - for the terminal: texts to the command line


def path_options(app: typer.Typer, program: str) -> Iterator[tuple[str, Any]]:
    """What each command, those of its subcommands included, says of its paths."""
    commands = [(each.callback, each.name) for each in app.registered_commands]
    commands += [(app.registered_callback.callback, "")] if app.registered_callback else []
    for function, command in commands:
        for name, kind in get_type_hints(function, include_extras=True).items():
            plain = get_args(kind)[0] if get_origin(kind) is Annotated else None
            if plain is not None and (name in SOURCES or Path in (plain, *get_args(plain))):
                yield f"{program} {command or function.__name__} {name}", kind.__metadata__[0]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from path_options(group.typer_instance, f"{program} {group.name}")


PATHS = {
    **dict(path_options(coconut_app, "coconut")),
    **dict(path_options(explorer_app, "coconut-tui")),
    **dict(path_options(commands, "coconut-tui")),
}


def test_there_are_paths() -> None:
    named = {"coconut ask model", "coconut train out", "coconut-tui export trace", "coconut-tui explore data"}
    assert named <= PATHS.keys()
    assert len(PATHS) > 25


@pytest.mark.parametrize("name", PATHS)
def test_every_path_of_a_command_line_is_expanded(name: str) -> None:
    expand = PATHS[name].callback
    assert expand is not None
    if name.endswith(SOURCES) and name not in ("coconut train plot", "coconut across plot"):
        assert expand("~/x") == str(Path.home() / "x")
        assert expand("owner/name") == "owner/name"
    else:
        assert expand(Path("~/x")) == Path.home() / "x"


def test_a_name_that_nobody_has_is_left_as_it_is() -> None:
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


def test_a_file_and_a_model_at_home(
    coconut: Run, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").symlink_to(checkpoint)
    done = coconut("data", "make", "prosqa", "--count", 2, "--out=~/made.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "made.json").read_text())) == 2
    done = coconut("ask", "--model=~/model", "--example", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "~").exists()
    assert CoconutModel.from_pretrained("~/model", device="cpu").config.thoughts == 3


def test_a_recipe_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "base").mkdir()
    asked = recipe_from_table(
        {"model": {"base": "~/base"}, "data": {"train": "~/a.json", "validation": "b.json"}}
    )
    recipe = with_absolute_paths(asked)
    assert recipe.model.base == str(tmp_path / "base")
    assert (recipe.data.train, recipe.data.validation) == (str(tmp_path / "a.json"), str(Path.cwd() / "b.json"))
    (tmp_path / "model.gguf").touch()
    for base, kept in (("~/model.gguf", str(tmp_path / "model.gguf")), ("owner/name", "owner/name"), ("", "")):
        assert with_absolute_paths(recipe_from_table({"model": {"base": base}})).model.base == kept


COMMANDS = {  # that would write over what they read, IN, or one output over another
    "eval --failures": ("coconut", "eval", "--model", "MODEL", "--data", "IN", "--failures", "OUT"),
    "two outputs": ("coconut", "eval", "--data", "IN", "--failures", "x.svg", "--plot", "x.svg"),
    "controls": ("coconut", "controls", "--model", "MODEL", "--data", "IN", "--out", "OUT"),
    "data convert": ("coconut", "data", "convert", "gsm8k", "IN", "OUT"),
    "export of a run": ("coconut-tui", "export", "IN", "--to", "OUT", "--force"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_that_is_read_is_written_over(name: str, warm: Warm, checkpoint: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text('[{"question": "Is it so?", "answer": "yes"}]')
    (tmp_path / "link.json").symlink_to(mine)
    for written in ("mine.json", "link.json"):
        files = {"IN": "mine.json", "OUT": written, "MODEL": checkpoint}
        done = warm.run(*(files.get(word, word) for word in COMMANDS[name]), cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "would be written over while it is needed" in done.stderr
    assert mine.read_text().startswith('[{"question": "Is it so?"')


def test_streams_and_what_is_not_there_are_no_files(tmp_path: Path) -> None:
    check_outputs([None, "-", "-", tmp_path / "new.svg"], [None, tmp_path / "missing.json", Path("-")])
    with pytest.raises(CoconutError, match="would be written over"):
        check_outputs([tmp_path / "a", tmp_path / "b" / ".." / "a"])


def test_what_is_read_by_a_name_with_columns_behind_it_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(CoconutError, match="would be written over"):
        check_outputs([tmp_path / "a.jsonl"], [tmp_path / "a.jsonl?steps=way"])
    (tmp_path / "b?steps=way").write_text("{}")  # a file that is really named so
    check_outputs([tmp_path / "b"], [tmp_path / "b?steps=way"])
