"""CODI checkpoints: converted, they compute what CODI computes; what does not fit is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from coconut_core.checkpoints import ImportOptions
from coconut_core.checkpoints.convert import convert
from coconut_core.checkpoints.explainer import open_explainer
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.runs.generate import generate
from coconut_core.runs.session import Session
from tests.core.tiny_adapters import ALPHA, logits_of
from tests.core.tiny_codi import ANSWER, WIDTH, CodiModel, write_codi
from tests.core.tiny_official import ARCHITECTURES, IGNORED, PROBLEMS, tiny_base, write_base

SHAPES = {  # how it is built, and how it is written
    "lora": ({}, False),
    "safetensors": ({}, True),
    "no layer norm": ({"norm": False}, False),
    "no projection": ({"prj": False}, True),
    "all weights trained": ({"lora": False}, False),
}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def base(architecture: str, tmp_path: Path) -> Path:
    return write_base(architecture, tmp_path / "base")


def converted(path: Path, base: Path, *, alpha: float | None = ALPHA) -> tuple[CoconutModel, list[str]]:
    told: list[str] = []
    options = ImportOptions(str(base), thoughts=3, lora_alpha=alpha)
    convert("codi", path, path.parent / "converted", options, told.append)
    return CoconutModel.from_pretrained(path.parent / "converted", device="cpu"), told


@pytest.mark.parametrize("shape", SHAPES)
def test_the_converted_model_has_codis_loss_and_answers(
    architecture: str, base: Path, tmp_path: Path, shape: str
) -> None:
    built, safe = SHAPES[shape]
    codi = CodiModel(architecture, **built)
    model, _ = converted(write_codi(codi, tmp_path / "codi", safe=safe), base)
    for question, answer in PROBLEMS:
        said = codi.answer(question, 3, 10)
        session = Session(model, question, max_new_tokens=10)
        session.finish()
        assert [step.token_id for step in session.steps if step.kind == "token"][: len(said)] == said
        prompt = [*codi.tokenizer(question).input_ids, codi.bot_id, *[codi.pad_id] * 3, codi.eot_id]
        answered = [*codi.tokenizer(f"{ANSWER} {answer}").input_ids, codi.tokenizer.eos_token_id]
        labels = torch.tensor([[IGNORED] * len(prompt) + answered])
        with torch.no_grad():
            loss = model(torch.tensor([prompt + answered]), None, labels).loss
        torch.testing.assert_close(loss, codi.loss(question, 3, answer), rtol=0, atol=2e-4)


def test_what_the_folder_says(architecture: str, base: Path, tmp_path: Path) -> None:
    codi = CodiModel(architecture)
    model, told = converted(write_codi(codi, tmp_path / "codi"), base)
    config = model.config
    assert (config.latent_id, config.bot_id, config.eot_id) == (codi.pad_id, codi.bot_id, codi.eot_id)
    assert model.tokenizer.convert_tokens_to_ids("<|start-latent|>") == codi.bot_id
    assert (config.feedback, config.feedback_options) == ("projection", {"width": WIDTH})
    assert (config.answer_prefix, config.question_end) == (ANSWER, "")
    assert model.encode_prompt(PROBLEMS[0][0]) == [*codi.tokenizer(PROBLEMS[0][0]).input_ids, codi.bot_id]
    assert any(f"with alpha {ALPHA:g}, as told" in line for line in told)
    forced = generate(model, [PROBLEMS[1][0]], answer_only=True, max_new_tokens=20)[0]
    assert forced.text.startswith(ANSWER)


def test_alpha_is_the_published_one_unless_told(architecture: str, base: Path, tmp_path: Path) -> None:
    path = write_codi(CodiModel(architecture), tmp_path / "codi")
    model, told = converted(path, base, alpha=None)
    assert any("alpha 32, the published models': it is not in the file" in line for line in told)
    (tmp_path / "again").mkdir()
    other, _ = converted(path.rename(tmp_path / "again" / "codi"), base, alpha=32.0)
    for (name, one), two in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two), name


def test_a_tokenizer_shorter_than_the_vocabulary_gets_placeholders(tmp_path: Path) -> None:
    base = write_base("llama", tmp_path / "base")
    codi = CodiModel("llama")
    longer = 5  # as if the base model had five embeddings that no token has
    state = codi.state_dict()
    rows = codi.pad_id
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        full = f"codi.base_model.model.{name}"
        table = state[full]
        state[full] = torch.cat([table[:rows], 0.01 * torch.ones(longer, table.shape[1]), table[rows:]])
    (tmp_path / "codi").mkdir()
    torch.save(state, tmp_path / "codi" / "pytorch_model.bin")
    config = base / "config.json"
    config.write_text(config.read_text().replace(f'"vocab_size": {rows}', f'"vocab_size": {rows + longer}'))
    model, _ = converted(tmp_path / "codi", base)
    assert model.config.bot_id == codi.bot_id + longer
    said = codi.answer(PROBLEMS[0][0], 3, 6)
    assert generate(model, [PROBLEMS[0][0]], max_new_tokens=6)[0].token_ids[: len(said)] == said


@torch.no_grad()
def test_sim_cots_decoder_beside_it_explains_each_thought(
    architecture: str, base: Path, tmp_path: Path
) -> None:
    codi, (decoder, _) = CodiModel(architecture), tiny_base(architecture, seed=5)
    path = write_codi(codi, tmp_path / "codi") / "pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    torch.save(state | {f"decoder.{name}": tensor for name, tensor in decoder.state_dict().items()}, path)
    model, told = converted(path.parent, base)
    assert any("keeping SIM-CoT's decoder as explainer" in line for line in told)
    session = Session(model, PROBLEMS[0][0])
    for _ in range(3):
        session.think()
    explainer = open_explainer(model, str(tmp_path / "converted"))
    found = explainer.explain(model, torch.stack([step.hidden for step in session.steps]), 5)
    fed = codi.embed(PROBLEMS[0][0], 3, [])[-4:-1]
    for each, thought in zip(found, fed, strict=True):
        said: list[int] = []
        while len(said) < 5:
            token = int(logits_of(decoder, [thought, *(codi.table[word] for word in said)])[-1].argmax())
            if token == codi.tokenizer.eos_token_id:
                break
            said.append(token)
        assert each.text == codi.tokenizer.decode(said, skip_special_tokens=True).strip()
        assert each.first == each.last


def test_a_decoder_of_another_model_is_left_out(tmp_path: Path) -> None:
    path = write_codi(CodiModel("gpt2"), tmp_path / "codi") / "pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    torch.save({**state, "decoder.lm_head.weight": torch.zeros(2, 2), "pj_in.weight": torch.zeros(1)}, path)
    _, told = converted(path.parent, write_base("gpt2", tmp_path / "base"))
    assert any("leaving out SIM-CoT's decoder: it is another model" in line for line in told)
    assert not (tmp_path / "converted" / "explainer").exists()


# -- near misses -----------------------------------------------------------------------------------------------

LAYER = "codi.base_model.model.transformer.h.0.attn.c_attn"
Damage = Callable[[dict[str, Tensor]], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "half an adapter": (
        lambda state: state.pop(f"{LAYER}.lora_B.default.weight"),
        "has lora_A of transformer.h.0.attn.c_attn and not the other half",
    ),
    "an adapter of another width": (
        lambda state: state.update({f"{LAYER}.lora_A.default.weight": torch.zeros(3, 31)}),
        "lora_A [3, 31] and lora_B [96, 3] of transformer.h.0.attn.c_attn do not fit its 32 inputs",
    ),
    "an adapter of no layer": (
        lambda state: state.update({"codi.base_model.model.x.lora_A.default.weight": torch.zeros(3, 32)}),
        "has LoRA for x, and GPT2LMHeadModel has no such layer",
    ),
    "a lost weight": (
        lambda state: state.pop(f"{LAYER}.base_layer.weight"),
        "1 missing (transformer.h.0.attn.c_attn.weight). Was it trained from another --base",
    ),
    "half a projection": (
        lambda state: state.pop("prj.3.bias"),
        "1 missing (prj.3.bias). A projection is prj.1",
    ),
    "a projection that does not fit": (
        lambda state: state.update({"prj.3.weight": torch.zeros(32, 23)}),
        "1 of another shape (prj.3.weight [32, 23] instead of [32, 24])",
    ),
    "the official format": (
        lambda state: [state.update({f"base_causallm.{name}": state.pop(name)}) for name in list(state)],
        "it is no CODI checkpoint. Its tensors look like another format: official.",
    ),
    "something more": (
        lambda state: state.update({"halting.weight": torch.zeros(1)}),
        "holds 1 tensors that CODI does not have (halting.weight)",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_does_not_fit_is_named(tmp_path: Path, kind: str) -> None:
    damage, said = DAMAGES[kind]
    path = write_codi(CodiModel("gpt2"), tmp_path / "codi") / "pytorch_model.bin"
    state = dict(torch.load(path, weights_only=True))
    damage(state)
    torch.save(state, path)
    with pytest.raises(CoconutError) as caught:
        converted(path.parent, write_base("gpt2", tmp_path / "base"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_base_is_named(tmp_path: Path) -> None:
    path = write_codi(CodiModel("gpt2"), tmp_path / "codi")
    base = write_base("llama", tmp_path / "base")
    with pytest.raises(CoconutError, match=f"Was it trained from another --base than {base}"):
        converted(path, base)
