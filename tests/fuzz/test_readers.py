"""Whatever a file holds, a reader reads it or says in one line what is wrong with it.

COCONUT_FUZZ says how many cases there are for each reader; `make soak` takes 10,000.
"""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coconut_core.common.errors import CoconutError
from tests.fuzz.cases import FUZZ
from tests.fuzz.damage import damaged_bytes, damaged_json
from tests.fuzz.readers import READERS, Reader

PATIENCE = 10.0  # seconds; no damaged file of this size may take longer to refuse
EACH = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def check(reader: Reader, path: Path, content: bytes) -> None:
    """Read a file: it is read, or refused in one line, and soon."""
    path.write_bytes(content)
    began = time.monotonic()
    said = _said_of(reader, path)
    assert time.monotonic() - began < PATIENCE
    assert "\n" not in said
    assert "\x1b" not in said, "a terminal would obey it"
    said.encode()  # or it could not be printed


def _said_of(reader: Reader, path: Path) -> str:
    """What a reader finds wrong with a file; empty where it reads it."""
    try:
        reader.read(path)
    except CoconutError as error:
        return str(error) or "\n"
    return ""


@EACH
def test_a_good_file_is_read(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / reader.file_name).write_bytes(reader.good_bytes())
    assert reader.read(tmp_path / reader.file_name) is not None


@pytest.mark.parametrize(
    "reader", [each for each in READERS if not each.only_values], ids=lambda reader: reader.name
)
@FUZZ
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(reader: Reader, tmp_path: Path, data: st.DataObject) -> None:
    check(reader, tmp_path / reader.file_name, data.draw(damaged_bytes(reader.good_bytes())))


@pytest.mark.parametrize("reader", [each for each in READERS if each.is_json], ids=lambda reader: reader.name)
@FUZZ
@given(data=st.data())
def test_wrong_values_are_read_or_refused(reader: Reader, tmp_path: Path, data: st.DataObject) -> None:
    check(reader, tmp_path / reader.file_name, data.draw(damaged_json(reader.good)))
