"""Settings: where they come from, which wins, and that a wrong one is named."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from coconut_core.common.errors import CoconutError
from coconut_tui.actions.table import ACTIONS, check_keys, keys_anywhere, keys_in_force
from coconut_tui.config import Config, default_path
from tests.tui.settings_files import assert_named_in_one_line, load_config, written


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def test_without_any_source_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load_config(environment={})
    assert loaded.config == Config()
    assert not loaded.found
    assert set(loaded.sources.values()) == {"default"}
    assert loaded.path == default_path()
    if sys.platform == "linux":
        assert loaded.path == tmp_path / "home" / "coconut-tui" / "config.toml"


def test_the_command_line_wins_over_environment_over_file(tmp_path: Path) -> None:
    path = written(
        tmp_path, 'model = "a"\ndevice = "cpu"\ntop_k = 3\nthoughts = 0\n[keys]\nstep = ["f5", "space"]\n'
    )
    environment = {"COCONUT_TUI_DEVICE": "cuda:1", "COCONUT_TUI_TOP_K": "4", "PATH": "/bin"}
    loaded = load_config(path, {"top_k": 5, "model": None}, environment)
    assert loaded.config == Config(model="a", device="cuda:1", top_k=5, thoughts=0, keys={"step": "f5,space"})
    assert loaded.found
    assert {name: source for name, source in loaded.sources.items() if source != "default"} == {
        "model": "file",
        "device": "environment",
        "top_k": "command line",
        "thoughts": "file",
        "keys": "file",
    }


def test_the_environment_can_name_the_file_and_the_command_line_another(tmp_path: Path) -> None:
    path = written(tmp_path, "top_k = 3\n")
    environment = {"COCONUT_TUI_CONFIG": str(path)}
    assert load_config(environment=environment).config.top_k == 3
    other = tmp_path / "other.toml"
    other.write_text("top_k = 7\n", encoding="utf-8")
    assert load_config(other, environment=environment).config.top_k == 7


def test_every_setting_can_come_from_each_source(tmp_path: Path) -> None:
    values: dict[str, tuple[str, Any]] = {
        "model": ('"7"', "7"),
        "device": ('"mps"', "mps"),
        "dtype": ('"bfloat16"', "bfloat16"),
        "thoughts": ("3", 3),
        "top_k": ("3", 3),
        "theme": ('"nord"', "nord"),
        "palette": ('"high-contrast"', "high-contrast"),
        "branch_memory_mb": ("64", 64),
        "look_ahead": ("false", False),
        "keys": ('{step = "f5"}', {"step": "f5"}),
    }
    wanted = Config(**{name: value for name, (_, value) in values.items()})
    path = written(tmp_path, "".join(f"{name} = {text}\n" for name, (text, _) in values.items()))
    assert load_config(path, environment={}).config == wanted
    environment = {f"COCONUT_TUI_{name.upper()}": text.strip('"') for name, (text, _) in values.items()}
    assert load_config(environment=environment).config == wanted
    assert load_config(command_line={name: value for name, (_, value) in values.items()}).config == wanted


def test_what_is_printed_is_a_config_file_that_says_the_same(tmp_path: Path) -> None:
    given = Config(model='a "b"\\\x7f\n', thoughts=2, theme="nord", keys={"step": "f5,space", "help": "f1"})
    loaded = load_config(command_line=given.to_json(), environment={})
    text = loaded.to_toml()
    assert "(command line)" in text
    assert load_config(written(tmp_path, text), environment={}).config == given
    assert set(tomllib.loads(load_config(environment={}).to_toml())) == {*Config().to_json()} - {"thoughts"}
    assert loaded.to_json()["values"] == given.to_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tok_k = 3", "'tok_k' is no setting: known are model, "),
        ('top_k = "3"', "'top_k' cannot be \"3\": write a whole number, 1 or more"),
        ("top_k = 0", "'top_k' cannot be 0"),
        ("top_k = true", "'top_k' cannot be true"),
        ("thoughts = -1", "0 or more"),
        ('model = " "', "write a text"),
        ("model = 3", "write a text"),
        ('device = "gpu"', "write auto, cpu, cuda, cuda:1 or mps"),
        ('dtype = "int8"', "write one of auto, float32, bfloat16, float16"),
        ('theme = "purple"', "'theme' is 'purple': known are ansi-dark, "),
        ('palette = "x"', "standard, high-contrast"),
        ("keys = 3", "write a table such as"),
        ('[keys]\nstp = "x"', "no action 'stp': known are step"),
        ("[keys]\nstep = 3", "the keys of 'step'"),
        ('[keys]\nstep = ""', "the keys of 'step'"),
        ('[keys]\nstep = "f5"\nback = "f5,b"', "the key 'f5' would be both 'step' and 'back'"),
        ("top_k = ", "is not valid TOML"),
        ("a = " + "[" * 5000, "is not valid TOML"),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert_named_in_one_line(written(tmp_path, text), said)


def test_wrong_entries_are_spelt_as_they_were_given(tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match=r"^COCONUT_TUI_TOP_K cannot be \"many\": write a whole number"):
        load_config(environment={"COCONUT_TUI_TOP_K": "many"})
    with pytest.raises(CoconutError, match=r"^COCONUT_TUI_MODLE is no setting"):
        load_config(environment={"COCONUT_TUI_MODLE": "x"})
    with pytest.raises(CoconutError, match=r"^--top-k cannot be 0"):
        load_config(command_line={"top_k": 0}, environment={})


def test_a_named_file_must_be_there_and_readable(tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match="there is no config file"):
        load_config(tmp_path / "not-there.toml", environment={})
    with pytest.raises(CoconutError, match="there is no config file"):
        load_config(environment={"COCONUT_TUI_CONFIG": str(tmp_path / "not-there.toml")})
    with pytest.raises(CoconutError, match="cannot read the config file"):
        load_config(tmp_path, environment={})
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CoconutError, match="cannot read the config file"):
        load_config(tmp_path / "config.toml", environment={})


def test_a_key_may_move_from_one_action_to_another(tmp_path: Path) -> None:
    text = '[keys]\nstep = "b"\nback = "s"\n'
    keys = load_config(written(tmp_path, text), environment={}).config.keys
    assert keys == {"step": "b", "back": "s"}


def test_a_key_that_is_set_is_taken_from_the_action_that_had_it() -> None:
    keys = {"question": "q", "step": "b", "zero": "e", "quit": "x"}
    check_keys(keys)
    in_force = keys_in_force(keys)
    assert [in_force[name] for name in ("question", "leave", "step", "back")] == ["q", "", "b", "backspace"]
    assert [in_force[name] for name in ("zero", "edit", "quit", "pin")] == ["e", "", "x", ""]
    assert keys_anywhere(keys)["quit"] == "", "a letter is written into a field"
    assert keys_anywhere({})["quit"] == "ctrl+q"


def test_each_action_can_be_given_its_own_keys_again() -> None:
    keys = {action.name: action.keys for action in ACTIONS}
    assert load_config(command_line={"keys": keys}, environment={}).config.keys == keys


def test_settings_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom coconut_tui.config import load_config\nload_config(environment={})\n"
        "heavy = {'torch', 'transformers', 'textual'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_the_document_names_every_setting() -> None:
    text = (Path(__file__).parents[2] / "docs" / "SETTINGS.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == [*Config().to_json()]
