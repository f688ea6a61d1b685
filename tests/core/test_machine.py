"""The state machine on its own."""

import pytest

from coconut_core.machine import Machine, Mode, Move

BOT, EOT, EOS, WORD = 3, 4, 2, 20


def new_machine(thoughts: int, behind: tuple[int, ...] = (EOT,), bot: int | None = BOT) -> Machine:
    return Machine(bot, behind, frozenset({EOS}), thoughts)


def test_two_segments_and_the_end() -> None:
    machine = new_machine(2)
    for segment in (0, 1):
        for taken in (0, 1):
            assert (machine.next_move(), machine.taken, machine.segment) == (Move.THINK, taken, segment)
            machine.after_thought()
        assert machine.next_move() is Move.END_THINKING
        assert machine.closing_token == EOT
        machine.after_closing()
        assert machine.next_move() is Move.SPEAK
        machine.after_word(WORD)
        assert machine.next_move() is Move.SPEAK
        if segment == 0:
            machine.after_word(BOT)
    machine.after_word(EOS)
    assert (machine.mode, machine.next_move()) == (Mode.FINISHED, Move.NOTHING)


def test_a_rule_ends_thinking() -> None:
    assert new_machine(5).next_move(halt=True) is Move.END_THINKING
    machine = new_machine(5)
    machine.after_closing()
    assert machine.next_move(halt=True) is Move.SPEAK


def test_eot_said_in_language_is_a_word() -> None:
    machine = new_machine(1)
    machine.after_closing()
    machine.after_word(EOT)
    assert machine.mode is Mode.SPEAKING


def test_finish_ends_any_mode() -> None:
    machine = new_machine(1)
    machine.finish()
    assert machine.next_move() is Move.NOTHING


def test_a_text_behind_the_thoughts_is_fed_token_by_token() -> None:
    machine = new_machine(1, behind=(7, 8))
    machine.after_thought()
    for token in (7, 8):
        assert (machine.next_move(), machine.closing_token) == (Move.END_THINKING, token)
        assert not machine.may_speak
        machine.after_closing()
        assert not machine.may_think
    assert machine.next_move() is Move.SPEAK


@pytest.mark.parametrize("thoughts", [0, 2])
def test_with_nothing_behind_the_thoughts_the_first_word_ends_thinking(thoughts: int) -> None:
    machine = new_machine(thoughts, behind=())
    for segment in (0, 1):
        for _ in range(thoughts):
            assert machine.next_move() is Move.THINK
            machine.after_thought()
        assert (machine.next_move(), machine.may_think) == (Move.SPEAK, True)
        machine.after_word(WORD)
        # A segment in which nothing was fed is none.
        assert (machine.mode, machine.segment) == (Mode.SPEAKING, segment if thoughts else 0)
        machine.after_word(BOT)
        assert machine.mode is Mode.THINKING


def test_without_a_marker_no_word_opens_a_latent_segment() -> None:
    machine = new_machine(0, behind=(), bot=None)
    for word in (BOT, EOT, WORD):
        machine.after_word(word)
        assert (machine.mode, machine.segment) == (Mode.SPEAKING, 0)
