"""What other packages add to the project's tables, through Python entry points; see docs/EXTENDING.md.

A table is a dict of what comes with the project, and the name of a group of entry points: an entry point's name
is the key, what it refers to is the value. Which ones there are is read when a table is first asked; a plugin
is imported when its name is looked up or all values are wanted, and only then. Needs no torch.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from coconut_core.common.errors import CoconutError, one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

FEEDBACK_GROUP = "coconut.feedback"
METHODS_GROUP = "coconut.methods"
OWN_PACKAGE = "coconut-tui"  # where what is built in comes from

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table(Generic[T]):
    """Things by their names: those of the project and those of plugins."""

    what: str  # what one of them is, in words
    group: str  # of entry points
    holds: type[T]
    built_in: Mapping[str, T]

    def names(self) -> list[str]:
        """All names, those of the project first; whether a plugin can be imported is not tried."""
        return list(dict.fromkeys([*self.built_in, *(plugin.name for plugin in plugins_of(self.group))]))

    def get(self, name: str | None) -> T | None:
        """What has that name; None where nothing has. Raises CoconutError in one line where two packages
        register the name, and where its plugin cannot be imported or is something else."""
        own = [] if name not in self.built_in else [OWN_PACKAGE]
        plugins = [plugin for plugin in plugins_of(self.group) if plugin.name == name]
        packages = [*own, *map(package_of, plugins)]
        if len(packages) > 1:
            raise CoconutError(
                f"the {self.what} '{name}' comes from two packages, {packages[0]} and {packages[1]}: "
                "uninstall one of them"
            )
        if plugins:
            return self._value_of(plugins[0])
        return None if name is None else self.built_in.get(name)

    def problems(self) -> list[str]:
        """What is wrong with plugins, in a line each."""
        faults = []
        for name in self.names():
            try:
                self.get(name)
            except CoconutError as error:
                faults.append(str(error))
        return faults

    def values(self) -> dict[str, T]:
        """All by their names, but for plugins that do not work: those are logged, once, and left out."""
        working: dict[str, T] = {}
        for name in self.names():
            try:
                value = self.get(name)
            except CoconutError as error:
                _log_once(str(error))
                value = self.built_in.get(name)
            if value is not None:
                working[name] = value
        return working

    def _value_of(self, plugin: "EntryPoint") -> T:
        value = _import(plugin)
        subject = f"the {self.what} '{plugin.name}' of the package {package_of(plugin)}"
        if isinstance(value, BaseException):
            reason = f"{type(value).__name__}: {one_line(value)}"
            raise CoconutError(f"{subject} cannot be imported ({reason}): mend or uninstall that package")
        if not isinstance(value, self.holds):
            raise CoconutError(f"{subject} must be a {self.holds.__name__}, not a {type(value).__name__}")
        if (named := getattr(value, "name", plugin.name)) != plugin.name:
            raise CoconutError(f"{subject} calls itself '{named}': both names must be the same")
        return value


@cache
def plugins_of(group: str) -> "tuple[EntryPoint, ...]":
    """The entry points of a group, by their names and packages."""
    from importlib.metadata import entry_points  # some 50 ms, which `coconut --help` can do without

    return tuple(sorted(entry_points(group=group), key=lambda plugin: (plugin.name, package_of(plugin))))


def package_of(plugin: "EntryPoint") -> str:
    """Name and version of the package that an entry point comes from."""
    return "unknown" if plugin.dist is None else f"{plugin.dist.name} {plugin.dist.version}"


@cache
def _import(plugin: "EntryPoint") -> Any:
    """What an entry point refers to, or what its import raised: it is tried once."""
    try:
        return plugin.load()
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything
        return error


@cache
def _log_once(text: str) -> None:
    _logger.warning(text)
