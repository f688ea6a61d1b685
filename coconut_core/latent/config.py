"""coconut.json: what turns a causal language model's folder into a Coconut checkpoint."""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.plugins import FEEDBACK_GROUP, package_of, plugins_of
from coconut_core.common.records import AtLeast0, read_json_object, read_record

FILE_NAME = "coconut.json"
FORMAT_VERSION = 1
DEFAULT_THOUGHTS = 6
ENDINGS = ("fixed", "halting", "entropy", "stable")
LATER_ENTRIES = (  # in the file only where they were chosen
    *("ending", "ending_threshold", "ending_window", "chat", "chat_template", "system"),
    *("feedback_options", "feedback_package", "passes", "question_end", "before_ids", "behind_ids"),
)
LAYOUTS = {"both": (True, True), "bot": (True, False), "none": (False, False)}  # whether it has <bot>, <eot>


@dataclass(frozen=True)
class CoconutConfig:
    """What stands around the thoughts, how many there are, what is fed back, and where the model came from.

    A marker is a token of its own; a model that says bot_id thinks again. In a marker's place an ordinary text
    may stand, which is fed and nothing else, or nothing at all.
    """

    bot_id: int | None  # marker that enters latent mode, in front of the thoughts
    eot_id: int | None  # marker that leaves it, behind them
    latent_id: int  # placeholder of a thought in training sequences; embedded only by the feedback "pause"
    thoughts: AtLeast0 = DEFAULT_THOUGHTS  # their number where it is fixed, else the largest number
    feedback: str = "hidden"  # what is fed back at a thought, see coconut_core.latent.feedback
    trained: bool = True  # False: an ordinary model that was not trained to think in latents
    stage: int | None = None  # curriculum stage that the weights come from
    answer_prefix: str = "###"  # what stands between the reasoning and the answer
    family: str | None = None  # the problem family it was trained on, see coconut_core.problems
    first_thought_hops: int = 1  # graph problems: hops from the root that thought 1 stands for
    recipe: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    ending: str = "fixed"  # how thinking ends, see coconut_core.runs.halting
    ending_threshold: float | None = None  # halting: probability; entropy: nats; stable: change of probability
    ending_window: int = 2  # stable: how many readouts in a row must agree
    chat: bool | None = None  # whether a question becomes a user's turn in the chat template; None: not said
    system: str | None = None  # the system prompt in front of it
    chat_template: str | None = None  # which one, where the tokenizer has several by name
    feedback_options: dict[str, Any] = field(default_factory=dict)  # see coconut_core.latent.feedback.RULES
    feedback_package: str | None = None  # where a plugin's feedback comes from; saved with it
    passes: int = (
        0  # parallel passes in which thoughts are found, see coconut_core.latent.parallel; 0: one by one
    )
    question_end: str = "\n"  # what stands between the question and <bot>, where there is no chat template
    before_ids: tuple[int, ...] = ()  # tokens of a text in front of the thoughts, where there is no bot_id
    behind_ids: tuple[int, ...] = ()  # and behind them, where there is no eot_id

    def __post_init__(self) -> None:
        check_ending(self.ending, self.ending_threshold, self.ending_window)
        check_passes(self.passes)
        if self.system is not None and not self.chat:
            raise CoconutError("a system prompt needs a chat template, and there is none here or it is off")
        for marker, ids, name in (
            (self.bot_id, self.before_ids, "before_ids"),
            (self.eot_id, self.behind_ids, "behind_ids"),
        ):
            if marker is not None and ids:
                raise CoconutError(f"a marker and {name} cannot stand in one place: keep one of them")

    @property
    def fed_before(self) -> tuple[int, ...]:
        """Tokens that are fed in front of the thoughts: <bot>, those of a text, or none."""
        return self.before_ids if self.bot_id is None else (self.bot_id,)

    @property
    def fed_behind(self) -> tuple[int, ...]:
        """Tokens that are fed behind the thoughts: <eot>, those of a text, or none."""
        return self.behind_ids if self.eot_id is None else (self.eot_id,)

    def with_thoughts(self, thoughts: int | None) -> "CoconutConfig":
        """The same configuration with another number of thoughts (None keeps it)."""
        return self if thoughts is None else replace(self, thoughts=check_thoughts(thoughts))

    def with_passes(self, passes: int | None) -> "CoconutConfig":
        """The same configuration with another number of parallel passes (None keeps it)."""
        return self if passes is None else replace(self, passes=passes)

    def save(self, folder: str | Path) -> None:
        """Write coconut.json into folder.

        Entries that came later are left out where nothing of them was chosen: readers of before they were
        there refuse entries that they do not know, and can go on to read the files that need none of them.
        """
        plain = CoconutConfig(self.bot_id, self.eot_id, self.latent_id)
        package = next(
            (package_of(plugin) for plugin in plugins_of(FEEDBACK_GROUP) if plugin.name == self.feedback), None
        )
        config = replace(self, feedback_package=package)
        unset = {name for name in LATER_ENTRIES if getattr(config, name) == getattr(plain, name)}
        entries = {name: value for name, value in asdict(config).items() if name not in unset}
        record = {"format_version": FORMAT_VERSION, **entries}
        (Path(folder) / FILE_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "CoconutConfig | None":
        """Read coconut.json of a folder; None where there is none. Raises CoconutError on a bad file."""
        path = Path(folder) / FILE_NAME
        if not path.exists():
            return None
        record = read_json_object(path)
        version = record.pop("format_version", None)
        if not isinstance(version, int):
            raise CoconutError(f"{path} has no format_version; it was not written by coconut")
        if version > FORMAT_VERSION:
            raise CoconutError(
                f"{path} has format version {version}, this coconut reads up to {FORMAT_VERSION}: "
                "upgrade with pip install -U coconut-tui"
            )
        return read_record(cls, record, path, closed=True)


def check_thoughts(thoughts: int) -> int:
    """Return thoughts, or raise CoconutError where no run can have so many."""
    if not isinstance(thoughts, int):
        raise CoconutError(f"thoughts must be a whole number, not {thoughts!r}")
    if thoughts < 0:
        raise CoconutError(f"thoughts must be 0 or more, not {thoughts}")
    return thoughts


def check_passes(passes: int) -> int:
    """Return passes, or raise CoconutError where no run can have so many."""
    if passes < 0:
        raise CoconutError(f"passes must be 1 or more, or 0 for one thought after the other, not {passes}")
    return passes


def check_ending(ending: str, threshold: float | None, window: int) -> None:
    """Raise CoconutError where that is no way for thinking to end; see CoconutConfig for the three."""
    if ending not in ENDINGS:
        raise CoconutError(f"unknown ending '{ending}': choose one of {', '.join(ENDINGS)}")
    if window < 2:
        raise CoconutError(f"ending_window must be 2 or more, not {window}")
    highest = math.inf if ending == "entropy" else 1
    if ending != "fixed" and not (threshold is not None and 0 < threshold < math.inf and threshold <= highest):
        bounds = "above 0, in nats" if ending == "entropy" else "above 0 and at most 1"
        raise CoconutError(f"ending '{ending}' needs an ending_threshold {bounds}, not {threshold}")
