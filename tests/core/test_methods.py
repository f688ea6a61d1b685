"""Methods of training: the table, options, passes of a loss, and a module that is trained beside the model."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.common.records import Range
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, Example, TokenizedProblem
from coconut_core.training.methods.passes import Pass
from coconut_core.training.methods.table import METHODS, Method, Option
from coconut_core.training.recipe import load_recipe
from tests.core.precision import tolerance
from tests.core.reference import embed_with_thoughts
from tests.core.sequence_rows import make_row, pad
from tests.core.tiny_recipes import Row, assert_same_weights, go_on, tiny_recipe, train, trainer_for


class Beside(nn.Module):
    """A module that is trained along, and keeps one file."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.map = nn.Linear(size, 1)

    def save(self, folder: Path) -> None:
        (folder / "beside.txt").write_text(str(float(self.map.bias.detach())))


def lay_out(
    encoder: Encoder, problem: TokenizedProblem, stage: Stage, options: Mapping[str, Any]
) -> dict[str, Example]:
    main = encoder.sequence(problem, stage)
    main = replace(main, marks=(main.prompt_length - 1, len(main.ids) - 2))
    return {"words": encoder.sequence(problem, Stage(1)), "main": main}


def loss(model: CoconutModel, passes: Mapping[str, Pass], options: Mapping[str, Any]) -> dict[str, Tensor]:
    main, words = passes["main"], passes["words"]
    assert main.output.layers is not None
    ends = main.output.layers[:, 1, 1:].mean(dim=1)  # (examples, hidden)
    beside: Any = model.companion
    return {
        "thoughts": main.cross_entropy,
        "words": words.cross_entropy * options["weight"],
        "beside": main.mean(beside.map(ends)[:, 0].square()),
    }


TRIAL = Method(
    "for tests",
    METHODS["coconut"].stages,
    options={"weight": Option(0.5, "of the words", (Range(0, 2),))},
    lay_out=lay_out,
    loss=loss,
    module=lambda model, options: Beside(model.shape.hidden_size),
)
CURRICULUM = {"lookup": 0, "total": 6, "stages": 1}


@pytest.fixture(autouse=True)
def trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "trial", TRIAL)


def losses(rows: list[Row]) -> list[dict[str, float]]:
    return [row["terms"] for row in rows if "terms" in row]


@pytest.mark.parametrize("micro", [1, 3])
def test_a_loss_over_passes_and_a_module_learn_the_same_in_micro_batches(tmp_path: Path, micro: int) -> None:
    whole = train(tiny_recipe(method="trial", curriculum=CURRICULUM), tmp_path / "whole")
    parts = train(tiny_recipe(method="trial", curriculum=CURRICULUM, micro_batch=micro), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts", 2e-5)
    for one, other in zip(losses(whole), losses(parts), strict=True):
        assert one == pytest.approx(other, abs=2e-4)
        assert set(one) == {"thoughts", "words", "beside"}
    kept = [float((tmp_path / run / "checkpoint" / "beside.txt").read_text()) for run in ("whole", "parts")]
    assert kept[0] == pytest.approx(kept[1], abs=2e-5)


def test_a_module_is_trained_and_gone_on_with(tmp_path: Path) -> None:
    recipe = tiny_recipe(method="trial", curriculum=CURRICULUM)
    trainer = trainer_for(recipe, tmp_path / "whole")
    before = float(trainer.plain_model.companion.map.bias.detach())
    trainer.run(lambda row: None)
    after = (tmp_path / "whole" / "checkpoint" / "beside.txt").read_text()
    assert float(after) != before
    train(recipe, tmp_path / "parts", until=3)
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert (tmp_path / "parts" / "checkpoint" / "beside.txt").read_text() == after


def test_a_loss_of_its_own_that_is_no_number_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def breaking(model: CoconutModel, passes: Mapping[str, Pass], options: Mapping[str, Any]) -> Any:
        fed = passes["main"].mean(torch.zeros(len(passes["main"].batch.input_ids)))
        return {"own": 0 * passes["main"].cross_entropy + fed / fed}  # whose labels have numbers all the same

    monkeypatch.setitem(METHODS, "trial", replace(TRIAL, lay_out=None, loss=breaking, module=None))
    with pytest.raises(CoconutError, match="the loss is nan at step 1: lower"):
        train(tiny_recipe(method="trial", curriculum=CURRICULUM), tmp_path)


def test_a_loss_of_one_part_of_its_own_is_in_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def half(model: CoconutModel, passes: Mapping[str, Pass], options: Mapping[str, Any]) -> Any:
        return {"half": passes["main"].cross_entropy / 2}

    monkeypatch.setitem(METHODS, "trial", replace(TRIAL, lay_out=None, loss=half, module=None))
    row = train(tiny_recipe(method="trial", curriculum=CURRICULUM), tmp_path)[0]
    assert row["terms"] == {"half": pytest.approx(row["loss"] / 2, abs=1e-4)}


def test_a_pass_without_main_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = replace(TRIAL, lay_out=lambda *given: {"words": lay_out(*given)["words"]}, module=None)
    monkeypatch.setitem(METHODS, "trial", wrong)
    with pytest.raises(CoconutError, match="lays out words, and no pass called 'main'"):
        trainer_for(tiny_recipe(method="trial", curriculum=CURRICULUM), tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["method=cocnut"], "unknown method 'cocnut': did you mean 'coconut'? known are coconut, cot"),
        (["method=?"], "unknown method '?': known are coconut, cot"),
        (
            ["options.weight=1.0"],
            "method 'coconut' does not have that, which is an option of sim-cot, trial: leave it out",
        ),
        (["method=trial", "options.wait=1.0"], "method 'trial' has weight: did you mean"),
        (["method=cot", "options.wait=1.0"], "options.wait: method 'cot' has no options: leave it out"),
        (["method=trial", "options.weight=true"], "the entry 'options.weight' must be a number, not True"),
        (["method=trial", "options.weight=3"], "the entry 'options.weight' must be from 0 to 2, not 3"),
        (["method=trial", "curriculum.lookup=5"], "and the warm-up has none: set it to 0"),
    ],
)
def test_what_is_wrong_with_a_method_or_its_options_is_one_line(settings: list[str], message: str) -> None:
    with pytest.raises(CoconutError) as caught:
        load_recipe("small", ["curriculum.lookup=0", *settings])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_printed_recipe_has_the_options_that_were_left_out(tmp_path: Path) -> None:
    recipe = load_recipe("small", ["method=trial", "curriculum.lookup=0"])
    assert recipe.options == {"weight": 0.5}
    assert "[options]\nweight = 0.5" in recipe.to_toml()
    (path := tmp_path / "printed.toml").write_text(recipe.to_toml())
    assert load_recipe(str(path)) == recipe


def test_the_states_of_all_layers_are_those_of_a_plain_forward(model: CoconutModel) -> None:
    rows = [make_row(model, 5, [2], 4, 1), make_row(model, 4, [3], 3, 2)]
    ids, mask, labels = pad(rows, [0, 1])
    columns = torch.tensor([[4, 6, 10], [4, 6, 10]])  # a prompt's end, thoughts, words
    layers = model(ids, mask, labels, layers_at=columns).layers
    assert layers is not None
    for row, (tokens, _) in enumerate(rows):
        embedded = torch.stack(embed_with_thoughts(model, tokens))[None]
        plain = model.text_model(inputs_embeds=embedded, output_hidden_states=True).hidden_states
        expected = torch.stack([state[0, columns[row] - row] for state in plain], dim=1)
        torch.testing.assert_close(layers[row], expected, **tolerance(model))
