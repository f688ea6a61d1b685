"""The folder of findings: one file each, found by name, never written over."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import written_aside
from coconut_tui.findings.finding import Finding
from coconut_tui.findings.text import finding_text, read_finding

LARGEST = 16 * 2**20  # bytes of a file that is read
_LONGEST_NAME = 60  # characters


@dataclass(frozen=True)
class Filter:
    """Which findings are meant. All has to fit."""

    tags: tuple[str, ...] = ()
    model: str = ""  # a part of its source
    words: tuple[str, ...] = ()  # each stands in title, tags, note, question or model

    @classmethod
    def typed(cls, text: str) -> "Filter":
        """What a person types into one field: words, #tags, and model:NAME."""
        parts = text.split()
        models = [part.removeprefix("model:") for part in parts if part.startswith("model:")]
        return cls(
            tuple(part[1:] for part in parts if part.startswith("#") and len(part) > 1),
            models[-1] if models else "",
            tuple(part for part in parts if part[0] != "#" and not part.startswith("model:")),
        )

    def fits(self, finding: Finding) -> bool:
        """Whether a finding is meant."""
        own = {tag.lower() for tag in finding.tags}
        text = "\n".join(
            (finding.title, *finding.tags, finding.note, finding.run.question, finding.model.source)
        ).lower()
        return (
            all(tag.lower() in own for tag in self.tags)
            and self.model.lower() in finding.model.source.lower()
            and all(word.lower() in text for word in self.words)
        )


def add_finding(folder: Path, finding: Finding) -> Path:
    """Write a finding under a name made of its title; returns the path. Raises CoconutError where it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = finding_text(finding)
        for name in _names(finding.title):
            path = folder / f"{name}.md"
            try:
                with written_aside(path, fresh=True) as file:
                    file.write(text)
            except FileExistsError:
                continue
            return path
    except (OSError, UnicodeEncodeError) as error:
        raise CoconutError(f"the finding cannot be written into {folder}: {error}") from error
    raise AssertionError("names do not end")


def load_finding(path: Path) -> Finding:
    """Read a finding. Raises CoconutError in one line, with the entry that is wrong, for what is none."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise CoconutError(f"{path}: it is no finding: it is larger than {LARGEST // 2**20} MB")
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: other bytes than text, or in the path
        raise CoconutError(f"cannot read the finding {path}: {error}") from error
    return read_finding(text, path)


def list_findings(
    folder: Path, say: Callable[[str], object], which: Filter | None = None
) -> list[tuple[Path, Finding]]:
    """The findings of a folder, newest first. say is told what cannot be read, in a line each."""
    which = Filter() if which is None else which
    known: list[tuple[Path, Finding]] = []
    for path in sorted(folder.glob("*.md")):
        try:
            finding = load_finding(path)
        except CoconutError as error:
            if not _is_other(path):
                say(str(error))
            continue
        if which.fits(finding):
            known.append((path, finding))
    return sorted(known, key=lambda item: item[1].date, reverse=True)


def find_file(folder: Path, name: str) -> Path:
    """The file of a finding that is named by its path, or by its name in the folder. Raises CoconutError."""
    for path in (Path(name), folder / name, folder / f"{name}.md"):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in folder.glob("*.md"))[:8])
    raise CoconutError(
        f"there is no finding '{name}'" + (f": {folder} has {known}" if known else f" in {folder}")
    )


def _is_other(path: Path) -> bool:
    """Whether a file is some other Markdown, such as a README beside the findings."""
    with path.open("rb") as file:
        return not file.read(200).lstrip(b"\xef\xbb\xbf").startswith((b"---\nformat:", b"---\r\nformat:"))


def _names(title: str) -> Iterator[str]:
    """File names for a title: letters and digits, then with a number."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    stem = "-".join(re.findall("[a-z0-9]+", plain))[:_LONGEST_NAME].strip("-") or "finding"
    yield stem
    for number in count(2):
        yield f"{stem}-{number}"
