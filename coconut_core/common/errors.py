"""Errors that a user can cause and can mend."""

import sys


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


def describe_error(error: BaseException) -> str:
    """An error in one line: what a CoconutError says, and in front of what any other says its kind."""
    return str(error) if isinstance(error, CoconutError) else f"{type(error).__name__}: {one_line(error)}"


def device_failure(error: BaseException) -> str | None:
    """In one line, what a device said that ran out of memory or was lost; None for any other error."""
    torch = sys.modules.get("torch")  # where it was never imported, no device has failed
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if torch is None or not isinstance(error, RuntimeError):
        return None
    kinds = (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.OutOfMemoryError))  # from 2.8 on
    phrases = ("CUDA error", "DefaultCPUAllocator", "MPS backend out of memory")  # by a plain RuntimeError
    if isinstance(error, kinds) or any(words in str(error) for words in phrases):
        return visible(f"the device failed ({one_line(error)})")
    return None


def visible(text: str, keep: str = "") -> str:
    """A text in one line; what a terminal would obey, or could not show, is escaped as Python writes it.

    Characters in keep stay as they are: "\\n" where a text may have several lines.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)
