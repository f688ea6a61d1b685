"""What a notebook meets first: the names of the package, one question where many may stand."""

import subprocess
import sys

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
