"""How far two models' thoughts lie apart, where they can be compared at all."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import cosine_similarity

from coconut_core.analysis.lens import divergence
from coconut_core.latent.readout import Readout
from coconut_tui.engine.live import ThoughtPlace
from coconut_tui.run.beside import Measured

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench


@dataclass(frozen=True)
class Thoughts:
    """The thoughts of a run by latent segment and number, off the device."""

    vocabulary: dict[str, int]
    states: dict[ThoughtPlace, Tensor]  # (hidden,) for each thought
    logits: dict[ThoughtPlace, Tensor]  # (vocabulary,) for each thought


def thoughts_of(bench: "Workbench") -> Thoughts:
    """The thoughts of the current run."""
    steps = [step for step in bench.run.session.steps if step.kind == "thought"]
    places = [(step.segment, step.index) for step in steps]
    logits = [Readout(bench.model, step.hidden).logits.double().cpu() for step in steps]
    states = [step.hidden.float().cpu() for step in steps]
    return Thoughts(
        bench.model.tokenizer.get_vocab(),
        dict(zip(places, states, strict=True)),
        dict(zip(places, logits, strict=True)),
    )


def apart(first: Thoughts, second: Thoughts) -> Measured:
    """KL(first ‖ second) of the readouts (nats) and cosine of the states, for thoughts that both have taken."""
    shared = sorted(first.states.keys() & second.states.keys())
    reasons, divergences, cosines = [], {}, {}
    for place in shared:
        if first.vocabulary == second.vocabulary and _alike(first.logits, second.logits, place):
            nats = float(divergence(second.logits[place], first.logits[place]))
            divergences[place] = max(0.0, nats)
        if _alike(first.states, second.states, place):
            cosines[place] = float(cosine_similarity(first.states[place], second.states[place], dim=0))
    if shared and not divergences:
        reasons.append("no KL divergence, as the two models have different vocabularies")
    if shared and not cosines:
        sizes = [thoughts.states[shared[0]].shape[0] for thoughts in (first, second)]
        reasons.append(f"no cosine, as the states have {sizes[0]} and {sizes[1]} numbers")
    return Measured(divergences, cosines, "; ".join(reasons))


def _alike(first: dict[ThoughtPlace, Tensor], second: dict[ThoughtPlace, Tensor], place: ThoughtPlace) -> bool:
    return first[place].shape == second[place].shape
