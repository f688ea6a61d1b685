"""Rows of random words and thoughts, and the training forward held to the reference."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.latent.losses import IGNORE
from tests.core.precision import tolerance
from tests.core.reference import loss_of_rows

Row = tuple[list[int], list[int]]  # ids, labels


def make_row(model: CoconutModel, prompt: int, segments: Sequence[int], spoken: int, seed: int) -> Row:
    """Random words with latent segments: prompt <bot> latents <eot> words [<bot> latents <eot> words …]."""
    generator = torch.Generator().manual_seed(seed)

    def words(count: int) -> list[int]:
        return torch.randint(17, 72, (count,), generator=generator).tolist()

    ids, labels = words(prompt), [IGNORE] * prompt
    for thoughts in segments:
        marked = [*model.config.fed_before, *[model.config.latent_id] * thoughts, *model.config.fed_behind]
        said = words(spoken)
        ids += marked + said
        labels += [IGNORE] * len(marked) + said
    return ids, labels


def pad(rows: Sequence[Row], left: Sequence[int], width: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and labels, so many places of padding on the left of each row, the rest on the right."""
    width = width or max(len(ids) + before for (ids, _), before in zip(rows, left, strict=True))
    ids_table, mask_table, label_table = [], [], []
    for (ids, labels), before in zip(rows, left, strict=True):
        after = width - before - len(ids)
        ids_table.append([0] * before + ids + [0] * after)
        mask_table.append([0] * before + [1] * len(ids) + [0] * after)
        label_table.append([IGNORE] * before + labels + [IGNORE] * after)
    return torch.tensor(ids_table), torch.tensor(mask_table), torch.tensor(label_table)


def gradients(model: CoconutModel) -> dict[str, Tensor]:
    found = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }
    model.zero_grad()
    return found


def assert_equals_reference(model: CoconutModel, rows: Sequence[Row], left: Sequence[int]) -> None:
    loss, logits = loss_of_rows(model, rows)
    loss.backward()
    expected = gradients(model)
    assert all(float(value.abs().sum()) > 0 for value in expected.values()), "a gradient is zero by accident"

    ids, mask, labels = pad(rows, left)
    output = model(ids, mask, labels, return_logits=True)
    output.loss.backward()
    found = gradients(model)
    assert output.loss.item() == pytest.approx(loss.item(), abs=tolerance(model)["atol"])
    for number, (scores, before) in enumerate(zip(logits, left, strict=True)):
        row = output.logits[number, before : before + len(scores)]
        torch.testing.assert_close(row, scores, **tolerance(model))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **tolerance(model), msg=lambda text: f"{name}: {text}")  # noqa: B023

    sparse = model(ids, mask, labels)  # without logits the head runs at labels only
    sparse.loss.backward()
    assert sparse.logits is None
    assert sparse.loss.item() == pytest.approx(loss.item(), abs=tolerance(model)["atol"])
    assert sparse.label_losses.shape == (int((labels != IGNORE).sum()),)
    assert sparse.label_losses.mean().item() == pytest.approx(loss.item(), abs=tolerance(model)["atol"])
    for name, value in gradients(model).items():
        torch.testing.assert_close(value, expected[name], **tolerance(model))
