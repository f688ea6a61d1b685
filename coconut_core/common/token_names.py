"""How tokens are written, so that two of them never look the same. Needs neither a model nor torch.

A space is shown as ·, bytes that are no character as <E6>; what cannot be seen, or would look like something
else, is escaped as Python writes it. What a name with all its marks stands for can be read from it again.
"""

import re
import unicodedata

from rich.cells import cell_len

from coconut_core.common.errors import visible
from coconut_core.common.quoting import ESCAPE, quoted, unescaped

SPACE = "·"
_BYTE = r"<([0-9A-F]{2})>"
_LOOKS_LIKE_ONE = re.compile(r"<(?=[0-9A-F]{2}>|#\d+>)")
_PART = re.compile(rf"{_BYTE}|({ESCAPE.pattern})|(.)", re.DOTALL)


def name_of(content: bytes) -> str:
    """The name of a token that adds these bytes to a text."""
    text = content.decode("utf-8", "surrogateescape")
    composed = unicodedata.normalize("NFC", text) == text
    name = "".join(_letter_name(char, alone=place == 0 or not composed) for place, char in enumerate(text))
    return _LOOKS_LIKE_ONE.sub(r"\\x3c", name).translate({0xE000: "<", 0xE001: ">"})


def content_of(name: str) -> bytes:
    """What a name stands for: the inverse of name_of."""
    content = b""
    for byte, escape, char in _PART.findall(name):
        if byte:
            content += bytes.fromhex(byte)
        else:
            text = unescaped(escape) if escape else " " if char == SPACE else char
            content += text.encode("utf-8", "surrogatepass")
    return content


def plain_name(text: str) -> str:
    """A name from the text alone, where nothing else is known of a token: spaces around it are not shown."""
    return visible(text.strip(" ")) or repr(text)


def typed_name(name: str, marked: bool) -> str:
    """A name as it can be typed to mean this token and no other. marked: whether names show spaces, see
    Vocabulary.marked; then a bare word may mean the token with a space in front as well."""
    bare = not re.search(r"[\s;@]|^['\"]|[:-]['\"]", name)
    if bare and (not marked or name.startswith(SPACE) or re.search(rf"{_BYTE}|<#\d+>", name)):
        return name
    return quoted(content_of(name).decode("utf-8", "replace"))


def _letter_name(char: str, alone: bool) -> str:
    """A letter of a name. alone: it begins the name, or the name has letters that are put together."""
    if "\udc80" <= char <= "\udcff":  # a byte that is part of no character
        return f"\ue000{ord(char) - 0xDC00:02X}\ue001"  # private letters are escaped, so that these are free
    if char in "\\" + SPACE:
        return _escape(char) if char == SPACE else "\\\\"
    if char == " ":
        return SPACE
    if not char.isprintable():
        return repr(char)[1:-1]
    looks_like_another = unicodedata.normalize("NFC", char) != char
    selects_a_look = "\ufe00" <= char <= "\ufe0f"
    return _escape(char) if looks_like_another or selects_a_look or (alone and not cell_len(char)) else char


def _escape(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
