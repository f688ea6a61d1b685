"""What a record shows of itself: shapes in place of numbers, long texts shortened. Needs no torch."""

from dataclasses import fields
from typing import Any

from coconut_core.common.cells import shortened

WIDTH = 60  # cells that a text may take
FEW = 3  # values that are shown one by one


def brief(value: object) -> str:
    """A value in a few words: a tensor by its shape, a text shortened, many values by their number."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):  # torch.Size is one
        return str(tuple(shape)) if shape else f"{float(value):.6g}"  # type: ignore[arg-type]
    if isinstance(value, str):
        return repr(shortened(value, WIDTH))
    if isinstance(value, list | tuple):
        if len(value) > FEW:
            return f"{len(value)} × {type(value[0]).__name__}"
        return f"[{', '.join(map(brief, value))}]"
    return repr(value)


def record_repr(record: Any) -> str:
    """The repr of a dataclass that sets `__repr__ = record_repr`: its fields, each briefly."""
    entries = (f"{item.name}={brief(getattr(record, item.name))}" for item in fields(record) if item.repr)
    return f"{type(record).__name__}({', '.join(entries)})"
