"""Errors that a user can cause and can mend."""


class CoconutError(Exception):
    """Something the user can put right.

    The message is one line: what is wrong and what to do about it. Command lines print it and exit
    with code 2; the terminal app shows it as a message. What it quotes of files and of what was typed may be
    anything: control characters in it are shown escaped, so that no terminal obeys them.
    """

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """A run was stopped from outside and has saved; the message says how to go on. Exit code 130."""


def one_line(error: BaseException) -> str:
    """What a library's error says, in one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


def visible(text: str) -> str:
    """A text in one line; what a terminal would obey, or could not show, is escaped as Python writes it."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
