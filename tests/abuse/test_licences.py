"""docs/LICENCES.md names what constraints.txt pins, with the licences that the packages state."""

import pytest
from packaging.utils import canonicalize_name

from docs import licences
from docs.licences import DEVELOPMENT, PAGE, STRONG, WEAK, installed, needed_by, pins, stated_licence, written


def test_the_page_has_exactly_the_pinned_packages() -> None:
    assert {row[0]: row[1] for row in written()} == pins()
    assert len(written()) == len(pins())


def test_the_licences_are_those_that_the_installed_packages_state() -> None:
    here = [row for row in written() if installed(row[0]) == row[1]]  # .ci/ranges has other versions of some
    assert here
    assert {name: licence for name, _, licence, _ in here} == {row[0]: stated_licence(row[0]) for row in here}


@pytest.mark.parametrize("extra", licences.PARTS)
def test_what_the_program_needs_is_not_said_to_be_for_development(extra: str) -> None:
    needed = needed_by(extra)
    assert {"torch", "textual", "tqdm"} < needed
    assert not [row for row in written() if row[3] == DEVELOPMENT and canonicalize_name(row[0]) in needed]


def test_nothing_that_the_program_needs_is_under_the_gpl_and_what_is_under_the_mpl_is_said() -> None:
    needed = {row[0]: row[2] for row in written() if row[3] != DEVELOPMENT}
    assert not [name for name, licence in needed.items() if STRONG.search(licence) or licence == "not stated"]
    weak = [name for name, licence in needed.items() if WEAK.search(licence)]
    assert f"under the MPL in part: {', '.join(f'`{name}`' for name in weak)}." in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("licence", "strong", "weak"),
    [
        ("GPL-3.0-or-later", True, False),
        ("MIT AND AGPL-3.0-only", True, False),
        ("GNU General Public License v2 (GPLv2)", True, False),
        ("GNU Affero General Public License v3", True, False),
        ("LGPL-2.1-only", False, True),
        ("GNU Lesser General Public License v3 (LGPLv3)", False, True),
        ("Mozilla Public License 2.0 (MPL 2.0)", False, True),
        ("Apache-2.0 WITH LLVM-exception", False, False),
    ],
)
def test_the_families_are_told_apart(licence: str, strong: bool, weak: bool) -> None:
    assert (bool(STRONG.search(licence)), bool(WEAK.search(licence))) == (strong, weak)


def test_without_the_pinned_versions_no_table_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "pins", lambda: {"torch": "0.1"})
    with pytest.raises(SystemExit, match=r"torch 0\.1 is not installed: run make setup first"):
        licences.rows()
