"""SIM-CoT checkpoints: an official model, and beside it a decoder that puts its thoughts into words."""

import json
from pathlib import Path

import pytest
import torch

from coconut_core.checkpoints import ImportOptions
from coconut_core.checkpoints.convert import convert
from coconut_core.checkpoints.explainer import open_explainer
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.runs.session import Session
from tests.core.tiny_official import ARCHITECTURES, PROBLEMS, write_base, write_checkpoint
from tests.core.tiny_sim_cot import SimCotModel

THOUGHTS, LENGTH = 5, 6  # the last step has one thought only


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def converted(path: Path, base: Path, thoughts: int | None = THOUGHTS) -> Path:
    out = path.parent / "converted"
    convert("sim-cot", path, out, ImportOptions(str(base), thoughts=thoughts), lambda line: None)
    return out


def test_it_answers_as_the_official_model_and_its_decoder_explains(architecture: str, tmp_path: Path) -> None:
    sim_cot = SimCotModel(architecture)
    base = write_base(architecture, tmp_path / "base")
    folder = converted(write_checkpoint(sim_cot, tmp_path / "checkpoint_30"), base)
    model = CoconutModel.from_pretrained(folder, device="cpu")
    explainer = open_explainer(model, str(folder))
    for question, _ in PROBLEMS:
        session = Session(model, question, max_new_tokens=8)
        session.finish()
        said = sim_cot.answer(question, THOUGHTS, 8)
        assert [step.token_id for step in session.steps if step.kind == "token"][: len(said)] == said
        found = explainer.explain(model, torch.stack([step.hidden for step in session.thought_steps()]), LENGTH)
        assert [(each.first, each.last) for each in found] == [(1, 2), (3, 4), (5, 5)]
        texts = [
            model.tokenizer.decode(ids, skip_special_tokens=True).strip()
            for ids in sim_cot.explanations(question, THOUGHTS, 2, LENGTH)
        ]
        assert [each.text for each in found] == texts
        assert len(set(texts)) > 1


def test_the_model_itself_does_not_carry_the_decoder(tmp_path: Path) -> None:
    path = write_checkpoint(SimCotModel("gpt2"), tmp_path / "checkpoint_30")
    folder = converted(path, write_base("gpt2", tmp_path / "base"), thoughts=None)
    model = CoconutModel.from_pretrained(folder, device="cpu")
    assert model.config.thoughts == 10
    assert not any("explain" in name or "expain" in name for name in model.state_dict())


def test_a_decoder_that_does_not_fit_is_named(tmp_path: Path) -> None:
    base = write_base("gpt2", tmp_path / "base")
    path = write_checkpoint(SimCotModel("gpt2"), tmp_path / "checkpoint_30")
    whole = torch.load(path, weights_only=True)
    name = "expainable_llm.transformer.h.0.ln_1.bias"
    rest = {key: tensor for key, tensor in whole.items() if not key.startswith("expainable_llm.")}
    for state, said in (
        (
            {key: tensor for key, tensor in whole.items() if key != name},
            "1 missing (transformer.h.0.ln_1.bias)",
        ),
        ({**whole, name: torch.zeros(31)}, "transformer.h.0.ln_1.bias [31] instead of [32]"),
        (
            rest,
            "has no expainable_llm.* tensors, SIM-CoT's decoder. Its tensors look like another format",
        ),
        ({**whole, "projector2.weight": torch.zeros(1)}, "1 extra (projector2.weight)"),
    ):
        torch.save(state, path)
        with pytest.raises(CoconutError) as caught:
            converted(path, base)
        assert said in str(caught.value)


def test_a_checkpoint_without_a_decoder_says_so(tmp_path: Path) -> None:
    path = write_checkpoint(SimCotModel("gpt2"), tmp_path / "checkpoint_30")
    folder = converted(path, write_base("gpt2", tmp_path / "base"))
    model = CoconutModel.from_pretrained(folder, device="cpu")
    shape = folder / "explainer" / "config.json"
    record = json.loads(shape.read_text())
    assert record.pop("thoughts_per_step") == 2
    shape.write_text(json.dumps(record))
    with pytest.raises(CoconutError, match="lacks thoughts_per_step, a whole number"):
        open_explainer(model, str(folder))
    (folder / "explainer").rename(tmp_path / "elsewhere")
    with pytest.raises(CoconutError, match="has no explainer: SIM-CoT checkpoints have one"):
        open_explainer(model, str(folder))
