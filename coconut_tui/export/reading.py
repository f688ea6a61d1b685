"""What every export says of a run: its words made visible, its edits, its answer, its verdict."""

from itertools import groupby

from coconut_core.common import errors
from coconut_core.evaluation.significance import Share
from coconut_core.records.trace import StepRecord, Trace

MEANING = (
    "A thought's row shows what the vector fed at that place would say through the LM head. "
    "That it shows something does not mean that the answer depends on it."
)


def visible(text: str) -> str:
    """A text with everything that cannot be seen, but for line breaks, written as its escape."""
    return errors.visible(text, "\n")


def step_name(step: StepRecord) -> str:
    """A step in words: thought 2, end of thinking, word 3; later latent segments are named."""
    if step.kind == "marker":
        return "end of thinking"
    name = f"{'word' if step.kind == 'token' else step.kind} {step.index}"
    return visible(name + (f", segment {step.segment + 1}" if step.segment else ""))


def edits(trace: Trace) -> list[str]:
    """What was changed in the run, one line for each thought."""
    return [f"{step_name(step)}: {visible(step.edit)}" for step in trace.steps if step.edit is not None]


def settings_line(trace: Trace) -> str:
    """How the run was made."""
    count = len(trace.thoughts())
    parts = [f"{count} thought{'' if count == 1 else 's'}"]
    if trace.ended:
        parts.append(f"thinking ended by {', '.join(trace.ended)}")
    if trace.settings.get("temperature"):
        parts.append(f"temperature {trace.settings['temperature']}, seed {trace.settings.get('seed')}")
    if not trace.finished:
        parts.append(trace.cut_off or "not finished")
    return visible("; ".join(parts))


def verdict_line(trace: Trace) -> str:
    """Whether the model's thoughts are known to be used, as the trace says; else that it is not known."""
    if trace.untrained_label is not None:
        return trace.untrained_label
    verdict = trace.settings.get("verdict")
    return visible(verdict) if isinstance(verdict, str) else "UNKNOWN: no measurement comes with this run"


def verdict_shares(trace: Trace) -> dict[str, Share]:
    """The shares of right answers behind the verdict, by what stood in the thoughts' place; none where the
    trace does not have them."""
    shares = trace.settings.get("verdict_shares")
    if trace.untrained_label is not None or not isinstance(shares, dict):
        return {}
    counts = {visible(str(words)): share for words, share in shares.items() if _is_share(share)}
    return {words: Share(*share) for words, share in counts.items()}


def _is_share(entry: object) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and all(isinstance(count, int) for count in entry)
        and 0 <= entry[0] <= entry[1]
    )


def frontier_hops(trace: Trace, step: StepRecord) -> int | None:
    """How many hops from the root the search stands at a thought; None for other steps."""
    return step.index - 1 + trace.first_thought_hops if step.kind == "thought" else None


def step_groups(trace: Trace) -> list[list[tuple[int, StepRecord]]]:
    """The steps with their numbers: each thought and marker alone, words that follow each other in one."""
    groups: list[list[tuple[int, StepRecord]]] = []
    for words, steps in groupby(enumerate(trace.steps), key=lambda item: item[1].kind == "token"):
        together = list(steps)
        groups += [together] if words else [[item] for item in together]
    return groups
