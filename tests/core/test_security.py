"""Nothing that is opened runs code of its own, and nothing comes from the network unless a hub id was given."""

import ast
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.checkpoints import ImportOptions
from coconut_core.checkpoints.convert import convert
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.training.run_folder import STATE, RunFolder
from tests.core.refusals import RunsCode
from tests.core.tiny_official import official_run, write_base, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("coconut_core", "coconut_tui", "bench", "pictures")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
AUTOMATIC = (
    "AutoConfig",
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "kind",
)  # they run a folder's code if told to


@pytest.fixture
def folder(saved_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint folder with code in it that leaves a mark when it is run."""
    folder = Path(shutil.copytree(saved_folder, tmp_path / "checkpoint"))
    (folder / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'was-run')!r}).touch()\n"
        "from transformers import LlamaConfig as EvilConfig, LlamaForCausalLM as EvilModel\n"
        "from transformers import PreTrainedTokenizerFast as EvilTokenizer\n"
    )
    return folder


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_the_code_in_these_tests_would_run_if_it_were_let(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(RunsCode(tmp_path / "was-run")))
    assert (tmp_path / "was-run").exists()


# -- code that a folder brings along -----------------------------------------------------------------------

MODEL_CODE = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.EvilModel"}
TOKENIZER_CODE = {"AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"]}


@pytest.mark.parametrize("model_type", ["evil", "llama"])
def test_a_models_own_code_is_not_run(folder: Path, tmp_path: Path, model_type: str) -> None:
    change(folder / "config.json", auto_map=MODEL_CODE, model_type=model_type)
    if model_type == "llama":  # which transformers knows itself
        CoconutModel.from_pretrained(folder, device="cpu")
    else:
        with pytest.raises(CoconutError, match="cannot be loaded"):
            CoconutModel.from_pretrained(folder, device="cpu")
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["EvilTokenizer", "PreTrainedTokenizerFast", None])
def test_a_tokenizers_own_code_is_not_run(folder: Path, tmp_path: Path, name: str | None) -> None:
    change(folder / "tokenizer_config.json", auto_map=TOKENIZER_CODE, tokenizer_class=name)
    if name != "PreTrainedTokenizerFast":
        with pytest.raises(CoconutError, match="tokenizer of"):
            CoconutModel.from_pretrained(folder, device="cpu")
    else:
        CoconutModel.from_pretrained(folder, device="cpu")
    assert not (tmp_path / "was-run").exists()


def test_a_base_models_own_code_is_not_run(folder: Path, tmp_path: Path) -> None:
    write_checkpoint(official_run("llama"), tmp_path / "checkpoint_1")
    change(folder / "config.json", auto_map=MODEL_CODE, model_type="evil")
    with pytest.raises(CoconutError, match="configuration of"):
        convert("official", tmp_path / "checkpoint_1", tmp_path / "out", ImportOptions(str(folder)), print)
    assert not (tmp_path / "was-run").exists()


def test_nobody_is_asked_whether_code_may_run(folder: Path, tmp_path: Path) -> None:
    """transformers asks on the terminal unless told not to, and a pipe may answer."""
    change(folder / "config.json", auto_map=MODEL_CODE, model_type="evil")
    result = subprocess.run(
        [Path(sys.executable).with_name("coconut"), "info", folder],
        input="y\ny\ny\n", capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "was-run").exists()


def test_an_adapter_is_refused_before_its_base_is_looked_for(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "someone/model", "peft_type": "LORA"}'
    )
    with pytest.raises(CoconutError, match="holds a PEFT adapter"):
        CoconutModel.from_pretrained(folder)


def test_code_in_a_chat_template_is_not_run(folder: Path, tmp_path: Path) -> None:
    reach = "cycler.__init__.__globals__.os.system"
    (folder / "chat_template.jinja").write_text("{{ " + reach + f"('touch {tmp_path / 'was-run'}')" + " }}")
    (folder / "coconut.json").unlink()
    with pytest.raises(CoconutError, match="chat template"):
        CoconutModel.from_pretrained(folder, device="cpu").start("Is Alex a lempus?")
    assert not (tmp_path / "was-run").exists()


# -- pickles in the other files that are read --------------------------------------------------------------


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "vocab.pkl", "tokenizer.json"])
def test_code_in_a_file_of_a_model_folder_is_not_run(folder: Path, tmp_path: Path, name: str) -> None:
    torch.save(RunsCode(tmp_path / "was-run"), folder / name)
    if name in ("model.safetensors", "tokenizer.json"):
        with pytest.raises(CoconutError):
            CoconutModel.from_pretrained(folder, device="cpu")
    else:
        CoconutModel.from_pretrained(folder, device="cpu")
    assert not (tmp_path / "was-run").exists()


def test_code_in_a_training_state_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.folder_of(5).mkdir(parents=True)
    torch.save({"step": 5, "extra": RunsCode(tmp_path / "was-run")}, run.folder_of(5) / STATE)
    with pytest.raises(CoconutError, match="training state"):
        run.load_state(5)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/hosts"])
def test_an_index_that_leads_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"lm_head.weight": name}}))
    with pytest.raises(CoconutError, match="outside its folder"):
        CoconutModel.from_pretrained(folder)


# -- the network -------------------------------------------------------------------------------------------

WITHOUT_NETWORK = """
import socket, sys
def refuse(*arguments, **options):
    print("asked the network for", arguments)
    raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from coconut_core.cli import main
for line in sys.argv[1:]:
    sys.argv = ["coconut", *line.split()]
    try:
        main()
    except SystemExit as ended:
        print("exit code", ended.code or 0)
"""


def test_only_a_hub_id_asks_the_network(tmp_path: Path) -> None:
    """In a process that was told nothing of being offline and whose sockets refuse and say so."""
    path, base = (
        write_checkpoint(official_run("gpt2"), tmp_path / "checkpoint_1"),
        write_base("gpt2", tmp_path / "b"),
    )
    kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    homes = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hub")}
    lines = (f"info official:{path} --base {base} --json", "info some-owner/some-model")
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK, *lines],
        capture_output=True, text=True, check=True, timeout=300, cwd=ROOT, env=kept | homes,
    )  # fmt: skip
    opened, code, *asked, last = result.stdout.splitlines()
    assert json.loads(opened)["vocabulary"] == 264
    assert (code, last) == ("exit code 0", "exit code 2")
    assert asked
    assert all("asked the network" in line for line in asked)
    assert result.stderr.splitlines()[-1] == (
        "error: there is no folder some-owner/some-model, and no model of that name can be had from the hub "
        "(offline?)"
    )


# -- how files are read in this code base ------------------------------------------------------------------


def calls() -> list[tuple[Path, str, ast.Call]]:
    """Every call in the packages, with the name that it has in the source."""
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [(path, ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return found


def keyword(call: ast.Call, name: str) -> object:
    values = [each.value for each in call.keywords if each.arg == name]
    return ast.literal_eval(values[0]) if values else None


# What the processes of one command tell each other is no file: their gather unpickles it before it is loaded.
MESSAGES = Path("coconut_core/common/processes.py")


def test_every_file_is_read_the_safe_way() -> None:
    needed = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
    needed |= {f"{name}.from_pretrained": ("trust_remote_code", False) for name in AUTOMATIC}
    needed |= {f"{name}.from_config": ("trust_remote_code", False) for name in AUTOMATIC}
    checked = set()
    for path, name, call in calls():
        where = f"{path}:{call.lineno}"
        assert name.rpartition(".")[2] not in ("extract", "extractall", "unpack_archive"), where
        if name in needed:
            option, value = needed[name]
            if path.parts[-3:] == MESSAGES.parts and name == "torch.load":
                continue
            assert keyword(call, option) is value, where
            checked.add(name)
    assert {"torch.load", "AutoModelForCausalLM.from_pretrained", "kind.from_pretrained"} <= checked


def test_no_module_that_unpickles_is_imported() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            unsafe = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "tarfile"} & set(names)
            assert not unsafe, f"{path}:{getattr(node, 'lineno', 0)}"
