"""A long text in the editor that a person is used to."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from coconut_core.common.errors import CoconutError


def editor_command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The editor's command, by VISUAL or else EDITOR. Raises CoconutError where neither names one."""
    named = environment.get("VISUAL", "").strip() or environment.get("EDITOR", "").strip()
    if not named:
        raise CoconutError("no editor is named: set VISUAL or EDITOR, as in EDITOR=nano")
    try:
        return shlex.split(named)
    except ValueError as error:
        raise CoconutError(f"cannot read the editor's command '{named}': {error}") from error


def written_outside(text: str, command: Sequence[str]) -> str:
    """A text after a person has changed it in an editor, which has the terminal meanwhile.

    Raises CoconutError where the editor fails. What it had written by then is kept, and the error says where.
    """
    descriptor, name = tempfile.mkstemp(prefix="coconut-question-", suffix=".txt")
    path = Path(name)
    with open(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        file.write(text)
    try:
        code = subprocess.run([*command, name], check=False).returncode
    except (OSError, ValueError) as error:
        path.unlink()
        raise CoconutError(f"cannot start the editor '{shlex.join(command)}': {error}") from error
    try:
        written = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CoconutError(f"cannot read what the editor wrote: {error}; it is in {path}") from error
    written = written.removesuffix("\n") if not text.endswith("\n") else written
    if code == 0 or written == text:
        path.unlink()
    if code != 0:
        kept = "" if written == text else f"; what it wrote is in {path}"
        raise CoconutError(f"the editor '{command[0]}' ended with code {code}, the question is as it was{kept}")
    return written
