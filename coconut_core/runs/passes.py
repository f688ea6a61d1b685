"""What goes together with thoughts that are found in parallel passes: ending rules, edits, analyses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import check_passes
from coconut_core.latent.feedback import rule_named
from coconut_core.latent.model import LatentModel
from coconut_core.runs.edits import Edit, Intervention, as_intervention
from coconut_core.runs.halting import Ending


@dataclass(frozen=True)
class ParallelThoughts:
    """What parallel passes found: all thoughts of a run (count, hidden), with these edits."""

    edits: Mapping[int, Intervention]
    thoughts: Tensor


def choose_passes(model: LatentModel, passes: int | None, ending: Ending) -> int:
    """How many passes find the thoughts of a run; 0: they are taken one after the other.

    None takes what the checkpoint says. Raises CoconutError for a number that is none, and where passes meet a
    rule that may end thinking: all thoughts are found before any of them is taken.
    """
    passes = model.config.passes if passes is None else check_passes(passes)
    if passes and ending.rule is not None:
        raise CoconutError(
            f"parallel passes find a fixed number of thoughts, and this run {ending}: give the number with "
            "--thoughts, or take one thought after the other with --passes 0"
        )
    return passes


def check_one_by_one(model: LatentModel) -> None:
    """Raise CoconutError for a model whose thoughts are found in passes, where they are read as those of the
    loop: the state in front of a thought is not what is fed then."""
    if model.config.passes:
        raise CoconutError(
            f"{model.name} finds its thoughts in {model.config.passes} parallel passes, and this reads those "
            "of a model that takes one after the other: ask with --trace, or run coconut controls"
        )


def in_passes(passes: int) -> str:
    """What there is to say of passes behind how a run's thinking ends; empty where there are no passes."""
    return f", found in {passes} parallel pass{'' if passes == 1 else 'es'}" if passes else ""


def changing(edits: Sequence[Mapping[int, Intervention]]) -> Callable[[Tensor], Tensor] | None:
    """A `change` for find_thoughts that does to each row its interventions, by number of the thought (from 1).

    So an edit is there in every pass, and the thoughts behind it are found with it. None where no row has one.
    """
    if not any(edits):
        return None

    def change(thoughts: Tensor) -> Tensor:
        changed = thoughts.clone()
        for row, by_number in enumerate(edits):
            for number, edit in by_number.items():
                if number <= thoughts.shape[1]:
                    changed[row, number - 1] = edit(thoughts[row, number - 1])
        return changed

    return change


def allow_edit(model: LatentModel, edit: Edit, passes: int) -> Intervention:
    """The same edit; a function is one, too. Raises CoconutError where nothing can be done to a run's thoughts,
    or not this."""
    kind = model.config.feedback
    if not rule_named(kind).reads_state:
        raise CoconutError(
            f"this model is fed the same at each thought (feedback '{kind}'), so a thought cannot be edited"
        )
    intervention = as_intervention(edit)
    check_edit(intervention, passes)
    return intervention


def check_edit(edit: Intervention, passes: int) -> None:
    """Raise CoconutError for an intervention that parallel passes cannot do."""
    if passes and edit.inside:
        raise CoconutError(
            f"'{edit}' works inside the model at one thought, and parallel passes read all of them at once: "
            "take one thought after the other with --passes 0"
        )
