"""The tables of docs/MODELS.md have the rows and columns that the code has, and say what the tests say."""

from importlib import import_module
from itertools import product

import pytest

from coconut_core.checkpoints import IMPORTERS
from coconut_core.latent.architectures import TESTED
from tests import models_table
from tests.core.tiny_architectures import RECURRENT
from tests.models_table import ARCHITECTURES, BEGIN, COLUMNS, END, FORMATS, PAGE, REFUSALS, replaced, tables


def rows_of(text: str) -> list[list[list[str]]]:
    """The tables of a page, each as rows of cells; rules left out."""
    found = []
    for part in text.strip().split("\n\n"):
        lines = [line for line in part.splitlines() if not line.startswith("| ---")]
        found.append([[cell.strip() for cell in line.strip("|").split("|")] for line in lines])
    return found


def test_the_page_has_a_row_for_every_architecture_and_format_and_nothing_failed() -> None:
    text = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    architectures, formats = rows_of(text)
    assert architectures[0] == ["architecture", *COLUMNS]
    assert [row[0] for row in architectures[1:]] == list(TESTED.values())
    assert all(
        cell in ("yes", "yes, by recomputing", "refused") for row in architectures[1:] for cell in row[1:]
    )
    assert [row[0] for row in formats[1:]] == [f"`{name}`" for name in IMPORTERS]
    assert set(formats[0][1:]) <= set(TESTED.values())
    assert all(cell in ("yes", "") for row in formats[1:] for cell in row[1:])
    assert all("yes" in row for row in formats[1:])


def test_every_cell_stands_on_tests_that_are_there() -> None:
    assert FORMATS.keys() == IMPORTERS.keys()
    for module, tests in ((ARCHITECTURES, [*sum(COLUMNS.values(), ()), REFUSALS]), *FORMATS.values()):
        for name in tests:
            assert callable(getattr(import_module(module), name)), f"{module} has no {name}"


def test_a_cell_says_what_came_of_its_tests() -> None:
    names = [*sum(COLUMNS.values(), ()), REFUSALS]
    results = {(ARCHITECTURES, test, name): [True] for test, name in product(names, TESTED)}
    results[ARCHITECTURES, "test_batches_of_any_lengths_say_what_single_runs_say", "phi"] = [True, False]
    results[ARCHITECTURES, REFUSALS, "jamba"] = [False]
    results["tests.core.test_checkpoints_official", "test_it_has_the_official_loss", "gpt2"] = [True]
    architectures, formats = rows_of(tables(results))
    found = {row[0]: dict(zip(architectures[0], row, strict=True)) for row in architectures[1:]}
    assert (found["Phi"]["batches"], found["Phi-3"]["batches"]) == ("no", "yes")
    assert (found["Jamba"]["attention"], found["Mamba"]["attention"]) == ("no", "refused")
    assert sum(row["go back, fork, edit"] == "yes, by recomputing" for row in found.values()) == len(RECURRENT)
    assert formats == [
        ["format", "GPT-2"],
        ["`official`", "yes"],
        *([f"`{name}`", ""] for name in list(IMPORTERS)[1:]),
    ]


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert replaced(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter"
    with pytest.raises(SystemExit, match="lacks the markers"):
        replaced("no marker", "new")
    assert models_table.PAGE.name == "MODELS.md"
