"""Problems of a file as token ids on disk: tokenised once, read one at a time.

A file of 400,000 problems so trains in the memory of a few; only where each begins is held, in 16 bytes.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from coconut_core.errors import CoconutError
from coconut_core.problems.base import stream_problems
from coconut_core.training.encoding import Encoder, TokenizedProblem
from coconut_core.training.limits import check_words
from coconut_core.whole_files import folder_written_aside


class TokenStore:
    """Read access to a folder that `build` has made."""

    def __init__(self, folder: Path) -> None:
        self._tokens = (folder / "tokens.i32").open("rb")
        self._pieces = (folder / "pieces.i32").open("rb")  # a length for each part
        self._starts = np.fromfile(folder / "starts.i64", dtype=np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, number: int) -> TokenizedProblem:
        """The problem of that number, from 0."""
        (token, piece), (last_token, last_piece) = self._starts[number : number + 2].tolist()
        tokens = _read(self._tokens, token, last_token)
        parts: list[list[int]] = []
        for length in _read(self._pieces, piece, last_piece):
            parts.append(tokens[:length])
            tokens = tokens[length:]
        return TokenizedProblem(parts[0], parts[1:-1], parts[-1])

    @property
    def lengths(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Tokens of each problem, (problems,)."""
        lengths: np.ndarray[tuple[int], np.dtype[np.int64]] = np.diff(self._starts[:, 0])
        return lengths


def _read(file: BinaryIO, start: int, end: int) -> list[int]:
    """Numbers of a file of 32-bit integers, from one place to another."""
    numbers: list[int] = np.frombuffer(os.pread(file.fileno(), 4 * (end - start), 4 * start), np.int32).tolist()
    return numbers


def open_store(data: Path, encoder: Encoder, folder: Path) -> TokenStore:
    """The store of a problem file, made in folder if it is not there or belongs to other data.

    Raises CoconutError where the file cannot be read, or holds no problem or unknown words.
    """
    mark = folder / "made-from.json"
    made_from = {"data": str(data.resolve()), "tokens": _fingerprint(data, encoder)}
    if not mark.is_file() or json.loads(mark.read_text(encoding="utf-8")) != made_from:
        try:
            with folder_written_aside(folder) as aside:
                _build(data, encoder, aside)
                (aside / mark.name).write_text(json.dumps(made_from), encoding="utf-8")
        except OSError as error:
            raise CoconutError(f"cannot keep the tokens of {data} in {folder}: {error}") from error
    store_is_empty = (folder / "starts.i64").stat().st_size <= 16
    if store_is_empty:
        raise CoconutError(f"{data} holds no problems")
    return TokenStore(folder)


def _fingerprint(data: Path, encoder: Encoder) -> str:
    """Changes with the file, the tokenizer and whatever else decides the tokens."""
    try:
        found = data.stat()
    except OSError as error:
        raise CoconutError(f"cannot read problems from {data}: {error}") from error
    vocabulary = json.dumps(encoder.tokenizer.get_vocab(), sort_keys=True)
    config = encoder.config
    told = [
        found.st_size,
        found.st_mtime_ns,
        encoder.step_style,
        config.fed_before,
        config.answer_prefix,
        vocabulary,
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _build(data: Path, encoder: Encoder, folder: Path) -> None:
    token_count = piece_count = 0
    with (
        (folder / "tokens.i32").open("wb") as tokens,
        (folder / "pieces.i32").open("wb") as pieces,
        (folder / "starts.i64").open("wb") as starts,
    ):
        starts.write(np.array([0, 0], np.int64).tobytes())
        for number, problem in enumerate(stream_problems(data), start=1):
            tokenized = encoder.tokenize(problem)
            check_words(problem, tokenized, encoder, f"{data}, problem {number}")
            parts = [tokenized.prompt, *tokenized.steps, tokenized.answer]
            tokens.write(np.array([token for part in parts for token in part], np.int32).tobytes())
            pieces.write(np.array([len(part) for part in parts], np.int32).tobytes())
            token_count += sum(map(len, parts))
            piece_count += len(parts)
            starts.write(np.array([token_count, piece_count], np.int64).tobytes())
