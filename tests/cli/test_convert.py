"""Other people's checkpoints through the installed commands: converted, asked, opened directly, exported."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from coconut_core.cli import main
from coconut_core.evaluation.verdict import hash_weights, read_controls, usage_line
from coconut_core.latent.config import CoconutConfig
from tests.cli.conftest import ROOT, Run
from tests.core.tiny_official import PROBLEMS, official_run, write_base, write_checkpoint

QUESTION = PROBLEMS[0][0]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `base` and an official `checkpoint_33`; tests must copy what they change."""
    folder = tmp_path_factory.mktemp("sources")
    write_base("gpt2", folder / "base")
    write_checkpoint(official_run("gpt2"), folder / "checkpoint_33")
    return folder


@pytest.fixture
def source(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same to change, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Path(shutil.copytree(sources, tmp_path / "source"))


def official_answer(thoughts: int = 6, length: int = 8) -> str:
    model = official_run("gpt2")
    return str(
        model.tokenizer.decode(model.answer(QUESTION, thoughts, length), skip_special_tokens=True)
    ).strip()


def folder_content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, which has torch already."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        given = ["coconut", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", given)
        monkeypatch.chdir(ROOT)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return subprocess.CompletedProcess(given, code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def one_error(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error, behind what was said of the progress."""
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    *progress, error = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert all(line.startswith(("reading ", "converting ", "fitting ")) for line in progress), progress
    return error


# -- convert -----------------------------------------------------------------------------------------------


def test_convert_ask_and_export_back_to_identical_tensors(coconut: Run, source: Path, tmp_path: Path) -> None:
    out, back = tmp_path / "model", tmp_path / "back"
    result = coconut("convert", "official", source / "checkpoint_33", "--base", source / "base", "--out", out)
    assert (result.returncode, result.stdout) == (0, f"{out}\n")
    assert "fitting 29 tensors to GPT2LMHeadModel" in result.stderr
    asked = coconut("ask", "--model", out, QUESTION, "--max-new-tokens", 8, "--json")
    record = json.loads(asked.stdout)
    assert record["text"] == official_answer()
    assert len(record["thoughts"]) == 6
    assert record["trained"]
    exported = coconut("export", out, "--format", "official", "--out", back)
    assert (exported.returncode, exported.stdout) == (0, f"{back / 'checkpoint_33'}\n")
    assert f"model_id: {source / 'base'}" in exported.stderr
    before, after = (torch.load(path / "checkpoint_33", weights_only=True) for path in (source, back))
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_convert_as_json_with_options(here: Run, source: Path, tmp_path: Path) -> None:
    result = here(
        *("convert", "official", source / "checkpoint_33", "--base", source / "base", "--out", tmp_path / "m"),
        *("--thoughts", 2, "--answer-prefix", "so", "--family", "prosqa", "--json"),
    )
    record = json.loads(result.stdout)
    assert record["out"] == str(tmp_path / "m")
    assert (record["thoughts"], record["answer_prefix"], record["family"]) == (2, "so", "prosqa")
    assert (record["converted_from"], record["file"], record["dtype"]) == (
        "official",
        "checkpoint_33",
        "float32",
    )
    config = CoconutConfig.load(tmp_path / "m")
    assert config is not None
    assert (config.thoughts, config.answer_prefix, config.family) == (2, "so", "prosqa")
    assert config.data["sha256"] == record["sha256"]


def test_a_folder_is_replaced_only_where_asked_for_and_only_a_models(
    here: Run, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    convert = ("convert", "official", source / "checkpoint_33", "--base", source / "base", "--out")
    assert here(*convert, out).returncode == 0
    before = folder_content(out)
    assert "is there already: choose another --out, or replace it with --force" in one_error(
        here(*convert, out)
    )
    assert folder_content(out) == before
    assert here(*convert, out, "--force", "--thoughts", 1).returncode == 0
    assert json.loads((out / "coconut.json").read_text())["thoughts"] == 1
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letters.txt").write_text("dear")
    assert "is no model folder" in one_error(here(*convert, tmp_path / "home", "--force"))
    assert (tmp_path / "home" / "letters.txt").read_text() == "dear"
    assert "would replace" in one_error(here(*convert, source / "base", "--force"))
    assert "would replace" in one_error(here(*convert, source, "--force"))
    assert sorted(path.name for path in source.iterdir()) == ["base", "checkpoint_33"]


def test_what_is_wrong_is_one_line_and_leaves_nothing(here: Run, source: Path, tmp_path: Path) -> None:
    path, base, out = source / "checkpoint_33", source / "base", tmp_path / "model"

    def error(kind: object, path: object, base: object, *more: object) -> str:
        return one_error(here("convert", kind, path, "--base", base, "--out", out, *more))

    assert "unknown format 'nonsense': known are official" in error("nonsense", path, base)
    assert "there is no checkpoint" in error("official", tmp_path / "missing", base)
    assert "is no model folder" in error("official", path, tmp_path / "missing")
    assert "more than the 1e-05 GB" in error("official", path, base, "--max-gigabytes", 0.00001)
    assert "thoughts must be 0 or more" in error("official", path, base, "--thoughts", -1)
    assert "prosqa" in error("official", path, base, "--family", "nonsense")
    state = torch.load(path, weights_only=True)
    del state["base_causallm.transformer.ln_f.bias"]
    torch.save(state, path)
    assert "1 missing (base_causallm.transformer.ln_f.bias)" in error("official", path, base)
    path.write_bytes(path.read_bytes()[:-100])
    assert "truncated or corrupted" in error("official", path, base)
    assert not out.exists()
    assert not list(tmp_path.glob("model*"))


KILLED = """
import os, signal, sys
from coconut_core.cli import main
from coconut_core.latent.model import LatentModel
write = LatentModel.save_pretrained
def write_and_die(self, folder):
    write(self, folder)
    (folder / "coconut.json").unlink()
    os.kill(os.getpid(), signal.SIGKILL)
LatentModel.save_pretrained = write_and_die
sys.argv = ["coconut", *sys.argv[1:]]
main()
"""


def test_a_kill_leaves_the_old_folder(here: Run, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    convert = ["convert", "official", source / "checkpoint_33", "--base", source / "base", "--out", out]
    assert here(*convert).returncode == 0
    before = folder_content(out)
    again = [*convert, "--force", "--thoughts", 2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, again)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert killed.returncode == -signal.SIGKILL
    assert folder_content(out) == before
    assert here(*again).returncode == 0
    assert json.loads(here("info", out, "--json").stdout)["thoughts"] == 2
    assert [path.name for path in tmp_path.glob("model*")] == ["model"]


# -- opened directly ---------------------------------------------------------------------------------------


def test_a_source_is_opened_directly_and_converted_once(here: Run, source: Path, tmp_path: Path) -> None:
    opened = ("--model", f"official:{source / 'checkpoint_33'}", "--base", source / "base")
    ask = ("ask", *opened, QUESTION, "--max-new-tokens", 8)
    first, second = here(*ask), here(*ask)
    assert first.stdout.strip() == second.stdout.strip() == official_answer().rsplit("###", 1)[-1].strip()
    assert "converting official:" in first.stderr
    assert "was converted before: opening" in second.stderr
    assert "converting" not in second.stderr
    folders = [path for path in (tmp_path / "cache" / "coconut" / "converted").iterdir() if path.is_dir()]
    assert len(folders) == 1
    assert str(folders[0]) in first.stderr
    os.utime(source / "checkpoint_33", (1, 1))  # another file, as far as one can see
    assert "converting official:" in here(*ask).stderr


def test_every_loading_command_opens_a_source(here: Run, source: Path, tmp_path: Path) -> None:
    opened = ("--model", f"official:{source / 'checkpoint_33'}", "--base", source / "base")
    data = tmp_path / "problems.json"
    data.write_text(json.dumps([{"question": QUESTION, "steps": ["one", "two"], "answer": PROBLEMS[0][1]}] * 2))
    asked = ("--data", data, "--device", "cpu")
    for command in (
        ("eval", *opened, *asked, "--max-new-tokens", 2, "--json"),
        ("controls", *opened, *asked, "--max-new-tokens", 2, "--json", "--only", "none", "--keep"),
        ("analyze", *opened, *asked, "--out", tmp_path / "analysis", "--only", "series"),
        ("info", *opened[1:], "--json"),
    ):
        result = here(*command)
        assert result.returncode == 0, result.stderr
        assert "official:" in result.stderr
        assert result.stdout
    facts = json.loads(result.stdout)
    assert facts["vocabulary"] == 264
    assert "controls.json" in facts["files"]  # what was measured is kept with the converted folder


def test_a_source_needs_its_base_and_a_folder_does_not(here: Run, source: Path, checkpoint: Path) -> None:
    given = f"official:{source / 'checkpoint_33'}"
    assert "needs --base" in one_error(here("ask", "--model", given, QUESTION))
    assert "--base goes with official:PATH" in one_error(here("info", checkpoint, "--base", source / "base"))
    assert "names no file" in one_error(here("info", "official:", "--base", source / "base"))
    assert "there is no checkpoint" in one_error(here("info", "official:nothing", "--base", source / "base"))
    assert "there is no folder unofficial:x" in one_error(here("info", "unofficial:x"))


# -- export ------------------------------------------------------------------------------------------------


def test_an_exported_folder_opens_like_the_model(here: Run, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "upload"
    result = here("export", checkpoint, "--out", out, "--json")
    assert json.loads(result.stdout) == {"out": str(out), "format": "huggingface"}
    names = {"config.json", "coconut.json", "model.safetensors", "tokenizer.json", "README.md"}
    assert names <= {path.name for path in out.iterdir()}
    before, after = (json.loads(here("info", path, "--json").stdout) for path in (checkpoint, out))
    differing = {name for name in before if before[name] != after[name]}
    assert differing <= {"model", "files", "thoughts_used"}
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "Not measured." in card
    assert "%" not in card
    assert "is there already" in one_error(here("export", checkpoint, "--out", out))
    assert "would replace" in one_error(here("export", out, "--out", out, "--force"))


EMPTY_MODEL = {"config.json": '{"model_type": "gpt2"}', "model.safetensors": ""}
FOREIGN = {  # files of a folder that is not one model's and nothing else
    "a project": {"config.json": '{"theme": "dark"}', "src/main.py": "months of work"},
    "its configuration alone": {"config.json": '{"theme": "dark"}'},
    "no weights": {"config.json": '{"model_type": "gpt2"}', "tokenizer.json": "{}"},
    "a model and notes": {**EMPTY_MODEL, "notes.txt": "dear"},
    "a model and a folder": {**EMPTY_MODEL, "old/config.json": "{}"},
    "a run of the official code": {"checkpoint_1": "", "checkpoint_2": ""},
    "a text by a checkpoint's name": {"checkpoint_1": "dear diary"},
    "a model and a checkpoint": {**EMPTY_MODEL, "checkpoint_1": ""},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_force_replaces_no_folder_that_holds_anything_but_one_model(
    case: str, here: Run, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for name, text in FOREIGN[case].items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)
    before = folder_content(out)
    assert "is no model folder (" in one_error(here("export", checkpoint, "--out", out, "--force"))
    assert folder_content(out) == before


def test_force_replaces_what_we_wrote_and_never_the_source(here: Run, checkpoint: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    for form in ("official", "huggingface", "official"):
        assert here("export", checkpoint, "--out", out, "--force", "--format", form).returncode == 0
    assert here("export", checkpoint, "--out", other).returncode == 0
    source = (f"official:{next(out.iterdir())}", "--base", other)
    for target in (out, other):
        assert "would replace" in one_error(here("export", *source, "--out", target, "--force"))


def test_force_does_not_replace_the_folder_the_command_runs_in(
    coconut: Run, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert coconut("export", checkpoint, "--out", out).returncode == 0
    (out / "lens").mkdir()
    inode = out.stat().st_ino
    for where, target in ((out, "."), (out / "lens", out)):
        error = one_error(coconut("export", checkpoint, "--out", target, "--force", cwd=where))
        assert error == f"error: --out {target} would replace the folder you are in: choose another folder"
    assert out.stat().st_ino == inode


def test_a_card_has_the_verdict_that_was_measured_and_the_models_own_words(here: Run, tmp_path: Path) -> None:
    out, again = tmp_path / "upload", tmp_path / "again"
    assert here("export", "models/prosqa", "--out", out).returncode == 0
    controls = read_controls(ROOT / "models/prosqa")
    assert controls is not None
    card = (out / "README.md").read_text()
    assert (ROOT / "models/prosqa/README.md").read_text().strip() in card
    assert f"**{controls.verdict.usage}**: {controls.verdict.reason}." in card
    assert f"own thoughts | {100 * controls.accuracy:.1f} %" in card
    assert f"{controls.count} problems: {controls.data}; measured on {controls.date}." in card
    assert usage_line(out) == controls.line()
    assert here("export", out, "--out", again).returncode == 0
    assert (again / "README.md").read_text() == card
    assert hash_weights(again) == hash_weights(out)


def test_a_void_verdict_is_not_exported(here: Run, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "upload"
    shutil.copytree(ROOT / "models/prosqa", model)
    config = json.loads((model / "coconut.json").read_text())
    (model / "coconut.json").write_text(json.dumps(config | {"thoughts": 3}))
    (model / "README.md").unlink()
    result = here("export", model, "--out", out)
    assert "controls.json is void" in result.stderr
    assert not (out / "controls.json").exists()
    assert "Not measured." in (out / "README.md").read_text()


def test_an_export_that_cannot_be(here: Run, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "unknown format 'gguf'" in one_error(here("export", checkpoint, "--out", out, "--format", "gguf"))
    pause = tmp_path / "pause"
    shutil.copytree(checkpoint, pause)
    config = json.loads((pause / "coconut.json").read_text())
    (pause / "coconut.json").write_text(json.dumps(config | {"feedback": "pause"}))
    assert "feedback 'pause'" in one_error(here("export", pause, "--out", out, "--format", "official"))
    assert not list(tmp_path.glob("out*"))


def test_a_model_of_ours_goes_out_as_an_official_checkpoint(
    here: Run, checkpoint: Path, tmp_path: Path
) -> None:
    assert here("export", checkpoint, "--out", tmp_path / "o", "--format", "official").returncode == 0
    state = torch.load(tmp_path / "o" / "checkpoint_0", weights_only=True)
    assert {name.partition(".")[0] for name in state} == {"base_causallm", "embedding"}
    back = here(
        "convert", "official", tmp_path / "o" / "checkpoint_0", "--base", checkpoint, "--out", tmp_path / "b"
    )
    assert back.returncode == 0, back.stderr
    one, other = (json.loads(here("info", path, "--json").stdout) for path in (checkpoint, tmp_path / "b"))
    assert one["markers"] == other["markers"]
    assert one["parameters"] == other["parameters"]
