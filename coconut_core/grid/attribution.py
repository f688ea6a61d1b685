"""Attribution patching: gradient times difference of activations, in place of a run for each cell.

One pass forward and one backward give all cells of a grid at once (Nanda 2023; Syed, Rager and Conmy,
arXiv 2310.10348): to first order, putting the donor's activation in place of the run's own changes the logit
difference by its gradient with respect to the activation, times the difference of the two. Gradients flow
through the latent loop, so that what a change does to later thoughts counts too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from coconut_core.common.errors import CoconutError
from coconut_core.grid.layouts import ZERO, Kind, Layout, Place
from coconut_core.grid.setting import Setting
from coconut_core.latent.layers import decoder_layers, head_count, output_projection
from coconut_core.latent.model import LatentModel
from coconut_core.latent.sequences import read_with_thoughts
from coconut_core.runs.passes import check_one_by_one

_Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Gradients:
    """The gradient of logit(right) - logit(wrong) with respect to what a run put out, and the activations
    themselves; the first dimension is 2, for the two."""

    thoughts: Tensor  # (2, thoughts, hidden), as they are fed
    layers: Tensor  # (2, thoughts, layers, hidden), while thoughts are read
    heads: Tensor  # (2, thoughts, layers, heads, head size)
    prompt: Tensor  # (2, positions, layers, hidden)
    difference: float  # nats


def attribute(setting: Setting) -> dict[Place, float]:
    """The approximate change of each cell that takes something from a donor, in nats, without running it.

    Raises CoconutError where the model has recurrent layers, thinks in parallel passes, or answers with no two
    words that could be compared; and for grids of paths, which patch nothing in.
    """
    layout = setting.layout()
    if layout.kind is Kind.PATHS:
        raise CoconutError("attribution is of what is patched in: a grid of paths patches nothing in")
    own = gradients_of(setting)
    if layout.kind is Kind.PROMPT:
        return _of_prompt(setting, layout, own)
    return (
        _of_ablations(setting, layout, own) if layout.kind is Kind.ABLATIONS else _inside(setting, layout, own)
    )


def gradients_of(setting: Setting) -> Gradients:
    """One pass forward and one backward of the run that the grid changes."""
    model, at = setting.model, setting.at
    check_one_by_one(model)
    if model.recurrent:
        raise CoconutError(
            "attribution needs gradients at single positions, and this model has recurrent layers"
        )
    if at is None or len(at.tokens) < 2:
        raise CoconutError("attribution needs two answers that part: here no other answer is known")
    prompt = model.encode_prompt(setting.question)
    latent, behind = model.config.latent_id, model.config.fed_behind
    ids = torch.tensor([[*prompt, *[latent] * setting.thoughts, *behind, *at.words]], device=model.device)
    with torch.enable_grad(), _probing(model) as probes:
        hidden = read_with_thoughts(model, ids, torch.ones_like(ids), None)
        logits = model.logits(hidden[0, -1]).double()
        difference = logits[at.tokens[0]] - logits[at.tokens[1]]
        pairs = probes.pairs()
        gradients = torch.autograd.grad(difference, [probe for probe, _ in pairs], allow_unused=True)
    found = [
        torch.stack([torch.zeros_like(value) if gradient is None else gradient, value]).detach()
        for gradient, (_, value) in zip(gradients, pairs, strict=True)
    ]
    return probes.gathered(found, head_count(model), float(difference.detach()))


# -- inside ------------------------------------------------------------------------------------------------


def _of_prompt(setting: Setting, layout: Layout, own: Gradients) -> dict[Place, float]:
    donor = setting.choice.donor
    theirs = None if donor == ZERO else setting.sources.prompt_stream(donor)
    return {
        place: _change(own.prompt[:, place[0], place[1]], None if theirs is None else theirs[place])
        for place in layout.texts
    }


def _of_ablations(setting: Setting, layout: Layout, own: Gradients) -> dict[Place, float]:
    """Of those that put a vector in place of the thought: zeros, or a donor's thought."""
    found: dict[Place, float] = {}
    for place, text in layout.texts.items():
        name = text.rpartition("@")[0].removeprefix("replace ")
        if name in (ZERO, "mean") or text.startswith("replace "):
            thoughts = None if name == ZERO else setting.sources.donor(name).thoughts
            if thoughts is None or place[1] < len(thoughts):
                theirs = None if thoughts is None else thoughts[place[1]]
                found[place] = _change(own.thoughts[:, place[1]], theirs)
    return found


def _inside(setting: Setting, layout: Layout, own: Gradients) -> dict[Place, float]:
    """Of layers by thought, and of heads at one thought or over all of them."""
    choice = setting.choice
    run = None if choice.donor == ZERO else setting.sources.donor(choice.donor)
    found: dict[Place, float] = {}
    taken = setting.thoughts if run is None else min(setting.thoughts, len(run.thoughts))
    for layer, column in layout.texts:
        if layout.kind is Kind.LAYERS:
            if column >= taken:
                continue
            theirs = None if run is None or run.layers is None else run.layers[column, layer]
            found[layer, column] = _change(own.layers[:, column, layer], theirs)
            continue
        thoughts = range(taken) if choice.thought is None else [choice.thought - 1]
        found[layer, column] = sum(
            _change(
                own.heads[:, thought, layer, column],
                None if run is None or run.heads is None else run.heads[thought, layer, column],
            )
            for thought in thoughts
        )
    return found


def _change(mine: Tensor, theirs: Tensor | None) -> float:
    """mine (2, size) are gradient and activation; theirs (size,) what is put in its place, None for zeros."""
    gradient, value = mine.double()
    return float(gradient @ ((0 if theirs is None else theirs.to(value)) - value))


@dataclass
class _Probes:
    """Zeros that were added to what layers, heads and thoughts are, each with what it was added to: a list for
    each pass, the prompt's first, then a thought's each, behind which words may be read as well."""

    layers: list[list[_Pair]] = field(default_factory=list)  # (time, hidden) each
    heads: list[list[_Pair]] = field(default_factory=list)  # (time, heads * size)
    fed: list[_Pair] = field(default_factory=list)  # (1, hidden), of thoughts

    def pairs(self) -> list[_Pair]:
        """All of them, in the order in which `gathered` takes them."""
        return [pair for each in (*self.layers, *self.heads, self.fed) for pair in each]

    def gathered(self, found: list[Tensor], heads: int, difference: float) -> Gradients:
        """What was found for each pair, (2, …), by place."""
        rest = iter(found)
        layers = [
            torch.stack([next(rest) for _ in each], dim=2) for each in self.layers
        ]  # (2, time, layers, …)
        of_heads = [torch.stack([next(rest)[:, 0] for _ in each], dim=1) for each in self.heads]
        fed = [vector[:, 0] for vector in rest]
        behind = slice(1, 1 + len(fed))
        return Gradients(
            torch.stack(fed, dim=1),
            torch.cat([each[:, :1] for each in layers[behind]], dim=1),
            torch.stack(of_heads[behind], dim=1).unflatten(-1, (heads, -1)),
            layers[0],
            difference,
        )


@contextmanager
def _probing(model: LatentModel) -> Iterator[_Probes]:
    """Add zeros, with respect to which gradients can be taken, to what layers, heads and thoughts are."""
    probes, handles = _Probes(), list[Any]()

    def probed(value: Tensor, pairs: list[_Pair]) -> Tensor:
        probe = torch.zeros_like(value[0], requires_grad=True)
        pairs.append((probe, value[0]))
        return value + probe

    def begin(module: nn.Module, inputs: Any) -> None:
        probes.layers.append([])
        probes.heads.append([])

    def of_layer(module: nn.Module, inputs: Any, output: Any) -> Any:
        if not isinstance(output, tuple):
            return probed(output, probes.layers[-1])
        return (probed(output[0], probes.layers[-1]), *output[1:])

    def of_heads(module: nn.Module, inputs: Any) -> Any:
        return (probed(inputs[0], probes.heads[-1]), *inputs[1:])

    def of_thought(module: nn.Module, inputs: Any) -> Any:
        return (probed(inputs[0], probes.fed), *inputs[1:])

    try:
        handles.append(model.text_model.register_forward_pre_hook(begin))
        handles.append(model.feedback.register_forward_pre_hook(of_thought))
        for layer in decoder_layers(model):
            handles.append(layer.register_forward_hook(of_layer))
            handles.append(output_projection(layer).register_forward_pre_hook(of_heads))
        yield probes
    finally:
        for handle in handles:
            handle.remove()
