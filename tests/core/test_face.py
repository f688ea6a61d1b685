"""What a notebook meets first: the names of the package, one question where many may stand."""

import subprocess
import sys

import torch

from coconut_core.interventions import Scale
from coconut_core.model import CoconutModel
from tests.core.tiny_models import QUESTIONS


def test_the_package_shows_what_there_is_and_imports_it_when_it_is_used() -> None:
    code = (
        "import sys, coconut_core\n"
        "names = [name for name in dir(coconut_core) if not name.startswith('_')]\n"
        "assert names == ['CoconutConfig', 'CoconutError', 'CoconutModel', 'Session', 'Trace'], names\n"
        "assert 'torch' not in sys.modules\n"
        "assert all(getattr(coconut_core, name).__name__ == name for name in names)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_one_question_is_no_list_of_its_letters(llama: CoconutModel) -> None:
    one = llama.generate(QUESTIONS[0], max_new_tokens=4)
    assert one == llama.generate([QUESTIONS[0]], max_new_tokens=4)
    assert len(llama.generate(list(QUESTIONS), max_new_tokens=1)) == len(QUESTIONS)


def test_a_run_takes_a_plain_function_as_an_edit(llama: CoconutModel) -> None:
    by_name, by_hand = (llama.start(QUESTIONS[0], max_new_tokens=4) for _ in range(2))
    for run, edit in ((by_name, Scale(2.0)), (by_hand, lambda thought: thought * 2)):
        run.think()
        run.edit(1, edit)
        run.think(edit)
    assert by_name.finish() == by_hand.finish()
    assert str(by_hand.steps[0].edit) == "apply <lambda>"


def test_thoughts_can_be_trained_on(llama: CoconutModel) -> None:
    """A probe's gradient needs what it reads, which a tensor of inference mode does not give."""
    run = llama.start(QUESTIONS[0], max_new_tokens=4)
    run.think()
    run.think(Scale(2.0))
    run.finish()
    probe = torch.nn.Linear(32, 1, dtype=torch.float64)
    for step in run.steps:
        for state in (step.state, step.hidden, step.readout.hidden):
            probe(state).backward()
    assert float(probe.weight.grad.abs().sum()) > 0
