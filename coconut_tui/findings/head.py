"""The head of a finding: YAML of texts, numbers, true, false and null, without aliases."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from coconut_core.common.errors import one_line

_DEEPEST = 50  # lists and objects inside each other; a finding has five


def write_head(entries: Any) -> str:
    """Entries as lines of YAML."""
    return str(
        yaml.dump(
            _compact(entries),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=False,
            width=110,
        )
    )


def read_head(text: str) -> Any:
    """What write_head gave, or a person wrote. Raises ValueError for what is no such YAML."""
    try:
        _check_plain(text)
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(one_line(error)) from error


# -- inside ------------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # without libyaml in Python
    """Reads texts, numbers, true, false and null; a date is a text, and so is `no`."""

    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes what this or another reader would take for something else than a text."""


for _kind, _pattern in (
    ("null", r"null|~|"),
    ("bool", r"true|false"),
    ("int", r"[-+]?\d{1,18}"),
    ("float", r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?"),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), None)


class _Line(list[Any]):
    """A list that is written in one line."""


_Dumper.add_representer(
    _Line, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _compact(value: Any) -> Any:
    """The same with lists of short things in one line, however deep they lie."""
    if isinstance(value, Mapping):
        return {name: _compact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        plain = all(not isinstance(item, Mapping) for item in value)
        return _Line(value) if plain and len(str(value)) < 2000 else [_compact(item) for item in value]
    return value


def _check_plain(text: str) -> None:
    """Raise ValueError for YAML that refers to its own parts, which could unfold without end, or that is
    as deep as none has to be: libyaml's own stack ends at some ten thousand."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("a finding uses no aliases (&, *)")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError("its lists lie too deep in each other")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
