"""Models that were never trained to think in latents, end to end: they think, and they are labelled."""

import json
from pathlib import Path

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem
from coconut_core.terminal.options import Ending
from tests.cli.conftest import Run
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.core.tiny_gguf import write_gguf

LABEL = "not trained to think in latents"
DOUBT = "its own hidden states are no inputs that it knows, so feeding them back is expected to fail"
QUESTION = "Is 7 a prime?"


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2-shaped folder with a chat template and without coconut.json."""
    return ordinary_folder(tmp_path_factory.mktemp("ordinary"), "qwen2", template=CHATML)


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """A problem file."""
    problem = Problem(QUESTION, ("7 has no factors.",), "yes")
    path = tmp_path / "problems.json"
    path.write_text(json.dumps([problem.to_json()]), encoding="utf-8")
    return path


@pytest.mark.parametrize("text", ["hidden", "mixture:temperature=0.6,top_p=0.9"])
def test_ask_thinks_with_any_model_and_labels_it(coconut: Run, ordinary: Path, text: str) -> None:
    result = coconut("ask", "--model", ordinary, "--feedback", text, "--json", "--max-new-tokens", 3, QUESTION)
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["trained"] is False
    assert len(record["thoughts"]) == 6
    label = f"{LABEL}: {DOUBT}" if text == "hidden" else LABEL
    assert record["thoughts_used"] == f"UNKNOWN: {label}"
    assert result.stderr.splitlines()[0] == f"note: {ordinary} was {label}"


def test_ask_shows_the_label_beside_the_thoughts(coconut: Run, ordinary: Path) -> None:
    traced = coconut(
        *("ask", "--model", ordinary, "--feedback", "mixture", "--max-new-tokens", 2, "--trace", QUESTION),
        *("--until-entropy", 1e-9, "--entropy-steps", 2, "--thoughts", 2),
    )
    lines = traced.stdout.splitlines()
    assert lines[-1] == f"thoughts used? UNKNOWN: {LABEL}"
    assert lines[-2] == (
        "thinks until the entropy of its readout is under 1e-09 nats 2 times in a row, at most 2 thoughts: "
        "took 2, ended by: limit"
    )


def test_ask_ends_thinking_by_entropy(coconut: Run, ordinary: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(QUESTION) + "\n", encoding="utf-8")
    done = coconut(
        *("ask", "--model", ordinary, "--feedback", "mixture", "--max-new-tokens", 2),
        *("--until-entropy", 100, "--entropy-steps", 3, "--input", source),
    )
    record = json.loads(done.stdout)
    assert (record["thoughts"], record["thinking_ended"], record["trained"]) == (2, ["entropy"], False)


def test_ask_puts_the_question_in_the_chat_template(coconut: Run, ordinary: Path) -> None:
    ask = ("ask", "--model", ordinary, "--feedback", "mixture", "--max-new-tokens", 1, "--json", QUESTION)
    record = json.loads(coconut(*ask, "--system", "Think.").stdout)
    # A byte is one token, and so are <|im_start|> (three times) and <|im_end|> (twice).
    texts = ("system\nThink.", "\n", f"user\n{QUESTION}", "\n", "assistant\n")
    assert record["tokens"]["prompt"] == sum(map(len, texts)) + 3 + 2


def test_eval_and_info_label_it(coconut: Run, ordinary: Path, problems: Path) -> None:
    evaluate = ("eval", "--model", ordinary, "--data", problems, "--feedback", "mixture", "--max-new-tokens", 2)
    record = json.loads(coconut(*evaluate, "--json", "--until-entropy", 100).stdout)
    assert record["trained"] is False
    assert record["thinking"].startswith("thinks until the entropy of its readout is under 100 nats")
    assert coconut(*evaluate).stdout.splitlines()[-1] == f"{ordinary}: {LABEL}"
    facts = json.loads(coconut("info", ordinary, "--json").stdout)
    assert facts["trained_to_think_in_latents"] is False
    assert facts["thoughts"] == 0
    assert facts["thoughts_used"] == f"UNKNOWN: {LABEL}: no thought is taken unless asked for"
    assert facts["chat"] is True


def test_its_thoughts_can_be_controlled(coconut: Run, ordinary: Path, problems: Path) -> None:
    run = coconut(
        *("controls", "--model", ordinary, "--data", problems, "--feedback", "mixture:top_k=3", "--no-chat"),
        *("--only", "none", "--max-new-tokens", 1, "--no-keep", "--json"),
    )
    settings = json.loads(run.stdout)["settings"]
    assert (settings["trained"], settings["feedback"]) == (False, "mixture:top_k=3")
    assert LABEL in run.stderr


def test_user_errors_are_one_line(coconut: Run, ordinary: Path) -> None:
    result = coconut("ask", "--model", ordinary, "--no-chat", "--system", "Think.", QUESTION)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "a system prompt needs a chat template" in result.stderr


@pytest.mark.parametrize(
    ("threshold", "steps", "said"),
    [
        (0.0, 1, "until-entropy must be above 0, in nats, not 0"),
        (float("nan"), 1, "until-entropy must be above 0, in nats, not nan"),
        (1.0, 0, "entropy-steps must be 1 or more, not 0"),
        (None, 2, "--entropy-steps goes with --until-entropy"),
    ],
)
def test_impossible_ends_by_entropy(threshold: float | None, steps: int, said: str) -> None:
    with pytest.raises(CoconutError, match=said):
        Ending(threshold, steps).rule()


def test_tied_embeddings_are_told_of_where_the_linear_map_is_chosen(coconut: Run, tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, "gpt2")
    result = coconut(
        "ask", "--model", folder, "--feedback", "linear", "--max-new-tokens", 1, "--json", QUESTION
    )
    assert json.loads(result.stdout)["thoughts_used"] == f"UNKNOWN: {LABEL}"
    assert "its embeddings are tied, so the linear map changes only a thought's length" in result.stderr


def test_what_stands_around_the_thoughts_is_chosen_and_told(
    coconut: Run, ordinary: Path, tmp_path: Path
) -> None:
    ask = ("ask", "--model", ordinary, "--max-new-tokens", 2, "--thoughts", 2, QUESTION)
    plain, texts = (
        json.loads(coconut(*ask, "--json", *more).stdout) for more in ((), ("--markers", "Hm:,\\n"))
    )
    assert texts["tokens"]["prompt"] == plain["tokens"]["prompt"] + 3
    assert plain["thinking_ended"] == texts["thinking_ended"] == ["number"]
    facts = json.loads(coconut("info", ordinary, "--json").stdout)
    assert facts["feedback"] == "mixture:temperature=0.6,top_p=0.95"
    assert (facts["markers"]["in_front"], facts["markers"]["behind"]) == ("", "")
    shown = coconut("info", ordinary, "--markers", "Hm:,\\n").stdout
    assert "in front  'Hm:'" in shown
    assert "behind  '\\n'" in shown


def test_no_doubt_where_no_hidden_state_is_fed(coconut: Run, ordinary: Path) -> None:
    ask = ("ask", "--model", ordinary, "--feedback", "hidden", "--max-new-tokens", 1, "--json", QUESTION)
    result = coconut(*ask, "--thoughts", 0)
    assert (DOUBT in result.stderr, DOUBT in result.stdout) == (False, False)
    assert json.loads(result.stdout)["thoughts_used"].startswith(f"UNKNOWN: {LABEL}: no thought is taken")


def test_a_gguf_file_is_asked_described_and_exported(coconut: Run, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    asked = coconut("ask", "--model", file, "--thoughts", 1, "--max-new-tokens", 2, "--json", "Ann has 3")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["thoughts_used"] == f"UNKNOWN: {LABEL}"
    assert coconut("info", tmp_path).returncode == 0
    made = coconut("export", file, "--out", tmp_path / "out")
    assert (made.returncode, (tmp_path / "out" / "model.safetensors").is_file()) == (0, True), made.stderr
    assert not any("it/s" in run.stderr for run in (asked, made)), "a bar in what is no terminal"
