"""Whether what was seen when a finding was noted comes out again."""

from coconut_tui.findings.finding import Seen, SeenThought

# The distance between 1 and the next number, of each number format.
_STEP = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10}
# How many of these roundings add up. In float32 each of some thousand additions is rounded, and in which order
# they are added is each processor's own; the short formats add up in float32 and round what comes of it.
_ROUNDINGS = {"float64": 4096, "float32": 4096, "bfloat16": 16, "float16": 16}
_KEPT = 1e-6  # files keep six digits
_ENTROPY = 4  # nats that an entropy moves where a logit moves by 1


def tolerance(*dtypes: str) -> float:
    """How far a probability may lie from another that was computed elsewhere, in the coarsest format."""
    steps = (_STEP.get(dtype, _STEP["bfloat16"]) * _ROUNDINGS.get(dtype, 16) for dtype in dtypes)
    return _KEPT + max(steps)


def differences(was: Seen, now: Seen) -> list[str]:
    """What comes out otherwise, in a line each; empty where all is as it was noted."""
    allowed = tolerance(was.dtype, now.dtype)
    lines = []
    if len(was.thoughts) != len(now.thoughts):
        lines.append(f"{len(was.thoughts)} thoughts were noted, now there are {len(now.thoughts)}")
    for one, other in zip(was.thoughts, now.thoughts, strict=False):
        lines += [f"thought {one.thought}: {line}" for line in _thought_differences(one, other, allowed)]
    if was.said != now.said:
        lines.append(f"said: “{was.said}” was noted, now it is “{now.said}”")
    if was.right is not None and now.right is not None and was.right is not now.right:
        lines.append(f"the answer was {_judged(was.right)}, now it is {_judged(now.right)}")
    return lines


def _thought_differences(was: SeenThought, now: SeenThought, allowed: float) -> list[str]:
    lines = []
    if abs(was.probability - now.probability) > allowed:
        before, after = _readout(was), _readout(now)
        lines.append(f"{before} was noted, now it is {after}")
    elif (
        was.token != now.token and max(was.probability, now.probability) > 0.5 + allowed
    ):  # else two are as likely
        lines.append(f"{was.token or 'nothing'} was noted, now it is {now.token or 'nothing'}")
    for name, one, other, most in (
        ("entropy", was.entropy, now.entropy, _ENTROPY * allowed * max(1.0, was.entropy or 0.0)),
        ("norm", was.norm, now.norm, allowed * max(1.0, was.norm or 0.0)),
    ):
        far = abs((one or 0.0) - (other or 0.0)) > most
        if far or (one is None) is not (other is None):
            lines.append(f"its {name} was {_number(one)}, now it is {_number(other)}")
    return lines


def _readout(thought: SeenThought) -> str:
    return f"{thought.token or 'nothing'} {thought.probability:.4f}"


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:.5g}"


def _judged(right: bool) -> str:
    return "right" if right else "wrong"
