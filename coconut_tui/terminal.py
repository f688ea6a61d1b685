"""Where the explorer draws."""

import os
import sys


def draw_on_terminal() -> None:
    """Textual draws on the stream of errors. Where that leads elsewhere, as in `coconut-tui 2>log`, let it lead
    to the terminal of stdout, and what is written to sys.stderr still elsewhere."""
    if sys.stderr.isatty() or sys.__stderr__ is None:
        return
    errors = os.dup(sys.__stderr__.fileno())
    os.dup2(sys.stdout.fileno(), sys.__stderr__.fileno())
    sys.stderr = os.fdopen(errors, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
