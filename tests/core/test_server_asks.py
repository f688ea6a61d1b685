"""What can be asked of a server, as JSON."""

import json
from typing import Any

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.server.asks import Ask
from coconut_core.server.runs import Job


def test_an_ask_survives_its_json() -> None:
    ask = Ask("Q?", 3, "zero@1", temperature=0.5, until_entropy=0.1, entropy_steps=2, trace=True)
    assert Ask.from_json(json.loads(json.dumps(ask.to_json()))) == ask
    assert Ask("Q?").to_json() == {"question": "Q?"}
    assert Ask.from_json({"question": "Q?", "thoughts": None}) == Ask("Q?")


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "Q?",
        {},
        {"question": 3},
        {"question": None},
        {"question": "\ud800"},
        {"question": "Q?", "seed": 2**70},
        {"question": "Q?", "temperature": float("nan")},
        {"question": "Q?", "temperature": 10**400},
        {"question": "Q?", "thoughts": 1.5},
        {"question": "Q?", "thoughts": True},
        {"question": "Q?", "thoughts": -1},
        {"question": "Q?", "top": 0},
        {"question": "Q?", "stream": 1},
        {"question": "Q?", "samples": 2},
        {"question": "Q?", "samples": 65, "temperature": 1},
        {"question": "Q?", "samples": 2, "temperature": 1, "stream": True},
        {"question": "Q?", "do": ["zero@1"]},
        {"question": "Q?", "entropy_steps": 2},
        {"question": "Q?", "model": "/etc"},
        {"question": "Q?", "x" * 5000: 1},
    ],
)
def test_what_is_no_ask_is_refused_in_one_line(record: Any) -> None:
    with pytest.raises(CoconutError) as caught:
        Ask.from_json(record)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_job_has_room_for_the_run_left_alone() -> None:
    assert (Job(Ask("Q?")).rows, Job(Ask("Q?", do="zero@1")).rows) == (1, 2)
