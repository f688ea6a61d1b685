"""Texts by the cells that they take on a screen: 東 takes two."""

from rich.cells import cell_len, set_cell_size


def cells(text: str) -> int:
    """How many cells a text takes."""
    return cell_len(text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text with spaces behind it up to so many cells, or with right in front of it. A longer one stays."""
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def shortened(text: str, width: int) -> str:
    """A text of at most so many cells; one that is cut ends with …"""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip(" ") + "…"
