"""PCCoT folders: converted, they compute what PCCoT computes; what does not fit is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from coconut_core.checkpoints import ImportOptions
from coconut_core.checkpoints.convert import convert
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.runs.generate import generate
from coconut_core.runs.session import Session
from tests.core.tiny_official import ARCHITECTURES, IGNORED, PROBLEMS, write_base
from tests.core.tiny_pccot import PASSES, PROMPT, THOUGHTS, PccotModel, write_pccot

SHAPES = {  # how it is built, and how it is written
    "adapter with its table": ({}, {}),
    "adapter without its table": ({}, {"table": False}),
    "no projection": ({"prj": False}, {}),
    "all weights": ({"lora": False}, {}),
}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def base(architecture: str, tmp_path: Path) -> Path:
    return write_base(architecture, tmp_path / "base")


def converted(path: Path, base: Path, **options: Any) -> CoconutModel:
    out = path.parent / "converted"
    convert("pccot", path, out, ImportOptions(str(base), **options), lambda line: None)
    return CoconutModel.from_pretrained(out, device="cpu")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_converted_model_has_pccots_loss_and_answers(
    architecture: str, base: Path, tmp_path: Path, shape: str
) -> None:
    built, written = SHAPES[shape]
    pccot = PccotModel(architecture, **built)
    model = converted(write_pccot(pccot, tmp_path / "pccot", **written), base)
    questions = [question for question, _ in PROBLEMS]
    prompt = len(pccot.tokenizer(PROMPT).input_ids)
    for passes, asked in ((PASSES, None), (THOUGHTS, 0)):  # as it was trained, and one thought after the other
        answers = generate(model, questions, answer_only=True, max_new_tokens=prompt + 8, passes=asked)
        for question, answer in zip(questions, answers, strict=True):
            said = pccot.answer(question, 8, passes=passes)
            assert answer.token_ids[prompt : prompt + len(said)] == said
    for question, expected in PROBLEMS:
        ids, labelled = pccot.row(question, expected)
        labels = torch.tensor([[IGNORED] * (len(ids) - len(labelled)) + labelled])
        with torch.no_grad():
            loss = model(torch.tensor([ids]), None, labels).loss
        torch.testing.assert_close(loss, pccot.loss(question, expected), rtol=0, atol=2e-4)


def test_what_the_folder_says(architecture: str, base: Path, tmp_path: Path) -> None:
    pccot = PccotModel(architecture)
    config = converted(write_pccot(pccot, tmp_path / "pccot"), base).config
    assert (config.bot_id, config.eot_id, config.latent_id) == (pccot.bot, pccot.eot, pccot.latent)
    assert (config.thoughts, config.passes, config.answer_prefix) == (THOUGHTS, PASSES, PROMPT)
    assert (config.feedback, config.feedback_options) == ("projection", {"width": 32})
    told = converted(tmp_path / "pccot", base, thoughts=0, answer_prefix="").config
    assert (told.thoughts, told.answer_prefix) == (0, "")


def test_a_session_steps_through_the_passes_thoughts(tmp_path: Path) -> None:
    pccot = PccotModel("gpt2")
    model = converted(write_pccot(pccot, tmp_path / "pccot"), write_base("gpt2", tmp_path / "base"))
    session = Session(model, PROBLEMS[0][0])
    for _ in range(THOUGHTS):
        session.think()
    with torch.no_grad():
        fed = pccot.embed(PROBLEMS[0][0], [], thoughts=THOUGHTS, passes=PASSES)
        start = len(session.prompt_ids)
        found = model.feedback(torch.stack([step.hidden for step in session.steps]))
    torch.testing.assert_close(found, torch.stack(fed[start : start + THOUGHTS]), rtol=1e-4, atol=1e-4)


# -- near misses -----------------------------------------------------------------------------------------------

DELTA = "base_model.model.transformer.wte.token_adapter.trainable_tokens_delta"
Damage = Callable[[dict[str, Tensor]], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no trained tokens": (
        lambda state: state.pop(DELTA),
        f"{DELTA} must be [5, 32], the embeddings of the tokens that adapter_config.json names, and is [0, 0]",
    ),
    "a table that is too long": (
        lambda state: state.update(
            {DELTA.replace("trainable_tokens_delta", "base_layer.weight"): torch.zeros(300, 32)}
        ),
        "they do not belong together",
    ),
    "no projection": (
        lambda state: [state.pop(name) for name in list(state) if ".prj." in name],
        "config.json says use_projection true, and there are 0 tensors prj.*",
    ),
    "half a projection": (
        lambda state: state.pop("base_model.model.prj.2.bias"),
        "1 missing (prj.2.bias). A projection is prj.0 (linear), GELU, prj.2 (linear), prj.3 (layer norm).",
    ),
    "half an adapter": (
        lambda state: state.pop("base_model.model.transformer.h.1.mlp.c_fc.lora_A.weight"),
        "has lora_B of transformer.h.1.mlp.c_fc and not the other half",
    ),
    "something more": (
        lambda state: state.update({"base_model.model.gate.weight": torch.zeros(1)}),
        "holds 1 tensors that belong to nothing (gate.weight)",
    ),
    "no adapter of PEFT": (
        lambda state: state.update({"codi.lm_head.weight": torch.zeros(1)}),
        "it is no adapter of PEFT. Its tensors look like another format: codi.",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_does_not_fit_is_named(tmp_path: Path, kind: str) -> None:
    damage, said = DAMAGES[kind]
    path = write_pccot(PccotModel("gpt2"), tmp_path / "pccot") / "adapter_model.safetensors"
    state = load_file(path)
    damage(state)
    save_file(state, path)
    assert said in refusal(path.parent, write_base("gpt2", tmp_path / "base"))


def refusal(path: Path, base: Path) -> str:
    with pytest.raises(CoconutError) as caught:
        converted(path, base)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("adapter_config.json", {"use_dora": True}, "asks for use_dora, which is no plain LoRA"),
        ("adapter_config.json", {"lora_alpha": None}, "lacks lora_alpha, a number"),
        ("adapter_config.json", {"trainable_token_indices": [1, 2]}, "must be [2, 32]"),
        ("pccot_args.json", {"bot_token_id": None}, "'bot_token_id' must be a whole number, not None"),
        ("config.json", {"num_iterations": 1.5}, "'num_iterations' must be a whole number, not 1.5"),
        ("config.json", {"use_projection": False}, "config.json says use_projection false"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    tmp_path: Path, file: str, changes: dict[str, Any], said: str
) -> None:
    path = write_pccot(PccotModel("gpt2"), tmp_path / "pccot")
    record = json.loads((path / file).read_text())
    (path / file).write_text(json.dumps(record | changes))
    assert said in refusal(path, write_base("gpt2", tmp_path / "base"))


def test_what_is_no_pccot_folder_is_refused(tmp_path: Path) -> None:
    base = write_base("gpt2", tmp_path / "base")
    assert "there is no" in refusal(base, base)
    assert "is not a folder: give the one that holds pccot_args.json" in refusal(base / "config.json", base)
    path = write_pccot(PccotModel("gpt2"), tmp_path / "pccot")
    (path / "adapter_model.safetensors").unlink()
    assert "has adapter_config.json, but no adapter_model.safetensors beside it" in refusal(path, base)
