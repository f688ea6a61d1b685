"""Why a run says no more, and what is said of an answer that was cut off."""

# Why a run says no more: the end of text was said, or there was no more patience or room for another word.
END, WORDS, CONTEXT = "end", "words", "context"


def cut_off_by(stopped_by: str | None, most_words: object) -> str | None:
    """What cut an answer off, in words; None where nothing did."""
    if stopped_by == WORDS:
        return f"cut off after {most_words} token{'' if most_words == 1 else 's'}"
    return "cut off where the model's context was full" if stopped_by == CONTEXT else None
