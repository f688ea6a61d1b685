"""What `coconut ask` says of answers that did not come to their end. Imports no torch."""

from collections import Counter
from collections.abc import Sequence

from coconut_core.common.errors import CoconutError
from coconut_core.records.stopping import CONTEXT, WORDS, cut_off_by
from coconut_core.terminal.guard import say


def tell_cut_off(runs: Sequence[tuple[str | None, str]], most_words: int) -> None:
    """Note on stderr which answers were cut off. runs: why each was over, see Session.stopped_by, and its text.

    Raises CoconutError where none of them had room for a word.
    """
    if runs and all(stopped_by == CONTEXT and not text for stopped_by, text in runs):
        raise CoconutError(
            "nothing was said: question and thoughts fill the model's context; ask for fewer thoughts, or a "
            "shorter question"
        )
    for stopped_by, count in Counter(stopped_by for stopped_by, _ in runs).items():
        if (cut := cut_off_by(stopped_by, most_words)) is not None:
            which = "" if len(runs) == 1 else f"{count} of {len(runs)} "
            say(
                f"note: {which}{cut}{'; --max-new-tokens allows more' if stopped_by == WORDS else ''}", err=True
            )
