"""Errors that a user can cause and can mend."""


class CoconutError(Exception):
    """Something the user can put right.

    The message is one line: what is wrong and what to do about it. Command lines print it and exit
    with code 2; the terminal app shows it as a message.
    """


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """A run was stopped from outside and has saved; the message says how to go on. Exit code 130."""
