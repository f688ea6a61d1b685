"""A finding as a link: the whole file, packed, so that a command line can be pasted where the file is not."""

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_tui.findings.finding import Finding
from coconut_tui.findings.folder import LARGEST, load_finding
from coconut_tui.findings.text import finding_text, read_finding

SCHEME = "coconut://finding/"


def link_of(finding: Finding) -> str:
    """The link: letters, digits, - and _ only behind the scheme."""
    packed = zlib.compress(finding_text(finding).encode("utf-8", "replace"), 9)
    return SCHEME + urlsafe_b64encode(packed).decode().rstrip("=")


def command_of(named: str | Path) -> str:
    """The command that reopens a finding: a link, or a file."""
    import shlex

    return f"coconut-tui --finding {shlex.quote(str(named))}"


def finding_of(named: str) -> Finding:
    """The finding that a link holds, or that is in a file. Raises CoconutError where there is none."""
    if not named.startswith("coconut:"):
        return load_finding(Path(named).expanduser())
    where = "the link"
    try:
        packed = named.removeprefix(SCHEME).rstrip("/")
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), LARGEST)
        if not unpacking.eof:
            raise ValueError("it is cut off, or too large")
        text = content.decode("utf-8")
    except (ValueError, zlib.error) as error:
        raise CoconutError(f"{where} {named:.40}… holds no finding: {error}") from error
    return read_finding(text, where)
