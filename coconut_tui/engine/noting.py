"""What findings need of a model: which one it is, and whether what was noted comes out again. All return at
once; `show` gets the results, in the interface's thread."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from coconut_core.model_choice import ModelChoice
from coconut_tui.engine.engine import Engine
from coconut_tui.engine.worker import Job
from coconut_tui.findings import Finding
from coconut_tui.findings.comparison import differences
from coconut_tui.findings.finding import seen_in

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench


def identify(engine: Engine, choice: ModelChoice, show: Callable[[str, str], object]) -> None:
    """The hash of the model's weights, and its number format."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_core.evaluation.verdict import hash_weights

        weights = hash_weights(choice.source)
        engine.tell(lambda dtype: show(weights, dtype), number_format(bench))

    engine.find_out("noting it down", find)


def after_all(engine: Engine, do: Callable[[], object]) -> None:
    """Do something in the interface once all that was asked for before is done and shown."""
    engine.find_out("reopening the finding", lambda bench, job: engine.tell(lambda nothing: do(), None))


def recall(engine: Engine, choice: ModelChoice, finding: Finding, show: Callable[[list[str]], object]) -> None:
    """Hold what is on screen against what was noted: what differs, in a line each."""

    def find(bench: "Workbench", job: Job) -> None:
        engine.tell(show, held_against(bench, choice, finding))

    engine.find_out("comparing with what was noted", find)


def held_against(bench: "Workbench", choice: ModelChoice, finding: Finding) -> list[str]:
    """What differs between a finding and the run of a workbench that has reopened it, in a line each."""
    from coconut_core.evaluation.verdict import hash_weights

    lines = []
    if finding.model.weights and finding.model.weights != hash_weights(choice.source):
        lines.append(f"the weights of {finding.model.source} are not those that it was noted with")
    if finding.changed_problem:
        lines.append("the problem is not the one that it was noted with: its file was changed")
    if finding.seen is not None:
        lines += differences(finding.seen, seen_in(bench.view(), "", number_format(bench)))
    return lines


def number_format(bench: "Workbench") -> str:
    """That of the model, such as float32."""
    return str(bench.model.dtype).removeprefix("torch.")
