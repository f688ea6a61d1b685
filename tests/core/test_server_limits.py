"""What one ask can cost the others is bounded."""

from time import monotonic

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions.text import read_commands
from coconut_core.runs.generate import generate
from coconut_core.server.asks import LONGEST_DO, Ask
from tests.core.serving import Held, batching
from tests.core.tiny_models import QUESTIONS, tiny_model


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Ask(QUESTIONS[0], do="zero@1;" * 33), "33 interventions"),
        (Ask(QUESTIONS[0], thoughts=100_000), "at most 2048"),
        (Ask(QUESTIONS[0], max_new_tokens=100_000), "at most 2048"),
        (Ask(QUESTIONS[0], thoughts=150), "has room for 1"),
        (Ask(QUESTIONS[0], do="extend 150"), "has room for 1"),
        (Ask(QUESTIONS[0], do="extend 9999"), "at most 2048 thoughts"),
    ],
)
def test_an_ask_that_takes_too_much_is_refused(llama: CoconutModel, ask: Ask, said: str) -> None:
    with batching(llama) as batcher, pytest.raises(CoconutError, match=said):
        batcher.submit(ask).answer.result(60)


def test_as_many_thoughts_as_fit_are_taken(llama: CoconutModel) -> None:
    room = 160 - len(llama.encode_prompt(QUESTIONS[0]))
    with batching(llama) as batcher:
        record = batcher.submit(Ask(QUESTIONS[0], thoughts=room)).answer.result(60)
    assert record["tokens"]["thoughts"] == room


def test_interventions_have_a_length() -> None:
    assert Ask.from_json({"question": "Q?", "do": " " * LONGEST_DO})
    with pytest.raises(CoconutError, match="may have 4096"):
        Ask.from_json({"question": "Q?", "do": " " * LONGEST_DO + "x"})


@pytest.mark.parametrize(
    "do", ["replace mean@all", "replace twin@all", "drop@1", "knockout prompt@all; zero@all", "noise@all"]
)
def test_work_before_a_run_ends_when_its_time_is_up_and_the_others_go_on(llama: CoconutModel, do: str) -> None:
    with batching(llama, seconds=0.0) as batcher:
        held = Held()
        other = batcher.submit(Ask(QUESTIONS[1]), held)
        assert held.reached.wait(60)
        bad = batcher.submit(Ask(QUESTIONS[0], thoughts=100, do=do))
        held.go.set()
        with pytest.raises(CoconutError, match="takes more than 0 s to prepare"):
            bad.answer.result(60)
        assert other.answer.result(60)["text"] == generate(llama, [QUESTIONS[1]])[0].text


def test_work_before_a_run_ends_when_nobody_waits_for_it() -> None:
    model = tiny_model("llama", max_positions=2048)
    with batching(model, seconds=600.0) as batcher:
        job = batcher.submit(Ask(QUESTIONS[0], thoughts=1900, do="mean@all; replace twin@all"))
        while not batcher.turn_seconds:
            pass
        began = monotonic()
        assert job.answer.cancel()
        assert batcher.submit(Ask(QUESTIONS[1])).answer.result(60)["answer"]
        assert monotonic() - began < 30, "1900 thoughts of 64 runs take minutes"


def test_ranges_that_overlap_cost_no_more_than_their_numbers() -> None:
    (command,) = read_commands("zero@" + ",".join(["1-10000"] * 400))
    assert command.places == tuple(range(1, 10_001))
