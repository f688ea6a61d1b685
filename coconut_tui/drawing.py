"""Small pieces that several widgets draw with: bars, shades, tokens made visible."""

from rich.text import Text

from coconut_core.cli.show import printable

_EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR_STYLE = "#4c9be8"  # a blue that all common kinds of colour blindness keep apart from the orange
EDIT_STYLE = "#e8a33d"


def bar(share: float, width: int) -> str:
    """A horizontal bar of at most width cells, drawn to an eighth of a cell and padded to width."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def share_text(share: float) -> str:
    """A probability in three cells: .46, or 1.0."""
    return "1.0" if share >= 0.995 else f"{share:.2f}"[1:]


def token_bar(token: str, share: float, name_width: int, bar_width: int) -> Text:
    """A token, its bar and its probability."""
    name = printable(token)
    if len(name) > name_width:
        name = name[: name_width - 1] + "…"
    return (
        Text(f"{name:<{name_width}} ")
        + Text(bar(share, bar_width), BAR_STYLE)
        + Text(f" {share_text(share)}", "dim" if share < 0.05 else "")
    )
