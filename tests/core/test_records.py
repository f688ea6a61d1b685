"""A record is read as its dataclass says, or refused in one line that names the entry."""

import math
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import OneOf, Range, read_json_object, read_record, reshaped


@dataclass(frozen=True)
class Wheel:
    size: Annotated[float, Range(0, 10)]
    spokes: Annotated[int, Range(1, 100)] | None = None
    kind: Annotated[str, OneOf("", "front", "back")] = ""

    def __post_init__(self) -> None:
        if self.size == 7:
            raise CoconutError("no wheel has size 7")


@dataclass(frozen=True)
class Car:
    name: str
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    ratio: Annotated[tuple[float, float], Range(0, 1, below=True)] = (0.0, 0.5)
    open: bool = False
    owner: bool | str | None = None
    seen: dict[str, float] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


def refusal(record: Any, where: object = "car.json", *, closed: bool = False) -> str:
    with pytest.raises(CoconutError) as caught:
        read_record(Car, record, where, closed=closed)
    return str(caught.value)


def test_lists_become_tuples_and_whole_numbers_numbers() -> None:
    record = {
        "name": "a",
        "wheels": [{"size": 1}],
        "spare": {"size": 2.5, "kind": "back"},
        "ratio": [0, 0.25],
        "owner": "me",
        "seen": {"x": 1},
        "more": {"y": [1]},
    }
    car = read_record(Car, record)
    assert car == Car(
        "a", (Wheel(1.0),), Wheel(2.5, kind="back"), (0.0, 0.25), owner="me", seen={"x": 1.0}, more={"y": [1]}
    )
    assert type(car.wheels[0].size) is float
    assert type(car.seen["x"]) is float


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, "the entry 'name' must be a text, not null"),
        ({"name": True}, "the entry 'name' must be a text, not a boolean"),
        ({"open": 1}, "the entry 'open' must be true or false, not a whole number"),
        ({"owner": 2}, "the entry 'owner' must be true or false or a text or null, not a whole number"),
        ({"wheels": {}}, "the entry 'wheels' must be a list, not an object"),
        ({"wheels": [{"size": 1}, {}]}, "the entry 'wheels[1].size' is missing"),
        ({"wheels": [{"size": True}]}, "the entry 'wheels[0].size' must be a number, not a boolean"),
        ({"wheels": [{"size": "1"}]}, "the entry 'wheels[0].size' must be a number, not a text"),
        ({"wheels": [{"size": 10**400}]}, "the entry 'wheels[0].size' cannot be read: number out of range"),
        ({"wheels": [{"size": math.nan}]}, "the entry 'wheels[0].size' must be from 0 to 10, not nan"),
        ({"wheels": [{"size": 11}]}, "the entry 'wheels[0].size' must be from 0 to 10, not 11.0"),
        ({"spare": {"size": 1, "spokes": 2.0}}, "'spare.spokes' must be a whole number or null, not a number"),
        ({"spare": {"size": 1, "spokes": 10**30}}, f"'spare.spokes' must be from 1 to 100, not {10**30}"),
        ({"spare": {"size": 1, "kind": "top"}}, "'spare.kind' must be one of front, back, not 'top'"),
        ({"spare": {"size": 7}}, "car.json: no wheel has size 7"),
        ({"ratio": [0, 1]}, "the entry 'ratio[1]' must be from 0 to below 1, not 1.0"),
        ({"ratio": [0]}, "the entry 'ratio' must be a list of length 2, not 1"),
        ({"seen": {"x": "y"}}, "must be a number, not a text"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], words: str) -> None:
    said = refusal({"name": "a", **changes})
    assert said.startswith("car.json: ")
    assert said.endswith(words)
    assert "\n" not in said


def test_a_value_that_is_no_object() -> None:
    assert refusal([]) == "car.json: it must be an object, not a list"
    assert refusal({}, where="") == "the entry 'name' is missing"


def test_other_entries_are_left_out_or_refused() -> None:
    record = {"name": "a", "spare": {"size": 1, "colour": 3}}
    assert read_record(Car, record).spare == Wheel(1.0)
    assert refusal(record, closed=True) == (
        "car.json: unknown entry 'spare.colour': remove it, or upgrade coconut; known are size, spokes, kind"
    )
    assert len(refusal({"name": "a", "x" * 5000: 1}, closed=True)) < 250


def test_what_was_made_before_stays() -> None:
    wheel = Wheel(1.0)
    assert read_record(Car, {"name": "a", "spare": wheel}, closed=True).spare is wheel


def test_a_record_of_another_shape() -> None:
    record = {"name": "a", "wheels": [{"width": 1}], "spare": None}
    size = {name: reshaped(record[name], lambda each: {"size": each["width"]}) for name in ("wheels", "spare")}
    assert read_record(Car, record | size).wheels == (Wheel(1.0),)
    assert [reshaped(value, dict.clear) for value in (3, None, "x", [3])] == [3, None, "x", [3]]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 5000, b'{"a": ' + b"1" * 5000 + b"}"])
def test_a_file_that_is_no_json(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(CoconutError, match=r"a\.json cannot be read: [^\n]*\Z"):
        read_json_object(path)


def test_a_file_that_is_no_object_and_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(CoconutError, match=r"a\.json cannot be read: it must hold a JSON object"):
        read_json_object(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError):
        read_json_object(tmp_path / "b.json")


def test_nothing_is_imported_before_a_record_is_read() -> None:
    code = "import coconut_core.cli, coconut_tui.cli, sys; assert 'msgspec' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
