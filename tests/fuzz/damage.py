"""Damage: a good file made into a bad one, in its bytes or in the values of its JSON."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

NASTY: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 10**30, 1e308, "", "\x1b[31m", "\ud800", "a" * 2000, [], {}, [[]], {"": None}, "NaN"]
).map(copy.deepcopy)
MARKS = st.sampled_from([b"[" * 5000, b"\x00", b'"', b"{}"])
VALUES = st.recursive(
    NASTY | st.integers() | st.floats() | st.text(max_size=20) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
).map(copy.deepcopy)


@st.composite
def damaged_bytes(draw: st.DrawFn, good: bytes) -> bytes:
    """A piece is cut out, written over, said twice or put in, up to four times."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(("cut", "over", "twice", "in", "end")))
        if kind == "cut":
            del data[start:end]
        elif kind == "over":
            data[start:end] = draw(st.binary(min_size=end - start, max_size=end - start))
        elif kind == "twice":
            data[start:start] = data[start:end]
        elif kind == "in":
            data[start:start] = draw(
                st.binary(max_size=20) | st.sampled_from([b"[" * 5000, b"\x00", b'"', b"{}"])
            )
        else:
            del data[start:]
    return bytes(data)


@st.composite
def damaged_json(draw: st.DrawFn, good: Any) -> bytes:
    """A value somewhere inside is replaced, dropped or joined by another, up to three times."""
    record = {"whole": copy.deepcopy(good)}
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(record))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        kind = draw(st.sampled_from(("replace", "replace", "drop", "add")))
        if kind == "replace" or (holder is record and kind == "drop"):
            holder[key] = draw(VALUES)
        elif kind == "drop":
            del holder[key]
        elif isinstance(holder[key], dict):
            holder[key][draw(st.text(max_size=8))] = draw(VALUES)
        elif isinstance(holder[key], list):
            holder[key].append(draw(VALUES))
    return json.dumps(record["whole"]).encode()


def _places(record: Any) -> "list[tuple[Any, Any]]":
    """Every (holder, key) inside, depth first."""
    keys = list(record) if isinstance(record, dict) else range(len(record)) if isinstance(record, list) else []
    found = []
    for key in keys:
        found.append((record, key))
        found += _places(record[key])
    return found
