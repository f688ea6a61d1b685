"""The state machine on its own."""

from coconut_core.machine import Machine, Mode, Move

BOT, EOT, EOS, WORD = 3, 4, 2, 20


def new_machine(thoughts: int) -> Machine:
    return Machine(BOT, EOT, frozenset({EOS}), thoughts)


def test_two_segments_and_the_end() -> None:
    machine = new_machine(2)
    for segment in (0, 1):
        for taken in (0, 1):
            assert (machine.next_move(), machine.taken, machine.segment) == (Move.THINK, taken, segment)
            machine.after_thought()
        assert machine.next_move() is Move.END_THINKING
        machine.after_token(EOT)
        assert machine.next_move() is Move.SPEAK
        machine.after_token(WORD)
        assert machine.next_move() is Move.SPEAK
        if segment == 0:
            machine.after_token(BOT)
    machine.after_token(EOS)
    assert (machine.mode, machine.next_move()) == (Mode.FINISHED, Move.NOTHING)


def test_a_rule_ends_thinking() -> None:
    assert new_machine(5).next_move(halt=True) is Move.END_THINKING
    machine = new_machine(5)
    machine.after_token(EOT)
    assert machine.next_move(halt=True) is Move.SPEAK


def test_eot_said_in_language_is_a_word() -> None:
    machine = new_machine(1)
    machine.after_token(EOT)
    machine.after_token(EOT)
    assert machine.mode is Mode.SPEAKING


def test_finish_ends_any_mode() -> None:
    machine = new_machine(1)
    machine.finish()
    assert machine.next_move() is Move.NOTHING
