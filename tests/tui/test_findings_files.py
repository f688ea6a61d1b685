"""Findings as files: what is written is read again, never over another, and what is damaged is one line."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from coconut_core.common.errors import CoconutError
from coconut_tui.findings import (
    Filter,
    Place,
    Seen,
    SeenThought,
    add_finding,
    find_file,
    finding_of,
    link_of,
    list_findings,
    load_finding,
)
from coconut_tui.findings.comparison import differences, tolerance
from coconut_tui.findings.text import finding_text, read_finding
from coconut_tui.run.branches import Branch, Said
from tests.tui.findings_by_hand import CONTROL, EVIL, finding


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"seen": None, "atlas": None, "data": None, "note": "", "tags": (), "problem_hash": ""},
        {"title": EVIL + CONTROL, "tags": (EVIL, CONTROL, "#"), "note": "x\n" + EVIL + "\x1b[2J\n---\n***"},
        {"note": " ".join(["long"] * 100_000)},
    ],
    ids=["whole", "bare", "hostile", "long"],
)
def test_what_is_written_is_read_again(more: dict[str, object], tmp_path: Path) -> None:
    made = finding(**more)
    assert load_finding(add_finding(tmp_path, made)) == made
    assert finding_of(link_of(made)) == made


def test_a_question_without_a_problem_is_one_too(tmp_path: Path) -> None:
    run = replace(finding().run, problem=None, question="What\n---\nis it?")
    assert load_finding(add_finding(tmp_path, finding(run=run))).run == run


def test_a_run_that_has_just_begun_or_says_nothing_is_one_too(tmp_path: Path) -> None:
    tree = finding().run
    silent = replace(tree.branches[0], said=Said("", "", None))
    begun = replace(tree, branches=(silent, Branch(2, "x", parent=1)))
    made = finding(run=begun, at=Place(), seen=Seen((SeenThought("1", "", 0.0),), ""), title="0")
    assert load_finding(add_finding(tmp_path, made)) == made
    assert load_finding(add_finding(tmp_path, replace(made, seen=Seen((), "")))).seen == Seen((), "")


def test_the_file_is_made_for_git(tmp_path: Path) -> None:
    text = finding_text(finding())
    head = text.partition("\n---\n")[0].splitlines()
    assert head[0] == "---"
    assert "tags: [frontier, 'no', '1e5', '2026-01-01']" in head
    assert max(map(len, head)) <= 125
    assert text.count("Every lempus is a gorpus. Tom") == 1  # the question stands there once
    noted = replace(finding(), note="another")
    changed = set(finding_text(noted).splitlines()) - set(text.splitlines())
    assert changed == {"another"}


def test_names_come_from_titles_and_nothing_is_written_over(tmp_path: Path) -> None:
    names = [add_finding(tmp_path / "new", finding(note=str(number))).name for number in range(3)]
    stem = "thought-3-leaves-the-frontier-no"
    assert names == [f"{stem}.md", f"{stem}-2.md", f"{stem}-3.md"]
    assert add_finding(tmp_path, finding(title="思考 / ../..")).name == "finding.md"
    assert len(add_finding(tmp_path, finding(title="Ä" * 120)).stem) == 60
    (tmp_path / "link.md").symlink_to(tmp_path / "not-there.md")
    assert add_finding(tmp_path, finding(title="link")).name == "link-2.md"
    assert not list(tmp_path.rglob("*.coconut-*"))


def test_two_explorers_at_once_get_two_files(tmp_path: Path) -> None:
    made: list[Path] = []
    threads = [
        threading.Thread(target=lambda: made.extend(add_finding(tmp_path, finding()) for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20
    assert all(load_finding(path) == finding() for path in made)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1", "version: 2", "it has version 2, this coconut-tui reads 1"),
        ("format: coconut-finding", "format: other", "its entry 'format' must be coconut-finding"),
        ("  source: models/prosqa\n", "", "the entry 'model.source' is missing"),
        ("tags: [frontier,", "tags: [3,", "the entry 'tags[0]' must be a text, not a whole number"),
        ("step: 2", "step: -2", "the entry 'at.step' must be 0 or more, not -2"),
        ("moves: ttt\n", "moves: xtt\n", "the entry 'moves' has a letter that stands for no step"),
        ("  current: 2", "  current: 9", "there is no branch number 9"),
        ("parent: 1\n", "parent: 7\n", "the branch 'zero@2' does not fit into the tree of branches"),
        ("probability: 0.97", "probability: high", "the entry 'seen.thoughts[0].probability' must be a number"),
        ("run:\n", "run: 3\nother:\n", "the entry 'run' must be an object, not a whole number"),
        ("title:", "? [", "is no YAML: while parsing"),
        ("title:", "a: &a [1]\nb: *a\ntitle:", "is no YAML: a finding uses no aliases"),
        ("title:", f"a: {'[' * 60_000}\ntitle:", "is no YAML: its lists lie too deep"),
        ("\n---\n", "\n", "it is no finding: one begins with a line ---"),
    ],
)
def test_a_damaged_file_is_one_line_with_file_and_entry(old: str, new: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "it.md"
    whole = finding_text(finding(note=""))
    assert old in whole
    path.write_text(whole.replace(old, new, 1) if old != "\n---\n" else whole.replace(old, new), "utf-8")
    with pytest.raises(CoconutError) as raised:
        load_finding(path)
    assert str(path) in str(raised.value)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    said: list[str] = []
    add_finding(tmp_path, finding())
    assert len(list(list_findings(tmp_path, said.append))) == 1
    assert said in ([str(raised.value)], [])  # nothing is said of Markdown that is none


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"\x00" * 100])
def test_other_files_are_no_findings(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(content)
    with pytest.raises(CoconutError, match=r"README\.md"):
        load_finding(tmp_path / "README.md")
    said: list[str] = []
    assert list(list_findings(tmp_path, said.append)) == []
    assert said == []
    assert list(list_findings(tmp_path / "nowhere", said.append)) == []


@pytest.mark.parametrize(
    "link", ["coconut://finding/", "coconut://finding/!!", "coconut:x", "coconut://finding/eJwD"]
)
def test_a_damaged_link_is_one_line(link: str) -> None:
    with pytest.raises(CoconutError, match="holds no finding"):
        finding_of(link)
    with pytest.raises(CoconutError, match="holds no finding"):
        finding_of(link_of(finding())[:-8])


def test_a_link_that_unfolds_without_end_is_refused() -> None:
    import zlib
    from base64 import urlsafe_b64encode

    bomb = urlsafe_b64encode(zlib.compress(b"-" * 2**26)).decode()
    with pytest.raises(CoconutError, match="too large"):
        finding_of(f"coconut://finding/{bomb}")


def test_filters_are_words_tags_and_models(tmp_path: Path) -> None:
    def fits(text: str) -> bool:
        return Filter.typed(text).fits(finding())

    assert all(map(fits, ["", "frontier", "LEAVES it", "#No", "#frontier #no leaves", "model:pros", "lempus"]))
    assert not any(map(fits, ["nothing", "#front", "model:sums", "leaves #wrong", "# x#"]))


def test_a_finding_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    path = add_finding(tmp_path, finding(title="One"))
    assert (
        find_file(tmp_path, "one") == find_file(tmp_path, "one.md") == find_file(Path("x"), str(path)) == path
    )
    with pytest.raises(CoconutError, match=r"there is no finding 'two': .* has one"):
        find_file(tmp_path, "two")


def test_reading_findings_needs_neither_torch_nor_textual(tmp_path: Path) -> None:
    path = add_finding(tmp_path, finding())
    code = (
        f"import sys\nfrom coconut_tui.findings import finding_of\nfinding_of({str(path)!r})\n"
        "heavy = {'torch', 'transformers', 'textual'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


# -- whether it comes out again ----------------------------------------------------------------------------


def _seen(probability: float, token: str = "Alex", norm: float | None = 16.0, dtype: str = "float32") -> Seen:
    return Seen((SeenThought("1", token, probability, 0.25, norm),), "### Alex.", True, dtype=dtype)


def test_numbers_may_differ_by_what_the_number_format_rounds() -> None:
    assert differences(_seen(0.5), _seen(0.5 + 0.9 * tolerance("float32"))) == []
    assert differences(_seen(0.5), _seen(0.5 + 1.1 * tolerance("float32"))) == [
        "thought 1: Alex 0.5000 was noted, now it is Alex 0.5005"
    ]
    assert differences(_seen(0.5), _seen(0.51, dtype="bfloat16")) == []  # the coarser of the two counts
    assert differences(_seen(0.97), _seen(0.97, "Tom")) == ["thought 1: Alex was noted, now it is Tom"]
    assert (
        differences(_seen(0.4), _seen(0.4, "Tom")) == []
    )  # two tokens as likely: which comes first is rounding
    assert differences(_seen(0.5), _seen(0.5, norm=17.0)) == ["thought 1: its norm was 16, now it is 17"]
    assert differences(_seen(0.5), _seen(0.5, norm=None)) == ["thought 1: its norm was 16, now it is no number"]


def test_another_answer_and_another_number_of_thoughts_are_said() -> None:
    was = _seen(0.5)
    lines = differences(was, replace(was, thoughts=(), said="### Tom.", right=False))
    assert lines == [
        "1 thoughts were noted, now there are 0",
        "said: “### Alex.” was noted, now it is “### Tom.”",
        "the answer was right, now it is wrong",
    ]
    assert read_finding(finding_text(finding(seen=was)), "it").seen == was
