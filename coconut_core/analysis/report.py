"""All readings in one table, and what they found as JSON, Markdown and SVG."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from coconut_core.analysis import check_readings
from coconut_core.analysis.attention import read_attention
from coconut_core.analysis.depth import read_depth
from coconut_core.analysis.inner_products import read_inner_products
from coconut_core.analysis.pca import read_pca
from coconut_core.analysis.probing import read_probes
from coconut_core.analysis.search import read_search
from coconut_core.analysis.series import read_series
from coconut_core.analysis.study import Section, Study
from coconut_core.analysis.values import read_values
from coconut_core.common.errors import CoconutError
from coconut_core.common.markdown import markdown_table
from coconut_core.common.whole_files import written_aside

RECORD, FORMAT = "analysis.json", "coconut-analysis"
READERS: dict[str, Callable[[Study], Section]] = {  # one for each of READINGS
    "search": read_search,
    "inner-products": read_inner_products,
    "values": read_values,
    "depth": read_depth,
    "attention": read_attention,
    "series": read_series,
    "pca": read_pca,
    "probes": read_probes,
}


def read_all(
    study: Study, names: Sequence[str] = (), say: Callable[[str], None] = lambda text: None
) -> dict[str, Section | str]:
    """Do the readings of these names, or all: what each found, or why it cannot be done with these problems.

    say is called with the name of each before it begins. Raises CoconutError for an unknown name, and where
    readings were named and one of them cannot be done.
    """
    check_readings(names)
    readings: dict[str, Section | str] = {}
    for name in names or READERS:
        say(name)
        try:
            readings[name] = READERS[name](study)
        except CoconutError as error:
            if names:
                raise
            readings[name] = str(error)
    return readings


def make_folder(folder: str | Path) -> Path:
    """Make the folder of a report. Raises CoconutError where that is refused, and where it holds files that a
    report could write over and that are of no earlier one."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [] if _is_report(folder / RECORD) else [*folder.glob("analysis.*"), *folder.glob("*.svg")]
    except OSError as error:
        raise CoconutError(f"cannot write into {folder}: {error.strerror or error}") from error
    if foreign:
        name = min(path.name for path in foreign)
        raise CoconutError(f"{folder} holds {name}, which is of no earlier analysis: choose another folder")
    return folder


def _is_report(path: Path) -> bool:
    """Whether a file is the record of an earlier report; what cannot be read is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and record.get("format") == FORMAT


def write_report(folder: str | Path, about: dict[str, Any], readings: dict[str, Section | str]) -> list[Path]:
    """Write analysis.json, analysis.md and one SVG a figure into a folder; returns their paths.

    about says what was read, as plain JSON data. Raises CoconutError where a file cannot be written.
    """
    folder = make_folder(folder)
    sections = {name: section for name, section in readings.items() if isinstance(section, Section)}
    record = {
        "format": FORMAT,
        "version": 1,
        **about,
        "readings": {name: section.record for name, section in sections.items()},
        "left_out": {name: reason for name, reason in readings.items() if isinstance(reason, str)},
    }
    texts = {
        folder / RECORD: json.dumps(record, ensure_ascii=False, indent=1) + "\n",
        folder / "analysis.md": _markdown(about, readings),
    }
    paths = list(texts)
    try:
        for path, text in texts.items():
            with written_aside(path) as file:
                file.write(text)
    except OSError as error:
        raise CoconutError(f"cannot write into {folder}: {error.strerror or error}") from error
    for section in sections.values():
        for name, figure in section.figures.items():
            figure.save_svg(folder / f"{name}.svg")
            paths.append(folder / f"{name}.svg")
    return paths


def _markdown(about: dict[str, Any], readings: dict[str, Section | str]) -> str:
    parts = ["# Readings of thoughts", "\n".join(f"- {name}: {value}" for name, value in about.items())]
    for name, section in readings.items():
        if isinstance(section, str):
            parts += [f"## {name}", f"Left out: {section}."]
            continue
        parts += [f"## {section.title}", section.about]
        parts += [f"![{figure}]({figure}.svg)" for figure in section.figures]
        for table in section.tables:
            parts += [f"{table.caption}:", markdown_table(table.head, table.rows)]
    return "\n\n".join(parts) + "\n"
