"""Two runs' thoughts, mirrored: bars on both sides of each token, as wide as there is room."""

from dataclasses import replace

import pytest

from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_tui.run.state import ComparedStep
from coconut_tui.widgets.mirrored import Mirrored, differs, left_bar


def with_top(step: StepRecord, **shares: float) -> StepRecord:
    return replace(step, top=tuple(TokenRecord(name, share) for name, share in shares.items()))


@pytest.fixture
def step(trace: Trace) -> ComparedStep:
    first = with_top(trace.steps[1], lempus=0.5, rompus=0.25, gorpus=0.2)
    second = with_top(trace.steps[1], rompus=0.75, bompus=0.125, lempus=0.12)
    return ComparedStep(0, 2, first, replace(second, edit="zero"), 1.25, 0.5)


def plain(drawn: Mirrored, width: int) -> list[str]:
    return [line.plain for line in drawn.lines(width)]


def test_a_bar_to_the_left_ends_where_one_to_the_right_begins() -> None:
    assert left_bar(1.0, 4) == "████"
    assert left_bar(0.5, 4) == "  ██"
    assert left_bar(0.125, 4) == "   ▐"
    assert left_bar(0.0, 4) == "    "


def test_each_token_has_the_left_share_left_of_it_and_the_right_one_right(step: ComparedStep) -> None:
    lines = plain(Mirrored([step]), 120)
    rows = {line.split(".25 ")[0]: line for line in lines}
    assert len(rows) == len(lines) == 5, "what was done to it, and four tokens"
    assert lines[0].startswith("≠ thought 2")
    assert lines[0].rstrip().endswith("✎ zero")
    rompus = next(line for line in lines if "rompus" in line)
    left, right = rompus.split("rompus")
    assert ".25" in left
    assert ".75" in right
    assert left.count("█") * 3 == pytest.approx(right.count("█"), abs=3)
    assert "▲ was 2" in right
    assert "▼ was 1" in next(line for line in lines if "lempus" in line)
    assert "✚" in next(line for line in lines if "bompus" in line)
    assert any(line.startswith("  KL  1.25") for line in lines)
    assert any(line.startswith("  cos 0.50") for line in lines)


@pytest.mark.parametrize("width", [60, 74, 114, 192])
def test_it_uses_the_width_and_no_more(step: ComparedStep, width: int) -> None:
    assert step.first is not None
    sure = with_top(step.first, x=1.0)
    full = ComparedStep(0, 1, sure, sure, 0.0, 1.0)
    lines = plain(Mirrored([full, step]), width)
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) >= width - 14
    assert lines[0].startswith("= thought 1")


def test_more_tokens_where_there_is_room(step: ComparedStep) -> None:
    assert sum("pus" in line for line in plain(Mirrored([step], 1), 100)) == 2
    assert sum("pus" in line for line in plain(Mirrored([step], 8), 100)) == 4


def test_what_one_side_has_not_taken_is_a_dash_or_what_it_said_instead(step: ComparedStep) -> None:
    alone = ComparedStep(0, 2, step.first, None)
    assert differs(alone)
    assert "—" in plain(Mirrored([alone]), 100)[0]
    words = plain(Mirrored([alone], right={(0, 2): "lempus"}), 100)
    assert "» lempus  (p .50 there)" in words[0]
    assert words[1].startswith("  on one side")


def test_without_a_divergence_the_likeliest_token_decides(step: ComparedStep) -> None:
    assert differs(replace(step, divergence=None))
    assert not differs(replace(step, divergence=None, second=step.first))
    assert not differs(replace(step, divergence=1e-9))
