"""The explorer's settings: command line over environment over config file over defaults.

The dataclass is the schema. Whatever does not fit it is named, with what is allowed, and not ignored.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_tui.run.layouts import BUILT_IN
from coconut_tui.run.lookups import FORMS
from coconut_tui.widgets.own_themes import checked_themes
from coconut_tui.widgets.palettes import PALETTES

PREFIX = "COCONUT_TUI_"
FILE_VARIABLE = PREFIX + "CONFIG"  # names the config file, so it is no entry of one
DTYPES = ("auto", "float32", "bfloat16", "float16")

Check = Callable[[Any], Any]  # a value as it was given → the value to keep; ValueError says what to write


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text(value: Any) -> str:
    if not _is_text(value):
        raise ValueError("write a text")
    return str(value)


def _whole(least: int) -> Check:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"write a whole number, {least} or more")
        return value

    return check


def _one_of(names: tuple[str, ...]) -> Check:
    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(f"write one of {', '.join(names)}")
        return str(value)

    return check


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


def _device(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        raise ValueError("write auto, cpu, cuda, cuda:1 or mps")
    return value


def _keys(value: Any) -> Mapping[str, str]:
    """Keys by action: a text such as "s,space", or a list of texts."""
    if not isinstance(value, Mapping):
        raise ValueError('write a table such as {step = "s,space"}')
    keys_by_action: dict[str, str] = {}
    for name, entry in value.items():
        keys = entry.split(",") if isinstance(entry, str) else entry
        if not isinstance(keys, list) or not keys or not all(map(_is_text, keys)):
            raise ValueError(f"write the keys of '{name}' as a text such as \"s,space\"")
        keys_by_action[name] = ",".join(key.strip() for key in keys)
    return keys_by_action


def _layouts(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError('write a table such as {mine = [["prompt"], ["thoughts"], ["graph", "inspect"]]}')
    return value


def _entry(default: Any, description: str, check: Check) -> Any:
    return field(default_factory=lambda: default, metadata={"description": description, "check": check})


@dataclass(frozen=True)
class Config:
    """The settings in force."""

    model: str = _entry("models/prosqa", "checkpoint folder or hub id to open", _text)
    device: str = _entry("auto", "auto, cpu, cuda, cuda:1 or mps", _device)
    dtype: str = _entry("auto", ", ".join(DTYPES), _one_of(DTYPES))
    thoughts: int | None = _entry(None, "number of thoughts; unset: as the checkpoint says", _whole(0))
    top_k: int = _entry(10, "tokens shown of a step", _whole(1))
    theme: str = _entry(
        "textual-dark", "a theme of Textual, such as textual-light or nord, or an own one", _text
    )
    palette: str = _entry("standard", ", ".join(PALETTES), _one_of(PALETTES))
    paint: bool = _entry(True, "paint the prompt with the attention of the selected step", _switch)
    form: str = _entry(FORMS[0], f"how thoughts are drawn: {', '.join(FORMS)}", _one_of(FORMS))
    layout: str = _entry("auto", f"panes on screen: {', '.join(BUILT_IN)}, or one of layouts", _text)
    branch_memory_mb: int = _entry(512, "memory for the caches of branches, in MB", _whole(1))
    look_ahead: bool = _entry(True, "work out the next step while you look at this one", _switch)
    findings: str = _entry("findings", "folder that findings are noted in", _text)
    remember: bool = _entry(True, "save sessions, and the models and questions used lately", _switch)
    keys: Mapping[str, str] = _entry({}, "action = keys, by the names of the actions", _keys)
    layouts: Mapping[str, Any] = _entry({}, "name = columns, each a list of panes and views", _layouts)
    themes: Mapping[str, Any] = _entry({}, "own themes: the fields of each, by its name", checked_themes)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {item.name: getattr(self, item.name) for item in fields(self)} | {
            "keys": dict(self.keys),
            "layouts": dict(self.layouts),
            "themes": {name: dict(fields) for name, fields in self.themes.items()},
        }


@dataclass(frozen=True)
class LoadedConfig:
    """The settings in force, the config file and where each setting comes from."""

    config: Config
    path: Path
    found: bool  # whether there is such a file
    sources: Mapping[str, str]  # "command line", "environment", "file" or "default"

    def to_toml(self) -> str:
        """A config file that says the same, with what each entry means and where its value comes from."""
        lines = [f"# {self.path}{'' if self.found else ' (not there)'}", ""]
        for item in fields(Config):
            value, source = getattr(self.config, item.name), self.sources[item.name]
            lines.append(f"# {item.metadata['description']} ({source})")
            if item.name == "keys":
                lines += ["[keys]", *(f"{name} = {_toml(keys)}" for name, keys in value.items())]
            elif item.name == "layouts":
                lines += ["[layouts]", *(f"{name} = {_toml(columns)}" for name, columns in value.items())]
            elif item.name == "themes":
                lines += ["[themes]", *(f"{_toml(name)} = {_inline(theme)}" for name, theme in value.items())]
            elif value is None:
                lines.append(f"# {item.name} =")
            else:
                lines.append(f"{item.name} = {_toml(value)}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "path": str(self.path),
            "found": self.found,
            "values": self.config.to_json(),
            "sources": dict(self.sources),
        }


def default_path() -> Path:
    """Where the config file is looked for: config.toml in the platform's folder for settings."""
    from platformdirs import user_config_path

    return user_config_path("coconut-tui", appauthor=False, roaming=True) / "config.toml"


def load_config(
    path: Path | None = None,
    command_line: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    check_keys: Callable[[Mapping[str, str]], object] = lambda keys: None,
    check_layouts: Callable[[Mapping[str, Any]], object] = lambda layouts: None,
) -> LoadedConfig:
    """The settings in force. command_line holds the options given there, None for those that were not;
    check_keys and check_layouts raise ValueError for what does not fit the actions and views there are.

    Raises CoconutError in one line for an entry that is unknown or not allowed, and for a file that was named
    and cannot be read.
    """
    environment = os.environ if environment is None else environment
    named = path if path is not None else _path_from(environment.get(FILE_VARIABLE))
    path = default_path() if named is None else named
    table = _read_file(path, must_exist=named is not None)
    values: dict[str, Any] = {}
    spellings: dict[str, str] = {}
    checks = {"keys": check_keys, "layouts": check_layouts}
    sources = {item.name: "default" for item in fields(Config)}
    for source, entries, spell in (
        ("file", table or {}, lambda name: f"{path}: '{name}'"),
        ("environment", _from_environment(environment), lambda name: PREFIX + name.upper()),
        ("command line", command_line or {}, lambda name: f"--{name.replace('_', '-')}"),
    ):
        for name, value in entries.items():
            if source == "command line" and value is None:
                continue
            values[name], sources[name] = _checked(name, value, spell(name), checks), source
            spellings[name] = spell(name)
    loaded = LoadedConfig(Config(**values), path, table is not None, sources)
    _check_name("layout", loaded, spellings, (*BUILT_IN, *loaded.config.layouts))
    if "theme" in spellings:
        from textual.theme import BUILTIN_THEMES

        _check_name("theme", loaded, spellings, (*sorted(BUILTIN_THEMES), *loaded.config.themes))
    return loaded


def _check_name(name: str, loaded: LoadedConfig, spellings: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raises CoconutError for a setting that names what there is not."""
    value = getattr(loaded.config, name)
    if value not in known:
        raise CoconutError(f"{spellings[name]} is '{value}': known are {', '.join(known)}")


def _path_from(text: str | None) -> Path | None:
    return user_path(text) if text else None


def _read_file(path: Path, *, must_exist: bool) -> dict[str, Any] | None:
    """A config file's entries; None where there is no file and none was named."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        if must_exist:
            raise CoconutError(f"there is no config file {path}") from error
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CoconutError(f"cannot read the config file {path}: {error}") from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise CoconutError(f"the config file {path} is not valid TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """COCONUT_TUI_TOP_K=5 as {"top_k": 5}: text where text is wanted, else the value as TOML writes it."""
    entries: dict[str, Any] = {}
    for variable, text in environment.items():
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE:
            name = variable.removeprefix(PREFIX).lower()
            entries[name] = text if isinstance(getattr(Config(), name, None), str) else _as_toml(text)
    return entries


def _as_toml(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _checked(name: str, value: Any, spelling: str, checks: Mapping[str, Callable[[Any], object]]) -> Any:
    known = {item.name: item.metadata["check"] for item in fields(Config)}
    if name not in known:
        raise CoconutError(f"{spelling} is no setting: known are {', '.join(known)}")
    try:
        checked = known[name](value)
        if name in checks:
            checks[name](checked)
        return checked
    except ValueError as error:
        if name == "themes":  # long, and the error says which field
            raise CoconutError(f"{spelling}: {error}") from error
        text = json.dumps(value, ensure_ascii=False, default=str)
        raise CoconutError(f"{spelling} cannot be {text}: {error}") from error


def _toml(value: Any) -> str:
    """A value as TOML writes it, which is as JSON does but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def _inline(theme: Mapping[str, Any]) -> str:
    """A theme as an inline table."""
    entries = (
        f"{_toml(name)} = {_inline(value) if isinstance(value, Mapping) else _toml(value)}"
        for name, value in theme.items()
    )
    return "{" + ", ".join(entries) + "}"
