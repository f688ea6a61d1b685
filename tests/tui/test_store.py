"""Saved sessions: whole after a kill, each explorer's its own, and nothing damaged is lost or fatal."""

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import written_aside
from coconut_core.model_choice import ModelChoice
from coconut_tui.run.branches import Branch, Decisions, Edit, Said, Tree
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Answered
from coconut_tui.run.controlled import Swaps
from coconut_tui.saved import format as saved
from coconut_tui.saved import store
from coconut_tui.saved.format import SavedRun, SavedSession
from coconut_tui.saved.store import SessionStore
from tests.tui.conftest import PROBLEM

ZERO, STEER = Edit(0, 2, "zero@2", None), Edit(1, 3, "steer rompus 4@3", 7)
BRANCHES = (
    Branch(1, "main", Decisions(None, (), "tttmww"), said=Said("### Alex", "Alex", "end", False)),
    Branch(2, "zero@2", Decisions(None, (ZERO,), "tttm"), 1, 1, "zero@2", Said("", "", None)),
    Branch(5, "both", Decisions(7, (ZERO, STEER), "ttt"), 2, 3, "steer rompus 4@3"),
)
RUN = SavedRun(
    ModelChoice("models/prosqa", "cpu", "float32", "mixture", True, "You think."),
    Tree("Is Alex a bompus\x1b\ud800 or gorpus?", PROBLEM, 3, BRANCHES, 2),
    selected=3,
    breakpoints=(
        Breakpoint(thought=2),
        Breakpoint(measure="entropy", limit=0.5, enabled=False),
        Breakpoint(token="rompus", top=3),
        Breakpoint(),
    ),
    problem_file="/data/problems.json",
    answered=(
        Answered(3, "0123abcd", Said("### Alex", "Alex", "end", False, True), Swaps(2, 6)),
        Answered(7, "", None, Swaps(0, 6)),
    ),
)
SESSION = SavedSession(RUN, ("models/prosqa", "other"), ("a", "b"))

# An explorer's process: saves, says so, and waits to be killed or told to leave.
EXPLORER = """
import sys
from pathlib import Path
from coconut_tui.run.branches import Tree
from coconut_tui.saved.format import SavedRun, SavedSession
from coconut_core.model_choice import ModelChoice
from coconut_tui.saved.store import SessionStore
store = SessionStore(Path(sys.argv[1]), print)
found = store.load()
print("found", *((found.run.tree.question, not found.in_order) if found else ("nothing",)), flush=True)
store.save(SavedSession(SavedRun(ModelChoice("m"), Tree.planted(sys.argv[2], None, None, None))))
store.flush()
print("saved", flush=True)
sys.stdin.read()
store.close()
"""


def explorer(folder: Path, question: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", EXPLORER, str(folder), question],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: "subprocess.Popen[str]") -> list[str]:
    return [process.stdout.readline().strip() for _ in range(2)]


@pytest.fixture
def no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "DELAY", 3600.0)


def as_saved_by_the_dead(folder: Path, session: SavedSession, name: str = "1-a.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(replace(session, in_order=False).to_json()), encoding="utf-8")
    return path


# -- the data ----------------------------------------------------------------------------------------------


def test_what_is_kept_of_a_model_is_what_the_explorer_chooses() -> None:
    choice = ModelChoice("m", "cpu", "float32", "mixture", True, "You think.", "none", passes=2, compiled=True)
    record = SavedRun(choice, RUN.tree)
    kept = SavedSession(record).to_json()["run"]
    assert list(kept)[:8] == [
        *("source", "device", "dtype", "feedback", "chat", "system", "markers"),
        "question",
    ]


@pytest.mark.parametrize("session", [SESSION, SavedSession(), replace(SESSION, in_order=False)])
def test_a_session_survives_json(session: SavedSession) -> None:
    assert SavedSession.from_json(json.loads(json.dumps(session.to_json()))) == session


@pytest.mark.parametrize(
    "branches",
    [
        (),
        (Branch(1, "main", parent=1),),
        (Branch(1, "main"), Branch(2, "other")),
        (Branch(1, "main"), Branch(2, "main", parent=1)),
        (Branch(1, "main"), Branch(1, "other", parent=1)),
        (Branch(1, "main"), Branch(2, "a", parent=3), Branch(3, "b", parent=1)),
    ],
)
def test_branches_must_be_a_tree(branches: tuple[Branch, ...]) -> None:
    session = SavedSession(replace(RUN, tree=replace(RUN.tree, branches=branches, current=1)))
    with pytest.raises(CoconutError, match="branch"):
        SavedSession.from_json(session.to_json())


def test_models_and_questions_are_remembered_newest_first() -> None:
    session = SavedSession()
    for number in range(2 * saved.REMEMBERED):
        session = session.remember([f"m{number % 3}"], [f"q{number}"])
    assert session.models == ("m0", "m2", "m1")
    assert session.questions[:2] == ("q39", "q38")
    assert len(session.questions) == saved.REMEMBERED
    assert session.remember() == session


# -- on disk -----------------------------------------------------------------------------------------------


def test_a_killed_explorer_is_restored_and_one_that_left_is_not_called_crashed(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "sessions"
    with explorer(folder, "first") as process:
        assert told(process) == ["found nothing", "saved"]
        process.send_signal(signal.SIGKILL)
    with explorer(folder, "second") as process:
        assert told(process) == ["found first True", "saved"]
        process.stdin.close()
        process.wait(30)
    [path] = folder.glob("*")  # taken over, not copied
    found = SessionStore(folder).load()
    assert found.run.tree.question == "second"
    assert found.in_order
    assert path.exists() is False


def test_two_explorers_keep_their_own_sessions(tmp_path: Path) -> None:
    with explorer(tmp_path, "one") as first:
        assert told(first) == ["found nothing", "saved"]
        with explorer(tmp_path, "two") as second:
            assert told(second) == ["found nothing", "saved"]
            assert SessionStore(tmp_path).load() is None
            first.send_signal(signal.SIGKILL)
            first.wait(30)
            assert SessionStore(tmp_path).load().run.tree.question == "one"
            second.stdin.close()
            second.wait(30)
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_a_session_is_taken_over_by_one_explorer_only(tmp_path: Path) -> None:
    as_saved_by_the_dead(tmp_path, SESSION)
    first, second = SessionStore(tmp_path), SessionStore(tmp_path)
    assert first.load().run == RUN
    assert second.load() is None


def test_a_locked_session_is_left_alone_until_it_is_let_go_of(tmp_path: Path) -> None:
    path = as_saved_by_the_dead(tmp_path, SESSION)
    content = path.read_bytes()
    with FileLock(path.with_suffix(".lock")):
        assert SessionStore(tmp_path).load() is None
        SessionStore(tmp_path).give_up_crashed()
        assert path.read_bytes() == content
    assert SessionStore(tmp_path).load().run == RUN


@pytest.mark.parametrize("process", [1, 10**30])
def test_a_session_of_before_there_were_locks_is_one_that_broke_off(tmp_path: Path, process: int) -> None:
    record = SESSION.to_json()
    del record["in_order"]
    owner = {"host": "elsewhere", "process": process, "started": 1.5, "began": "boot 7"}
    (tmp_path / "1-a.json").write_text(json.dumps({**record, "owner": owner}), encoding="utf-8")
    (tmp_path / "2-b.json").write_text(json.dumps({**record, "owner": None}), encoding="utf-8")
    mine = SessionStore(tmp_path)
    assert mine.load(lambda session: not session.in_order) == replace(SESSION, in_order=False)
    assert mine.load() == SESSION


@pytest.mark.usefixtures("no_timer")
def test_where_nothing_can_be_locked_only_what_was_left_in_order_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    broken = [as_saved_by_the_dead(tmp_path, SESSION, f"{number}.json") for number in range(2)]
    contents = [path.read_bytes() for path in broken]
    monkeypatch.setattr(fcntl, "flock", refuse)
    messages: list[str] = []
    mine = SessionStore(tmp_path, messages.append)
    mine.give_up_crashed()
    assert mine.load() is None
    assert messages == [f"no session that broke off is gone on with: none can be locked in {tmp_path}"]
    assert [path.read_bytes() for path in broken] == contents
    mine.save(SavedSession(None, ("mine",)))
    mine.close()
    assert SessionStore(tmp_path).load() == SavedSession(None, ("mine",))


@pytest.mark.usefixtures("no_timer")
def test_the_last_of_many_changes_is_written_once(tmp_path: Path) -> None:
    mine = SessionStore(tmp_path)
    for number in range(100):
        mine.save(SESSION.remember((), [f"q{number}"]))
    assert list(tmp_path.iterdir()) == []
    mine.flush()
    [path] = tmp_path.glob("*.json")
    first = path.stat().st_mtime_ns
    saved = SavedSession.from_json(json.loads(path.read_text(encoding="utf-8")))
    assert saved == replace(SESSION.remember((), ["q99"]), in_order=False, questions=saved.questions)
    assert saved.questions[0] == "q99"
    mine.flush()
    assert path.stat().st_mtime_ns == first


def test_a_change_is_written_without_being_asked_for(tmp_path: Path) -> None:
    SessionStore(tmp_path).save(SESSION)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    [path] = tmp_path.glob("*.json")
    assert SavedSession.from_json(json.loads(path.read_text(encoding="utf-8"))).run == RUN


def test_only_a_session_that_fits_is_taken_over(tmp_path: Path) -> None:
    as_saved_by_the_dead(tmp_path, SESSION)
    mine = SessionStore(tmp_path)
    assert mine.load(lambda session: session.run.choice.source == "other") is None
    assert mine.load(lambda session: not session.in_order).run == RUN


@pytest.mark.usefixtures("no_timer")
def test_what_was_used_lately_is_remembered_from_all_sessions(tmp_path: Path) -> None:
    path = as_saved_by_the_dead(tmp_path, SESSION)
    other = as_saved_by_the_dead(tmp_path, SavedSession(None, ("third", "other"), ("c",)), "2-b.json")
    os.utime(path, (1, 1))
    mine = SessionStore(tmp_path)
    assert mine.remembered() == SavedSession(None, ("third", "other", "models/prosqa"), ("c", "a", "b"))
    assert path.exists()
    assert other.exists()


def test_a_session_that_was_only_looked_at_is_left_in_good_order(tmp_path: Path) -> None:
    as_saved_by_the_dead(tmp_path, SESSION)
    mine = SessionStore(tmp_path)
    assert not mine.load().in_order
    mine.close()
    assert SessionStore(tmp_path).load() == SESSION


@pytest.mark.usefixtures("no_timer")
def test_a_session_that_is_put_back_is_as_it_was_found(tmp_path: Path) -> None:
    as_saved_by_the_dead(tmp_path, SESSION)
    mine = SessionStore(tmp_path)
    assert not mine.load().in_order
    mine.put_back()
    mine.save(SavedSession(None, ("mine",)))
    mine.close()
    assert SessionStore(tmp_path).load(lambda session: not session.in_order).run == RUN


def test_a_session_that_is_given_up_stays_and_is_not_called_crashed(tmp_path: Path) -> None:
    path = as_saved_by_the_dead(tmp_path, SESSION)
    before = path.stat().st_mtime_ns
    SessionStore(tmp_path).give_up_crashed()
    assert path.stat().st_mtime_ns == before
    assert SessionStore(tmp_path).load(lambda session: not session.in_order) is None
    assert SessionStore(tmp_path).load() == SESSION


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.usefixtures("no_timer")
def test_nothing_is_saved_once_it_is_closed(tmp_path: Path, in_order: bool) -> None:
    mine = SessionStore(tmp_path)
    mine.save(SESSION)
    mine.close(in_order=in_order)
    mine.save(SavedSession())
    mine.flush()
    [path] = tmp_path.iterdir()
    left = SavedSession.from_json(json.loads(path.read_text(encoding="utf-8")))
    assert left == replace(SESSION, in_order=in_order)


def test_only_its_user_reads_what_was_saved(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "sessions"
    mine = SessionStore(folder)
    mine.save(SESSION)
    mine.close()
    [path] = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _run_without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["run"].pop(name)


def _with(**entries: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["run"]["branches"][1].update(entries)


@pytest.mark.parametrize(
    "damage",
    [
        *map(_run_without, ("source", "question", "branches", "current", "device", "breakpoints")),
        *(_with(**{name: value}) for name, value in (("name", 3), ("forked_at", -1), ("forked_at", True))),
        *(_with(**{name: value}) for name, value in (("edits", "zero@2"), ("edits", [2]), ("parent", 7))),
        *(_with(**{name: value}) for name, value in (("moves", "tx"), ("said", {"text": 3}), ("edits", [{}]))),
        lambda record: record.update(run=[]),
        lambda record: record["run"].update(branches=[3]),
        lambda record: record["run"].update(current=4),
        lambda record: record["run"].update(breakpoints=[{"text": "whenever", "enabled": True}]),
        lambda record: record["run"].update(answered=[{"number": -1, "question": ""}]),
        lambda record: record["run"].update(answered=[{"number": 1, "question": "", "said": {}}]),
        lambda record: record["run"].update(answered=[{"number": 1, "question": "", "swaps": {"changed": 1}}]),
        lambda record: record["run"].update(breakpoints=[{"text": "thought 2", "enabled": 1}]),
        lambda record: record["run"].update(problem={"question": 3}),
        lambda record: record.update(in_order=1),
        lambda record: record.update(models=None),
        lambda record: record.update(version=2),
        lambda record: record.update(format="coconut-trace"),
    ],
)
def test_a_session_that_cannot_be_read_is_set_aside(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    record = SESSION.to_json()
    damage(record)
    assert_set_aside(tmp_path, json.dumps(record).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"3", b"[" * 100_000, b'{"format": "x"}'])
def test_a_file_that_is_no_session_is_set_aside(tmp_path: Path, content: bytes) -> None:
    assert_set_aside(tmp_path, content)


def assert_set_aside(folder: Path, content: bytes) -> None:
    as_saved_by_the_dead(folder, SESSION, "good.json")
    os.utime(folder / "good.json", (1, 1))
    (folder / "bad.damaged").write_bytes(b"an earlier one")
    (folder / "bad.json").write_bytes(content)
    messages: list[str] = []
    assert SessionStore(folder, messages.append).load().run == RUN  # the next one is found
    assert (folder / "bad.damaged-2").read_bytes() == content
    assert (folder / "bad.damaged").read_bytes() == b"an earlier one"
    assert len(messages) == 1
    assert "bad.damaged-2" in messages[0]
    assert "\n" not in messages[0]


@pytest.mark.usefixtures("no_timer")
def test_what_cannot_be_saved_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    messages: list[str] = []
    mine = SessionStore(tmp_path / "file" / "sessions", messages.append)
    for _ in range(3):
        mine.save(SESSION)
        mine.flush()
    assert len(messages) == 1
    assert "cannot be saved" in messages[0]


@pytest.mark.usefixtures("no_timer")
def test_old_sessions_are_forgotten_but_not_those_of_the_living(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT", 3)
    for number in range(8):
        os.utime(as_saved_by_the_dead(tmp_path, SESSION, f"{number}.json"), (number + 1, number + 1))
    alive = tmp_path / "0.json"
    (tmp_path / "gone.lock").touch()
    if (pid := os.fork()) == 0:
        with written_aside(tmp_path / "x.json") as file:
            file.write("{")
            os._exit(9)
    os.waitpid(pid, 0)
    (half,) = tmp_path.glob("x.json.*")
    mine = SessionStore(tmp_path)
    mine.save(SESSION)
    with FileLock(alive.with_suffix(".lock")):
        mine.close()
    assert {path.name for path in tmp_path.glob("*.lock")} <= {"0.lock"}, "a kill left it"
    assert not half.exists(), "a kill left it"
    left = {path.name for path in tmp_path.glob("*.json")}
    assert {"0.json", "6.json", "7.json"} < left
    assert len(left) == 4
