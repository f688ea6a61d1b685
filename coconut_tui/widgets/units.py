"""How likely a token is, as text: p, ln p or rank, each with one precision and as wide in every row."""

from collections.abc import Sequence
from math import ceil, exp, isfinite, log

from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.run.lookups import LN_P, RANK

P_CELLS, LN_P_CELLS, RANK_CELLS = 4, 6, 5


def p_text(share: float) -> str:
    """A probability in four cells: ' .46' or '1.00'; a dash for what is no number."""
    text = f"{share:.2f}" if isfinite(share) else "–"
    return (text[1:] if text.startswith("0.") else text).rjust(P_CELLS)


def ln_text(share: float) -> str:
    """The natural logarithm of a probability in six cells; a dash for the logarithm of nothing."""
    text = f"{log(share):.2f}" if isfinite(share) and share > 0 else "–"
    return ("0.00" if text == "-0.00" else text).rjust(LN_P_CELLS)


def rank_text(rank: int | None, recorded: int) -> str:
    """A rank in five cells; of a token that is not among the recorded ones that it is beyond them."""
    return (str(rank) if rank is not None else f">{recorded}").rjust(RANK_CELLS)


def heading(units: str) -> str:
    """What stands over a column of such texts."""
    return {LN_P: "ln p".rjust(LN_P_CELLS), RANK: "rank".rjust(RANK_CELLS)}.get(units, "p".rjust(P_CELLS))


def likelihood_text(token: TokenRecord, step: StepRecord, units: str) -> str:
    """How likely a step holds a token, as far as the step's record goes."""
    places = (place for place, item in enumerate(step.top, start=1) if item.key == token.key)
    place = next(places, None)
    if units == RANK:
        return rank_text(place, len(step.top))
    if place is None:
        return "·".rjust(LN_P_CELLS if units == LN_P else P_CELLS)
    share = step.top[place - 1].probability
    return ln_text(share) if units == LN_P else p_text(share)


def log_share(share: float, floor: float) -> float:
    """Where a probability's logarithm lies between a floor (0) and certainty (1)."""
    return 0.0 if share <= 0 else max(0.0, 1 - log(share) / floor)


def log_floor(shares: Sequence[float]) -> float:
    """A round logarithm that lies below those of all these probabilities, -5 or less."""
    least = min((log(share) for share in shares if share > 0), default=-5.0)
    return min(-5.0, 5.0 * -ceil(-least / 5))


def names_alike(entropy: float) -> str:
    """An entropy as the number of tokens that would have it if all were as likely."""
    count = exp(min(entropy, 20.0))
    return f"as of {count:.1f} tokens alike" if count < 100 else f"as of {count:.0f} tokens alike"
