"""Are a checkpoint's thoughts used? What its controls found, the rule that says so, and controls.json.

Needs no torch: `info`, a trace and the explorer read it. coconut_core.evaluation.controls measures.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.records import read_json_object, read_record
from coconut_core.common.whole_files import written_aside
from coconut_core.evaluation.ablations import CONTROLS, Kind
from coconut_core.evaluation.significance import Pairs, Share, adjusted, wilson_interval

FILE_NAME = "controls.json"
FORMAT, VERSION = "coconut-controls", 1

# The verdict's controls. A swap gives a problem thoughts that the model does think, of another problem: if that
# costs nothing, what a thought holds is not used, whatever else may hurt.
SWAPS = tuple(control.name for control in CONTROLS.values() if control.kind is Kind.SWAP)
OTHERS = tuple(control.name for control in CONTROLS.values() if control.kind is Kind.DEPRIVING)
LEVEL = 0.05  # of the tests, all controls together
FEWEST = 50  # problems; below that a control decides nothing
CLEAR_DROP = 0.10  # of accuracy, that each deciding control must cost where thoughts are USED
NO_DROP = 0.05  # that the drop must be shown to stay below where they are NOT USED
TOO_LITTLE_RIGHT = 0.10  # accuracy under which a drop cannot be seen
WITH_THEM = "right with them"
IN_THEIR_PLACE = {"none": "without them", "random": "with another question's"}  # controls, in words


class Usage(StrEnum):
    """Whether a checkpoint's answers depend on its thoughts."""

    USED = "USED"
    PARTLY_USED = "PARTLY USED"
    NOT_USED = "NOT USED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class ControlResult:
    """What became of the answers with something else in place of the thoughts. Shares are of `count`."""

    name: str
    count: int  # problems that have this control
    right: int
    real_right: int  # of the same problems, with their own thoughts
    lost: int  # right with their own thoughts only
    won: int  # right with the control only
    changed: int  # answers that are another text
    counterfactual: int  # answers that became the minimal twin's
    counterfactual_count: int  # problems that have a twin
    donor: int | None = None  # answers that became the donor's, where there is one
    p_adjusted: float = field(kw_only=True)  # corrected for the number of controls

    @property
    def pairs(self) -> Pairs:
        return Pairs(self.count, self.lost, self.won)

    @property
    def share(self) -> Share:
        """Of right answers."""
        return Share(self.right, self.count)

    @property
    def accuracy(self) -> float:
        return self.share.accuracy


@dataclass(frozen=True)
class Verdict:
    """USED, PARTLY USED, NOT USED or UNKNOWN, and why, in one sentence."""

    usage: Usage
    reason: str


@dataclass(frozen=True)
class Controls:
    """All that was measured on one checkpoint with one set of problems."""

    model: str
    weights: str  # hash of the checkpoint's weights
    data: str
    data_hash: str
    date: str
    count: int
    right: int  # with the real thoughts
    thoughts: str  # how thinking ends
    results: tuple[ControlResult, ...]
    per_thought: tuple[ControlResult, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> Share:
        """Of right answers with real thoughts."""
        return Share(self.right, self.count)

    @property
    def accuracy(self) -> float:
        return self.share.accuracy

    @property
    def verdict(self) -> Verdict:
        """What the rule says of these results."""
        return judge_usage(self.accuracy, self.results)

    @property
    def shares(self) -> dict[str, Share]:
        """Shares of right answers that say most, by what stood in the thoughts' place."""
        by_name = {result.name: result.share for result in self.results}
        others = {words: by_name[name] for name, words in IN_THEIR_PLACE.items() if name in by_name}
        return {WITH_THEM: self.share, **others}

    def line(self) -> str:
        """Verdict, date and the figures behind it, in one line."""
        figures = [f"{100 * share.accuracy:.0f} % {words}" for words, share in self.shares.items()]
        return f"{self.verdict.usage}: {', '.join(figures)} (n={self.count}, {self.date})"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, the verdict included."""
        verdict = {"usage": str(self.verdict.usage), "reason": self.verdict.reason}
        return {"format": FORMAT, "version": VERSION, "verdict": verdict, **asdict(self)}

    def save(self, path: Path) -> None:
        """Write the file aside and rename it into place. Raises CoconutError where that is refused."""
        try:
            with written_aside(path) as file:
                file.write(json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n")
        except OSError as error:
            raise CoconutError(f"cannot write {path}: {error}") from error


def judge_usage(accuracy: float, results: Sequence[ControlResult]) -> Verdict:
    """The rule of docs/CONTROLS.md. accuracy is that with real thoughts, all problems together."""
    measured = [result for result in results if result.count >= FEWEST]
    swaps = [result for result in measured if result.name in SWAPS]
    deciding = [*swaps, *(result for result in measured if result.name in OTHERS)]
    if not swaps:
        return Verdict(Usage.UNKNOWN, f"no swap ({', '.join(SWAPS)}) was run on {FEWEST} problems or more")
    if all(_costs(result) and result.pairs.drop >= CLEAR_DROP for result in deciding):
        least = min(deciding, key=lambda result: result.pairs.drop)
        return Verdict(
            Usage.USED, f"each control costs accuracy; the least, {least.name}, {_points(least)} points"
        )
    if any(map(_costs, swaps)):
        names = ", ".join(
            result.name for result in deciding if not (_costs(result) and result.pairs.drop >= CLEAR_DROP)
        )
        return Verdict(Usage.PARTLY_USED, f"a swap costs accuracy, yet little or nothing is lost with: {names}")
    ignored = all(wilson_interval(result.changed, result.count)[1] < NO_DROP for result in swaps)
    harmless = all(result.pairs.interval[1] < NO_DROP for result in swaps)
    if ignored or (harmless and accuracy >= TOO_LITTLE_RIGHT):
        return Verdict(Usage.NOT_USED, _why_not(swaps, deciding))
    if accuracy < TOO_LITTLE_RIGHT:
        return Verdict(Usage.UNKNOWN, f"only {100 * accuracy:.0f} % are right, too little for a drop to show")
    return Verdict(
        Usage.UNKNOWN, "no swap costs accuracy for certain, nor is a drop ruled out: take more problems"
    )


def _costs(result: ControlResult) -> bool:
    """Whether accuracy drops for certain."""
    return result.p_adjusted < LEVEL and result.pairs.drop > 0


def _why_not(swaps: Sequence[ControlResult], deciding: Sequence[ControlResult]) -> str:
    most = max(swaps, key=lambda result: result.pairs.interval[1])
    reason = (
        f"other problems' thoughts do as well: at most {100 * most.pairs.interval[1]:.1f} points lost (95 %)"
    )
    costly = ", ".join(result.name for result in deciding if _costs(result))
    return reason + (f"; what costs accuracy is only what the model never saw: {costly}" if costly else "")


def _points(result: ControlResult) -> str:
    low, high = result.pairs.interval
    return f"{100 * result.pairs.drop:.0f} ({100 * low:.0f} to {100 * high:.0f})"


# -- controls.json -----------------------------------------------------------------------------------------


def read_controls(folder: str | Path) -> Controls | None:
    """The controls stored with a checkpoint, also where they are void by now; None where none are stored.

    Raises CoconutError in one line for a file that cannot be read.
    """
    path = user_path(folder) / FILE_NAME
    if not path.is_file():
        return None
    record = read_json_object(path)
    if record.get("format") != FORMAT:
        raise CoconutError(f"{path} was not written by coconut controls")
    if record.get("version") != VERSION:
        raise CoconutError(f"{path} has version {record.get('version')}, this coconut reads {VERSION}")
    return read_record(Controls, record, path)


def known_usage(folder: str | Path) -> tuple[str, dict[str, Share]]:
    """What is known of a checkpoint's thoughts: the verdict in a line, with the shares of right answers behind
    it; or why there is none, and no shares."""
    try:
        controls = read_controls(folder)
    except CoconutError as error:
        return f"{Usage.UNKNOWN}: {error}", {}
    ask = f"(coconut controls --model {folder})"
    if controls is None:
        return f"{Usage.UNKNOWN}: not measured yet {ask}", {}
    if controls.weights != hash_weights(folder):
        return f"{Usage.UNKNOWN}: {FILE_NAME} is void, the weights have changed {ask}", {}
    return controls.line(), controls.shares


def usage_line(folder: str | Path) -> str:
    """What is known of a checkpoint's thoughts, for the screen: the verdict, or why there is none."""
    return known_usage(folder)[0]


def hash_weights(folder: str | Path) -> str:
    """SHA-256 of a checkpoint's weights and configuration; empty where it has no weights."""
    digest = hashlib.sha256()
    files = sorted(user_path(folder).glob("*.safetensors"))
    for path in [*files, *(user_path(folder) / name for name in ("config.json", "coconut.json"))]:
        if path.is_file():
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest() if files else ""


def with_adjusted(results: Sequence[ControlResult]) -> tuple[ControlResult, ...]:
    """The same results with their p values corrected for how many there are."""
    corrected = adjusted([result.pairs.p_value for result in results])
    return tuple(replace(result, p_adjusted=p) for result, p in zip(results, corrected, strict=True))
