"""The first signal is noted, one close behind it is the same wish, a later one ends at once."""

import signal

import pytest

from coconut_core.training import interruption
from coconut_core.training.interruption import SIGNALS, Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_once(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with Interruption() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        signal.raise_signal(number)  # a launcher hands on what its processes got from the terminal as well
        assert stop.requested
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_later_one_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "ONE_PRESS", 0.0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
