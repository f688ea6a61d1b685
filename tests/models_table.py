"""The tables of docs/MODELS.md, from the results of the tests: python -m tests.models_table

It runs the tests that the tables stand on and writes what came of them between the markers. A cell says "yes"
where every test behind it passed, "no" where one failed, and nothing where there is none.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from coconut_core.common.markdown import markdown_table
from coconut_core.latent.architectures import TESTED
from tests.core.tiny_architectures import RECURRENT

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "MODELS.md"
BEGIN, END = "<!-- tables: python -m tests.models_table -->", "<!-- end of the tables -->"
ARCHITECTURES = "tests.core.test_architectures"
COLUMNS = {  # what works: the tests of tests/core/test_architectures.py that say so
    "loop, gradients": ("test_loss_and_every_gradient_equal_those_of_a_full_recompute",),
    "go back, fork, edit": ("test_any_sequence_of_operations_equals_a_fresh_run",),
    "batches": ("test_batches_of_any_lengths_say_what_single_runs_say",),
    "readout, lens": (
        "test_readouts_are_the_logits_of_the_library",
        "test_the_lens_ends_in_the_plain_readout",
    ),
    "interventions": (
        "test_interventions_that_change_nothing_give_identical_numbers",
        "test_interventions_do_what_they_say_and_are_there_after_going_back",
    ),
    "mixtures": ("test_a_mixture_is_of_words_as_the_model_reads_them",),
    "attention": ("test_attention_is_over_all_positions_so_far",),
    "parallel passes": ("test_as_many_parallel_passes_as_thoughts_find_those_of_the_loop",),
}
REFUSALS = "test_what_recurrent_layers_cannot_do_is_refused_with_the_reason"
FORMATS = {  # by importer: the module of its tests, and those which hold it to the format's own semantics
    "official": (
        "tests.core.test_checkpoints_official",
        ("test_it_has_the_official_loss", "test_it_gives_the_official_answers"),
    ),
    "codi": ("tests.core.test_checkpoints_codi", ("test_the_converted_model_has_codis_loss_and_answers",)),
    "sim-cot": (
        "tests.core.test_checkpoints_sim_cot",
        ("test_it_answers_as_the_official_model_and_its_decoder_explains",),
    ),
    "pccot": ("tests.core.test_checkpoints_pccot", ("test_the_converted_model_has_pccots_loss_and_answers",)),
}
Results = Mapping[tuple[str, str, str], Sequence[bool]]  # module, function, model type -> whether each passed


def run_tests() -> Results:
    """The results of the tests of all tables."""
    modules = [ARCHITECTURES, *(module for module, _ in FORMATS.values())]
    paths = [f"{module.replace('.', '/')}.py" for module in modules]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "-q", *paths, f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        found: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
        for case in cases:
            function, _, parameters = case.attrib["name"].partition("[")
            passed = not any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
            for name in set(parameters.rstrip("]").split("-")) & set(TESTED):
                found[case.attrib["classname"], function, name].append(passed)
    return found


def tables(results: Results) -> str:
    """Both tables as Markdown."""
    by_architecture = []
    for name, called in TESTED.items():
        cells = [
            told([outcome for test in tests for outcome in results.get((ARCHITECTURES, test, name), ())])
            for tests in COLUMNS.values()
        ]
        if name in RECURRENT:
            cells[1] += ", by recomputing" if cells[1] == "yes" else ""
            refused = told(results.get((ARCHITECTURES, REFUSALS, name), ()))
            cells[-2:] = ["refused" if refused == "yes" else refused] * 2
        by_architecture.append([called, *cells])
    by_format = []
    for kind, (module, tests) in FORMATS.items():
        cells = [
            told([outcome for test in tests for outcome in results.get((module, test, name), ())])
            for name in TESTED
        ]
        by_format.append([f"`{kind}`", *cells])
    tried = [any(cells) for cells in zip(*by_format, strict=True)]
    head, *kept = (
        [cell for cell, shown in zip(row, tried, strict=True) if shown]
        for row in (["format", *TESTED.values()], *by_format)
    )
    first = ["architecture", *COLUMNS]
    return "\n\n".join(
        (markdown_table(first, by_architecture, left=first), markdown_table(head, kept, left=head))
    )


def told(outcomes: Sequence[bool]) -> str:
    """What a cell says."""
    return ("yes" if all(outcomes) else "no") if outcomes else ""


def replaced(page: str, text: str) -> str:
    """The page with that text between its markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE} lacks the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> None:
    """Run the tests and write the page."""
    text = tables(run_tests())
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
