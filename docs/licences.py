"""The table of docs/LICENCES.md: what is pinned in constraints.txt, and the licences which the packages state.

.venv/bin/python docs/licences.py [--write]     after `make setup`; without --write the table is printed
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from coconut_core.common.markdown import markdown_table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "LICENCES.md"
BEGIN, END = "<!-- table: python docs/licences.py --write -->", "<!-- end of the table -->"
HEAD = ["package", "version", "licence", "installed for"]
PROJECT = "coconut-tui"
DEVELOPMENT = "development"
PARTS = {"": "runtime"} | {
    extra: f"`{extra}`" for extra in ("serve", "tensorboard", "gguf", "lora", "datasets", "kbit")
}  # by extra
LONG = 60  # characters; what is longer is a licence's text, not its name
STRONG = re.compile(r"(?<![a-z])A?GPL|GNU (Affero )?General Public", re.IGNORECASE)
WEAK = re.compile(r"LGPL|Lesser|MPL|Mozilla", re.IGNORECASE)


def pins() -> dict[str, str]:
    """Version by name, as constraints.txt has them."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = (line.partition("==") for line in lines if not line.startswith("#"))
    return {name: number for name, equals, number in pinned if equals}


def installed(name: str) -> str | None:
    """The version here, without its "+cpu" or "+cu…"."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def stated_licence(name: str) -> str:
    """What the package's metadata state: as an expression, by name, or among the classifiers."""
    about = metadata(name)
    for key in ("License-Expression", "License"):
        named = about[key].strip() if key in about else ""
        if named and "\n" not in named and (key == "License-Expression" or len(named) <= LONG):
            return named
    classified = [each for each in about.get_all("Classifier") or () if each.startswith("License ::")]
    return ", ".join(each.rpartition(" :: ")[2] for each in classified) or "not stated"


def needed_by(extra: str) -> set[str]:
    """The packages that the project brings along with that extra, and all that these bring along."""
    found: set[str] = set()
    open_ends = [(PROJECT, frozenset({extra}))]
    seen = set(open_ends)
    while open_ends:
        name, extras = open_ends.pop()
        for line in (requires(name) or ()) if installed(name) else ():
            needed = Requirement(line)
            if needed.marker and not any(needed.marker.evaluate({"extra": each}) for each in extras | {""}):
                continue
            step = (canonicalize_name(needed.name), frozenset(needed.extras))
            found.add(step[0])
            if step not in seen:
                seen.add(step)
                open_ends.append(step)
    return found


def rows() -> list[list[str]]:
    """The table: every pinned package, which must be installed."""
    parts = {label: needed_by(extra) for extra, label in PARTS.items()}
    table = []
    for name, number in sorted(pins().items(), key=lambda pin: pin[0].lower()):
        if installed(name) != number:
            raise SystemExit(f"{name} {number} is not installed: run make setup first")
        labels = [label for label, names in parts.items() if canonicalize_name(name) in names]
        table.append([name, number, stated_licence(name), labels[0] if labels else DEVELOPMENT])
    return table


def written() -> list[list[str]]:
    """The rows that the page has."""
    lines = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def main() -> None:
    """Print the table, or put it between the page's markers."""
    table = markdown_table(HEAD, rows(), left=HEAD)
    if "--write" not in sys.argv[1:]:
        print(table)
        return
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE} lacks the markers {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
