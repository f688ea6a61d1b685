"""What the commands of these tests read: problems, a saved run."""

from pathlib import Path

import pytest

from tests.abuse.commands import PROSQA, TINY
from tests.core.tiny_official import official_run, write_base, write_checkpoint


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By name: PROBLEMS, RUN, RECIPE, MODEL, and OFFICIAL, a checkpoint of the official code, with its BASE."""
    from coconut_core.coconut import CoconutModel
    from coconut_core.problems import example_problem, generate_problems, write_problems

    folder = tmp_path_factory.mktemp("files")
    named = {"PROBLEMS": folder / "problems.json", "RUN": folder / "run.json", "RECIPE": folder / "tiny.toml"}
    write_problems(named["PROBLEMS"], generate_problems("prosqa", 6, seed=0))
    session = CoconutModel.from_pretrained(str(PROSQA)).start(example_problem("prosqa", 1).question)
    session.finish()
    session.trace().save(named["RUN"])
    named["RECIPE"].write_text(TINY)
    official = write_checkpoint(official_run("gpt2"), folder / "checkpoint_1")
    return {**named, "MODEL": PROSQA, "OFFICIAL": official, "BASE": write_base("gpt2", folder / "base")}
