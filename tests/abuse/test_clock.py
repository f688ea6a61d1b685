"""The clock jumps: back by a year, to 1970, on by ten years, between runs and in the midst of one."""

import json
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import ModelChoice
from coconut_core.problems import example_problem
from coconut_core.server.asks import Ask
from coconut_core.server.client import Server
from coconut_core.training.metrics import read_metrics
from coconut_core.training.run_folder import RunFolder
from coconut_tui.run.branches import Tree
from coconut_tui.run.training_log import TrainingLog
from coconut_tui.saved.format import SavedRun, SavedSession
from coconut_tui.saved.store import SessionStore
from tests.abuse.commands import ROOT, with_names
from tests.abuse.warm import Done, Warm
from tests.core.tiny_recipes import assert_same_weights, timeless

YEAR = 365 * 24 * 3600
TO_1970 = 3600 - int(time.time())
JUMPS = (-YEAR, TO_1970, 10 * YEAR, 0)
JUMP_NAMES = ("year-back", "1970", "decade-on", "now")  # of the tests: the same in each of their processes
TO_AND_FRO = ",".join(map(str, JUMPS))


def run_at(warm: Warm, offset: int | str, *words: object, **options: Any) -> Done:
    """Run a command whose clock is off by so many seconds, or jumps between several."""
    return warm.run("tests.abuse.at_another_time", offset, *words, **options)


# -- sessions ------------------------------------------------------------------------------------------------


def session(name: str, *, in_order: bool = True) -> SavedSession:
    tree = Tree.planted(f"Is {name} a lempus?", None, None, None)
    return SavedSession(SavedRun(ModelChoice("models/none"), tree), (name,), in_order=in_order)


def write_session(path: Path, *, in_order: bool) -> None:
    path.write_text(json.dumps(session(path.stem, in_order=in_order).to_json()), encoding="utf-8")


def test_the_last_session_is_the_one_written_last(warm: Warm, tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    offsets: list[int | str] = [10 * YEAR, 0, TO_1970, -YEAR, TO_AND_FRO, 0]
    for number, offset in enumerate(offsets):
        path = folder / f"{number}.json"
        done = run_at(warm, offset, "tests.abuse.session_writer", path, f"Tom{number}")
        assert done.returncode == 0, done.stderr
        times = [file.stat().st_mtime for file in folder.glob("*.json")]
        assert path.stat().st_mtime == max(times)
        assert times.count(max(times)) == 1
        assert path.stat().st_mtime > time.time() + 9 * YEAR  # as the first one was written then
    store = SessionStore(folder)
    assert store.load().run.tree.question.startswith(f"Is Tom{number} ")
    assert store.load().run.tree.question.startswith(f"Is Tom{number - 1} ")


def test_a_session_of_the_future_is_not_the_last_for_ever(tmp_path: Path) -> None:
    future = tmp_path / "1-a.json"
    write_session(future, in_order=True)
    os.utime(future, (time.time() + 10 * YEAR,) * 2)
    store = SessionStore(tmp_path)
    store.save(session("Tom"))
    store.close()
    assert SessionStore(tmp_path).load().run == session("Tom").run


def test_the_session_of_an_explorer_that_lives_is_not_taken_from_it_whatever_the_clock_says(
    warm: Warm, tmp_path: Path
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    path = folder / "1-a.json"
    write_session(path, in_order=False)
    taker = ("tests.abuse.session_writer", folder / "2-b.json", "Tom", "resume")
    with FileLock(path.with_suffix(".lock")):
        for offset in (*JUMPS, TO_AND_FRO):
            done = run_at(warm, offset, *taker)
            assert (done.returncode, done.stdout) == (0, "nothing to resume\n"), done.stderr
            assert path.exists()
    done = run_at(warm, -YEAR, *taker)
    assert (done.returncode, done.stdout) == (0, "resumed Is 1-a a lempus?\n"), done.stderr


# -- training ------------------------------------------------------------------------------------------------


def test_a_training_across_jumps_is_that_of_a_steady_clock(
    files: dict[str, Path], warm: Warm, tmp_path: Path
) -> None:
    begin = ["coconut", "train", files["RECIPE"], "--set", "curriculum.total=12", "--set", "evaluate_every=3"]
    device = ["--device", "cpu", "--out"]
    assert warm.run(*begin, *device, tmp_path / "steady").returncode == 0
    run, words = RunFolder(tmp_path / "jumpy"), begin
    for offset, until in ((10 * YEAR, 3), (TO_1970, 6)):
        done = run_at(warm, offset, *words, *device, run.path, kill_when=str(run.folder_of(until)))
        assert done.returncode == -9, done.stderr
        words = ["coconut", "train", "--resume"]
    done = run_at(warm, TO_AND_FRO, *words, *device, run.path)
    assert done.returncode == 0, done.stderr
    assert_same_weights(tmp_path / "steady", run.path)
    rows = read_metrics(run.path / "metrics.jsonl")
    assert timeless(rows) == timeless(read_metrics(tmp_path / "steady" / "metrics.jsonl"))
    seconds = [row[name] for row in rows for name in ("tokens_per_second", "seconds_left") if name in row]
    assert all(0 <= each < 1e6 for each in seconds)
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    seen = [event.step for event in events.Scalars("evaluation/accuracy")]
    assert seen == [row["step"] for row in rows if "evaluation" in row]


@pytest.mark.parametrize("offset", JUMPS[:3], ids=JUMP_NAMES[:3])
def test_a_log_that_grows_was_written_just_now(offset: int, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n', encoding="utf-8")
    log, now = TrainingLog(path), path.stat().st_mtime + offset
    log.poll()
    before = log.standing(now)
    assert ("in the future: a clock was set back" in before) == (offset < 0)
    assert re.search(r"last written \d{4,} h \d\d min", before)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 2}\n')
    log.poll()
    assert re.search(r"last written \d s ago", log.standing(now))


# -- measuring and asking ------------------------------------------------------------------------------------


def test_what_is_measured_is_what_a_steady_clock_sees(
    files: dict[str, Path], warm: Warm, tmp_path: Path
) -> None:
    measure = ("coconut", "eval", "--model", "MODEL", "--data", "PROBLEMS", "--failures", "OUT.jsonl")
    control = (
        "coconut",
        "controls",
        "--model",
        "MODEL",
        "--data",
        "PROBLEMS",
        "--only",
        "none",
        "--out",
        "OUT.json",
    )
    said, written, dates = [], [], []
    offsets: tuple[int | str, ...] = (0, TO_1970, TO_AND_FRO)
    for number, offset in enumerate(offsets):
        named = {**files, "OUT": tmp_path / str(number)}
        done = run_at(warm, offset, *with_names(measure, named))
        assert done.returncode == 0, done.stderr
        seconds = float(re.search(r"seconds (\S+)", done.stdout).group(1))
        assert 0 <= seconds < 60
        said.append(re.sub(r"seconds \S+|\S+/s", "", done.stdout).replace(str(named["OUT"]), ""))
        assert run_at(warm, offset, *with_names(control, named)).returncode == 0
        record = json.loads((tmp_path / f"{number}.json").read_text("utf-8"))
        dates.append(record.pop("date"))
        written.append((record, (tmp_path / f"{number}.jsonl").read_text("utf-8")))
    assert said[0] == said[1] == said[2]
    assert written[0] == written[1] == written[2]
    assert dates[1] == "1970-01-01"


def test_a_server_answers_in_time_whatever_the_clock_says(
    files: dict[str, Path], warm: Warm, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ("coconut", "serve", "--model", files["MODEL"], "--port", port, "--no-token", "--timeout", 30)
    ended = tmp_path / "ended"
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(run_at, warm, TO_AND_FRO, *serve, kill_when=str(ended), signals=(0.0,))
        try:
            server = Server(f"http://127.0.0.1:{port}", timeout=300)
            answers = [_asked(server, serving) for _ in range(3)]
        finally:
            ended.touch()
        done = serving.result(60)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    for answer in answers:
        assert answer["answer"] == "Polly is a jelpus."
        assert all(0 <= seconds < 30 for seconds in answer["timings"].values())


def _asked(server: Server, serving: Any) -> dict[str, Any]:
    """The answer, once the server is there."""
    while not serving.done():
        try:
            return server.ask(Ask(example_problem("prosqa", 1).question))
        except CoconutError as error:
            if "nothing answers" not in str(error):
                raise
            time.sleep(0.05)
    return pytest.fail(serving.result().stderr)


# -- what looks at it ----------------------------------------------------------------------------------------

LOOKS = {  # which files look at a clock that can be set, or at times that it gave, and what for
    "coconut_core/atlas/planning.py": "a date to be read",
    "coconut_core/checkpoints/convert.py": "whether a checkpoint's files are those that were converted",
    "coconut_core/cli/analyze.py": "a date to be read",
    "coconut_core/evaluation/controls.py": "a date to be read",
    "coconut_core/server/openai_records.py": "a date to be read",
    "coconut_core/training/events.py": "names in order, and times that TensorBoard shows",
    "coconut_tui/screens/training.py": "how long ago a log was written that has not grown yet",
    "coconut_tui/saved/store.py": "the order of sessions",
    "coconut_tui/screens/welcome.py": "the order of what was open",
    "coconut_tui/run/training_log.py": "whether a log has changed; how long ago it was written",
    "coconut_tui/actions/noting.py": "a date to be read, and the order of findings",
    "coconut_tui/actions/filing.py": "the name of a picture",
}


def test_nothing_else_looks_at_a_clock_that_can_be_set() -> None:
    looks = re.compile(
        r"\btime\.time\b|time_ns\(|\bimport time\b.*\btime,|\.now\(|\.today\(|utcnow|st_[amc]time|getmtime"
    )
    files = [path for package in ("coconut_core", "coconut_tui") for path in (ROOT / package).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in files if looks.search(path.read_text("utf-8"))}
    assert found == set(LOOKS)
