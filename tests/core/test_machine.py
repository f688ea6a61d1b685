"""The state machine on its own, and the decision what comes next."""

from collections.abc import Sequence

import pytest

from coconut_core.latent.readout import Readout
from coconut_core.runs.halting import Ending, StopRule, next_step
from coconut_core.runs.machine import Machine, Mode, Move

BOT, EOT, EOS, WORD = 3, 4, 2, 20


class AtOnce(StopRule):
    """A rule that ends thinking wherever it is asked."""

    name = "at once"

    def __call__(self, readouts: Sequence[Readout], thought_count: int) -> bool:
        return True

    def __str__(self) -> str:
        return "it is asked"


def new_machine(behind: tuple[int, ...] = (EOT,), bot: int | None = BOT) -> Machine:
    return Machine(bot, behind, frozenset({EOS}))


def next_move(machine: Machine, thoughts: int) -> Move:
    return next_step(machine, Ending(thoughts), list)[0]


def test_two_segments_and_the_end() -> None:
    machine = new_machine()
    for segment in (0, 1):
        for count in (0, 1):
            assert next_move(machine, 2) is Move.THINK
            assert (machine.thought_count, machine.segment) == (count, segment)
            machine.after_thought()
        assert next_move(machine, 2) is Move.END_THINKING
        assert machine.closing_token == EOT
        machine.after_closing()
        assert next_move(machine, 2) is Move.SPEAK
        machine.after_word(WORD)
        assert next_move(machine, 2) is Move.SPEAK
        if segment == 0:
            machine.after_word(BOT)
    machine.after_word(EOS)
    assert (machine.mode, next_move(machine, 2)) == (Mode.FINISHED, Move.NOTHING)


def test_a_rule_ends_thinking() -> None:
    machine, ending = new_machine(), Ending(5, AtOnce())
    assert next_step(machine, ending, list) == (Move.END_THINKING, "at once")
    machine.after_closing()
    assert next_step(machine, ending, list) == (Move.SPEAK, None), "it has ended before"


def test_why_thinking_ends_is_said_with_what_comes_next() -> None:
    machine = new_machine(behind=())
    assert next_step(machine, Ending(1), list) == (Move.THINK, None)
    machine.after_thought()
    assert next_step(machine, Ending(1), list) == (Move.SPEAK, "number")
    assert next_step(machine, Ending(2), list) == (Move.THINK, None)


@pytest.mark.parametrize(("words", "room", "limit"), [(2, 1, None), (1, 1, "words"), (1, 0, "context")])
def test_a_run_says_no_more_where_words_or_room_are_used_up(words: int, room: int, limit: str | None) -> None:
    machine = new_machine(behind=())
    machine.after_word(WORD)
    assert machine.limit(words, room) == limit


def test_eot_said_in_language_is_a_word() -> None:
    machine = new_machine()
    machine.after_closing()
    machine.after_word(EOT)
    assert machine.mode is Mode.SPEAKING


def test_finish_ends_any_mode() -> None:
    machine = new_machine()
    machine.finish()
    assert next_move(machine, 1) is Move.NOTHING


def test_a_text_behind_the_thoughts_is_fed_token_by_token() -> None:
    machine = new_machine(behind=(7, 8))
    machine.after_thought()
    for token in (7, 8):
        assert (next_move(machine, 1), machine.closing_token) == (Move.END_THINKING, token)
        assert not machine.may_speak
        machine.after_closing()
        assert not machine.may_think
    assert next_move(machine, 1) is Move.SPEAK


@pytest.mark.parametrize("thoughts", [0, 2])
def test_with_nothing_behind_the_thoughts_the_first_word_ends_thinking(thoughts: int) -> None:
    machine = new_machine(behind=())
    for segment in (0, 1):
        for _ in range(thoughts):
            assert next_move(machine, thoughts) is Move.THINK
            machine.after_thought()
        assert (next_move(machine, thoughts), machine.may_think) == (Move.SPEAK, True)
        machine.after_word(WORD)
        # A segment in which nothing was fed is none.
        assert (machine.mode, machine.segment) == (Mode.SPEAKING, segment if thoughts else 0)
        machine.after_word(BOT)
        assert machine.mode is Mode.THINKING


def test_without_a_marker_no_word_opens_a_latent_segment() -> None:
    machine = new_machine(behind=(), bot=None)
    for word in (BOT, EOT, WORD):
        machine.after_word(word)
        assert (machine.mode, machine.segment) == (Mode.SPEAKING, 0)
