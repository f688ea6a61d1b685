"""Problems that a model cannot learn, found when a run begins and not at the step that meets them."""

from collections.abc import Iterable, Sequence

from coconut_core.common.errors import CoconutError
from coconut_core.latent.prompt import unknown_words
from coconut_core.problems.base import Problem
from coconut_core.training.curriculum import Stage, counted
from coconut_core.training.encoding import Encoder, TokenizedProblem


def tokenize(problem: Problem, encoder: Encoder, where: str) -> TokenizedProblem:
    """The tokens of a problem that is to be learned. Raises CoconutError, which begins with where, for one
    without question or answer, and for one that the tokenizer cannot read or whose words it does not know."""
    for name, text in (("question", problem.question), ("answer", problem.answer)):
        if not text.strip():
            raise CoconutError(f"{where}: there is no '{name}' to learn from: give it one, or leave it out")
    try:
        tokenized = encoder.tokenize(problem)
    except CoconutError as error:
        raise CoconutError(f"{where}: {error}") from error
    _check_words(problem, tokenized, encoder, where)
    return tokenized


def _check_words(problem: Problem, tokenized: TokenizedProblem, encoder: Encoder, where: str) -> None:
    """Raise CoconutError where the tokenizer does not know words of a problem; where names it."""
    unknown = encoder.tokenizer.unk_token_id
    parts = (tokenized.prompt, *tokenized.steps, tokenized.answer[:-1])  # without the end of text
    if unknown is None or not any(unknown in part for part in parts):
        return
    texts = [problem.question, *encoder.step_texts(problem), encoder.answer_text(problem)]
    words = [word for text in texts for word in unknown_words(encoder.tokenizer, text)]
    if words:
        names = ", ".join(f"'{word}'" for word in dict.fromkeys(words))
        raise CoconutError(f"{where}: the model's vocabulary does not have {names}")


def check_lengths(
    problems: Iterable[tuple[int, TokenizedProblem]],
    encoder: Encoder,
    stages: Sequence[Stage],
    most: int | None,
    where: str,
) -> None:
    """Raise CoconutError where a problem, with its thoughts, is longer than the model reads at some stage.

    problems come with their numbers; where names what they are of; most is in positions, None without a limit.
    """
    if most is None:
        return
    too_long = [
        (number, length)
        for number, problem in problems
        if (length := _longest(problem, encoder, stages)) > most
    ]
    if not too_long:
        return
    number, length = too_long[0]
    others = f" (and {counted(len(too_long) - 1, 'other')})" if len(too_long) > 1 else ""
    raise CoconutError(
        f"{where}, problem {number}{others}: {length} tokens with its thoughts, the model reads at most "
        f"{most}: shorten such problems or leave them out, or take another model.base"
    )


def _longest(problem: TokenizedProblem, encoder: Encoder, stages: Sequence[Stage]) -> int:
    """Positions of a problem at the stage at which they are most."""
    return max(
        (encoder.encode(problem, stage).longest for stage in stages if stage.kind == "thoughts"), default=0
    )
