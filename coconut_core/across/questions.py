"""What a run's checkpoints can be asked: its held-out problems, an example of its family, a question."""

from pathlib import Path

from coconut_core.across.checkpoints import checkpoints_of
from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig
from coconut_core.problems import Problem, example_problem, read_problems, recognise, trained_size
from coconut_core.training.data import held_out_problems
from coconut_core.training.recipe import recipe_from_table
from coconut_core.training.run_folder import RunFolder


def problems_of_run(run: Path, count: int) -> list[Problem]:
    """The first of the problems that a run was evaluated on, as many as there are up to a number, or, where
    they were generated, as many as that. Raises CoconutError where the run has none."""
    folder = RunFolder(run)
    if folder.held_out.is_file():
        return read_problems(folder.held_out)[:count]
    choice = recipe_from_table(folder.read_recipe()).data
    if choice.train or choice.validation:
        raise CoconutError(f"{run} has no held-out problems: give a file with --data")
    return held_out_problems(choice, count, folder)


def problem_asked(run: Path, question: str | None, example: int | None) -> Problem:
    """A question with what is known of it; an example is of the family and size that the run has learned.
    Raises CoconutError where there is no such example."""
    if example is None:
        return recognise(question or "") or Problem(question or "", (), "")
    config = _config_of(run)
    return example_problem(config.family, example, trained_size(config.family, config.recipe))


def _config_of(run: Path) -> CoconutConfig:
    """That of the newest checkpoint which can be read."""
    failure: CoconutError | None = None
    for checkpoint in reversed(checkpoints_of(run)):
        try:
            if (config := CoconutConfig.load(checkpoint.folder)) is not None:
                return config
        except CoconutError as error:
            failure = failure or error
    raise failure or CoconutError(f"the checkpoints of {run} say nothing of a problem family: give a question")
