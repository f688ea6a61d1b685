"""Official checkpoints: converted they compute what the official code computes, and go back as they came."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coconut_core.checkpoints import ImportOptions
from coconut_core.checkpoints.convert import convert
from coconut_core.checkpoints.official import save_official
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig
from coconut_core.runs.session import Session
from tests.core.ending_models import ending_model
from tests.core.tiny_models import tiny_model
from tests.core.tiny_official import (
    ADDED,
    ARCHITECTURES,
    IGNORED,
    PROBLEMS,
    OfficialModel,
    official_run,
    tiny_tokenizer,
    write_base,
    write_checkpoint,
)

State = dict[str, Tensor]


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def official(architecture: str) -> OfficialModel:
    return official_run(architecture)


@pytest.fixture
def base(architecture: str, tmp_path: Path) -> Path:
    return write_base(architecture, tmp_path / "base")


@pytest.fixture
def checkpoint(official: OfficialModel, tmp_path: Path) -> Path:
    return write_checkpoint(official, tmp_path / "checkpoint_33")


def converted(path: Path, base: Path, dtype: str = "auto", **options: Any) -> CoconutModel:
    out = path.parent / "converted"
    convert("official", path, out, ImportOptions(str(base), **options), lambda line: None)
    return CoconutModel.from_pretrained(out, device="cpu", dtype=dtype)


def refusal(path: Path, base: Path) -> str:
    """The message of the CoconutError that converting ends in: one line, and nothing is left behind."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(CoconutError) as caught:
        converted(path, base)
    assert sorted(path.parent.iterdir()) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(path: Path, edit: Callable[[State], object]) -> Path:
    """Change the state dict in a file."""
    state = torch.load(path, weights_only=True)
    edit(state)
    torch.save(state, path)
    return path


def batch_of(official: OfficialModel, thoughts: tuple[int, ...]) -> tuple[list[Any], list[Tensor]]:
    """Rows of the problems, and the same as a batch (ids, mask, labels), the first latents in one column."""
    rows = [
        official.row(question, count, answer)
        for (question, answer), count in zip(PROBLEMS, thoughts, strict=True)
    ]
    starts = [ids.index(official.latent_id) for ids, _ in rows]
    left = [max(starts) - start for start in starts]
    width = max(before + len(ids) for before, (ids, _) in zip(left, rows, strict=True))

    def table(parts: list[list[int]], fill: int) -> Tensor:
        padded = [[fill] * before + part for before, part in zip(left, parts, strict=True)]
        return torch.tensor([part + [fill] * (width - len(part)) for part in padded])

    ids, labels = ([row[kind] for row in rows] for kind in (0, 1))
    return rows, [table(ids, 0), table([[1] * len(each) for each in ids], 0), table(labels, IGNORED)]


def said_by(model: CoconutModel, question: str, length: int) -> list[int]:
    session = Session(model, question, max_new_tokens=length)
    session.finish()
    return [step.token_id for step in session.steps if step.token_id is not None and step.kind == "token"]


# -- the same numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_has_the_official_loss(
    architecture: str, official: OfficialModel, base: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    path = write_checkpoint(official, tmp_path / "checkpoint_33", dtype=dtype)
    assert converted(path, base).dtype == dtype
    model = converted(path, base, dtype="float32")
    official = official_run(architecture, seed=1)
    official.load_state_dict(torch.load(path, weights_only=True))
    rows, batch = batch_of(official, (3, 6))
    with torch.no_grad():
        loss = model.forward(*batch).loss
    assert loss is not None
    torch.testing.assert_close(loss, official.loss(rows), rtol=0, atol=2e-5)


@pytest.mark.parametrize("thoughts", [0, 1, 6])
def test_it_gives_the_official_answers(
    official: OfficialModel, checkpoint: Path, base: Path, thoughts: int
) -> None:
    model = converted(checkpoint, base, thoughts=thoughts)
    for question, _ in PROBLEMS:
        said = official.answer(question, thoughts, 12)
        assert len(said) == 12
        assert said_by(model, question, 12) == said
        assert len(set(said)) > 2  # not one word over and over


@pytest.mark.parametrize("thoughts", [1, 3])
def test_its_thoughts_are_the_official_hidden_states(
    official: OfficialModel, checkpoint: Path, base: Path, thoughts: int
) -> None:
    session = Session(converted(checkpoint, base), PROBLEMS[0][0], thoughts=thoughts, max_new_tokens=1)
    session.finish()
    embeddings = official.embed(official.prompt(PROBLEMS[0][0], thoughts))
    for step, fed in zip(session.thought_steps(), embeddings[-1 - thoughts : -1], strict=True):
        torch.testing.assert_close(step.state, fed, rtol=0, atol=1e-5)


def test_the_tokenizer_has_the_markers_in_the_official_order(checkpoint: Path, base: Path) -> None:
    model = converted(checkpoint, base)
    first = len(tiny_tokenizer())
    assert model.tokenizer.convert_ids_to_tokens([first, first + 1, first + 2]) == ADDED
    assert [model.config.bot_id, model.config.eot_id, model.config.latent_id] == [first, first + 1, first + 2]
    assert model.eos_ids == {tiny_tokenizer().eos_token_id}
    assert model.tokenizer.pad_token_id == model.tokenizer.eos_token_id


def test_the_folder_says_where_it_came_from(checkpoint: Path, base: Path) -> None:
    import hashlib

    model = converted(checkpoint, base, thoughts=3, answer_prefix="The answer is", family="prosqa")
    assert model.config.data == {
        "converted_from": "official",
        "file": "checkpoint_33",
        "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "base": str(base),
    }
    assert (model.config.thoughts, model.config.trained, model.config.feedback) == (3, True, "hidden")
    assert (model.config.answer_prefix, model.config.family) == ("The answer is", "prosqa")
    plain = converted(checkpoint, base).config
    assert (plain.thoughts, plain.answer_prefix, plain.family) == (6, "###", None)


def test_the_weights_of_the_base_are_not_needed(checkpoint: Path, base: Path) -> None:
    (base / "model.safetensors").unlink()
    assert said_by(converted(checkpoint, base), PROBLEMS[0][0], 2)


# -- back again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("prefix", ["", "_fsdp_wrapped_module.", "module."])
def test_there_and_back_is_the_same_to_the_bit(
    official: OfficialModel, base: Path, tmp_path: Path, dtype: torch.dtype, prefix: str
) -> None:
    path = write_checkpoint(official, tmp_path / "checkpoint_33", dtype=dtype, prefix=prefix)
    save_official(converted(path, base), tmp_path / "back")
    before, after = torch.load(path, weights_only=True), torch.load(tmp_path / "back", weights_only=True)
    assert [name.removeprefix(prefix) for name in before] == list(after)
    for name, tensor in after.items():
        assert tensor.dtype == dtype
        assert torch.equal(tensor.view(torch.uint8), before[prefix + name].view(torch.uint8)), name


def test_tied_tensors_are_written_once(checkpoint: Path, base: Path, tmp_path: Path) -> None:
    model = converted(checkpoint, base)
    save_official(model, tmp_path / "back")
    state = torch.load(tmp_path / "back", weights_only=True)
    tied = {state[name].data_ptr() for name in state if name == "embedding.weight" or "lm_head" in name}
    assert len(tied) == (1 if model.base_lm.config.tie_word_embeddings else 2)
    assert (tmp_path / "back").stat().st_size < checkpoint.stat().st_size * 1.05


def test_not_a_number_survives(checkpoint: Path, base: Path, tmp_path: Path) -> None:
    def spoil(state: State) -> None:
        for name, tensor in state.items():
            if "wte" in name or "embed" in name or "lm_head" in name:
                tensor.view(torch.int32)[0, 0] = 0x7FC01234

    save_official(converted(change(checkpoint, spoil), base), tmp_path / "back")
    back = torch.load(tmp_path / "back", weights_only=True)["embedding.weight"]
    assert int(back.view(torch.int32)[0, 0]) == 0x7FC01234


def test_a_model_that_the_official_code_cannot_run_is_not_written(tmp_path: Path) -> None:
    cases = [
        (tiny_model("gpt2", feedback="pause"), "feedback 'pause'"),
        (ending_model("gpt2", "entropy"), "ending 'entropy'"),
        (tiny_model("gpt2"), "80 token embeddings for 72 tokens"),
    ]
    for model, said in cases:
        with pytest.raises(CoconutError, match=said):
            save_official(model, tmp_path / "checkpoint_0")
    assert not list(tmp_path.iterdir())


def test_other_markers_are_not_written(checkpoint: Path, base: Path, tmp_path: Path) -> None:
    model = converted(checkpoint, base)
    model.config = CoconutConfig(bot_id=1, eot_id=2, latent_id=model.config.latent_id)
    with pytest.raises(CoconutError, match="has other markers than the official code's"):
        save_official(model, tmp_path / "back")


# -- what may differ ---------------------------------------------------------------------------------------


def test_names_of_one_tensor_may_be_left_out(checkpoint: Path, base: Path, architecture: str) -> None:
    left_out = ["embedding.weight"] + (["base_causallm.lm_head.weight"] if architecture == "gpt2" else [])
    whole = converted(checkpoint, base)
    some = converted(change(checkpoint, lambda state: [state.pop(name) for name in left_out]), base)
    for one, other in zip(whole.parameters(), some.parameters(), strict=True):
        assert torch.equal(one, other)


def test_buffers_of_older_versions_are_passed_over(checkpoint: Path, base: Path) -> None:
    def add(state: State) -> None:
        state["base_causallm.transformer.h.0.attn.bias"] = torch.ones(1, 1, 4, 4, dtype=torch.bool)
        state["base_causallm.transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
        state["base_causallm.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)

    assert said_by(converted(change(checkpoint, add), base), PROBLEMS[0][0], 1)


def test_number_formats_that_differ_become_the_one_that_holds_all(checkpoint: Path, base: Path) -> None:
    def narrow(state: State) -> None:
        name = next(name for name in state if "mlp" in name)
        state[name] = state[name].bfloat16()

    assert converted(change(checkpoint, narrow), base).dtype == torch.float32


# -- near misses -------------------------------------------------------------------------------------------


def first_mlp(state: State) -> str:
    return next(name for name in state if "mlp" in name and name.endswith("weight"))


def test_missing_tensors(checkpoint: Path, base: Path) -> None:
    gone: list[str] = []

    def take(state: State) -> None:
        gone.extend(name for name in list(state) if "mlp" in name)
        for name in gone:
            del state[name]

    message = refusal(change(checkpoint, take), base)
    assert f"{len(gone)} missing ({gone[0]}, {gone[1]}, {gone[2]}, … {len(gone) - 3} more)" in message
    assert "extra" not in message
    assert "another shape" not in message


def test_extra_tensors(checkpoint: Path, base: Path) -> None:
    message = refusal(
        change(checkpoint, lambda state: state.update({"base_causallm.v_head": torch.ones(1)})), base
    )
    assert "1 extra (base_causallm.v_head)" in message
    assert "missing" not in message


def test_a_tensor_of_another_shape(checkpoint: Path, base: Path) -> None:
    names: list[str] = []

    def cut(state: State) -> None:
        names.append(first_mlp(state))
        state[names[0]] = state[names[0]][:-1].clone()

    rows, columns = torch.load(checkpoint, weights_only=True)[first_mlp(torch.load(checkpoint))].shape
    message = refusal(change(checkpoint, cut), base)
    assert f"1 of another shape ({names[0]} [{rows - 1}, {columns}] instead of [{rows}, {columns}])" in message
    assert f"Was it trained from another --base than {base}?" in message


def test_a_misspelt_tensor_is_both_missing_and_extra(checkpoint: Path, base: Path) -> None:
    def rename(state: State) -> None:
        name = first_mlp(state)
        state[name.replace("mlp", "mpl")] = state.pop(name)

    message = refusal(change(checkpoint, rename), base)
    assert "1 missing (" in message
    assert "; 1 extra (" in message


def test_a_deeper_base(official: OfficialModel, checkpoint: Path, base: Path) -> None:
    import json

    config = json.loads((base / "config.json").read_text())
    name = "n_layer" if "n_layer" in config else "num_hidden_layers"
    (base / "config.json").write_text(json.dumps(config | {name: 3}))
    assert "missing (base_causallm." in refusal(checkpoint, base)


def test_the_base_of_another_vocabulary(checkpoint: Path, tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path / "other")
    assert "has 264 token embeddings, but the tokenizer of" in refusal(checkpoint, tmp_path / "other")


def test_the_base_of_another_architecture(checkpoint: Path, architecture: str, tmp_path: Path) -> None:
    other = write_base("llama" if architecture == "gpt2" else "gpt2", tmp_path / "other")
    message = refusal(checkpoint, other)
    assert "missing" in message
    assert "extra" in message
    assert f"another --base than {other}" in message


def test_a_checkpoint_without_rows_for_the_markers(checkpoint: Path, base: Path) -> None:
    def cut(state: State) -> None:
        for name, tensor in state.items():
            if len(tensor) == 264:
                state[name] = tensor[:-3].clone()

    assert "has 261 token embeddings, but the tokenizer of" in refusal(change(checkpoint, cut), base)


def test_two_versions_of_one_tensor(checkpoint: Path, base: Path) -> None:
    def part(state: State) -> None:
        state["embedding.weight"] = state["embedding.weight"] + 1

    message = refusal(change(checkpoint, part), base)
    assert "holds two versions of one tensor" in message
    assert "embedding.weight" in message


def test_an_official_checkpoint_without_thoughts(official: OfficialModel, base: Path, tmp_path: Path) -> None:
    torch.save(official.base_causallm.state_dict(), tmp_path / "checkpoint_5")
    message = refusal(tmp_path / "checkpoint_5", base)
    assert "no base_causallm.* tensors: it is a causal language model without thoughts" in message


def test_something_else_altogether(base: Path, tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(2), "decoder.weight": torch.zeros(2)}, tmp_path / "checkpoint_5")
    message = refusal(tmp_path / "checkpoint_5", base)
    assert (
        "no base_causallm.* tensors but encoder.weight, decoder.weight: it is no official checkpoint" in message
    )


def test_a_base_that_is_none(checkpoint: Path, base: Path, tmp_path: Path) -> None:
    assert "is no model folder (it has no config.json)" in refusal(checkpoint, tmp_path / "missing")
    assert "can be had from the hub (offline?)" in refusal(checkpoint, Path("no-such-owner/no-such-model"))
    (base / "config.json").write_text('{"model_type": "vit"}')
    assert "is no causal language model" in refusal(checkpoint, base)
    (base / "config.json").write_text("{")
    assert "the configuration of" in refusal(checkpoint, base)


def test_an_unknown_format(checkpoint: Path, base: Path) -> None:
    with pytest.raises(CoconutError, match="unknown format 'nonsense': known are official"):
        convert("nonsense", checkpoint, base.parent / "out", ImportOptions(str(base)), lambda line: None)
