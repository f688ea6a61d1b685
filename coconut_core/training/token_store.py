"""Problems of a file as token ids on disk: tokenised once, read one at a time.

A file of 400,000 problems so trains in the memory of a few; only where each begins is held, in 16 bytes.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import folder_written_aside
from coconut_core.latent.prompt import prompt_text
from coconut_core.problems.sources import DataSource
from coconut_core.training.encoding import Encoder, TokenizedProblem
from coconut_core.training.limits import tokenize

MARK = "made-from.json"  # in a store's folder


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


def open_store(
    data: DataSource | Path, encoder: Encoder, folder: Path, *, resuming: bool = False
) -> TokenStore:
    """The store of a problem file, or of another source, made in folder if it is not there or belongs to other
    data.

    resuming: the run has trained on the store that is there. Then other data are refused, and those that are
    gone, or on the hub, are not asked for. Raises CoconutError for that, and where the data cannot be read, or
    hold no problem or unknown words.
    """
    source = data if isinstance(data, DataSource) else DataSource(str(data))
    mark, tokens = _read_mark(folder), _fingerprint(encoder)
    content = mark.get("content") if resuming and not source.is_there else source.content()
    if resuming and mark.get("content") not in (None, content):
        raise CoconutError(
            f"{source.name} has changed since the run was begun: put back what it was, or begin a run of its "
            "own with another --out"
        )
    if content is None:
        raise CoconutError(f"cannot read problems from {source.name}: there is no such file")
    if mark.get("content") != content or mark.get("tokens") != tokens:
        if folder.exists() and not mark and any(folder.iterdir()):
            raise CoconutError(f"{folder} is not of a training: choose another --out")
        mark = {"data": source.name, "content": content, "tokens": tokens}
        try:
            with folder_written_aside(folder) as aside:
                _build(source, encoder, aside)
                (aside / MARK).write_text(json.dumps(mark), encoding="utf-8")
        except OSError as error:
            raise CoconutError(f"cannot keep the tokens of {source.name} in {folder}: {error}") from error
    store_is_empty = (folder / "starts.i64").stat().st_size <= 16
    if store_is_empty:
        raise CoconutError(f"{source.name} holds no problems")
    return TokenStore(folder)


def _read_mark(folder: Path) -> dict[str, Any]:
    """What a store was made from; empty where there is none, or it does not say."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return mark if isinstance(mark, dict) else {}


def _fingerprint(encoder: Encoder) -> str:
    """A hash that changes with the tokenizer and whatever else decides the tokens of a file."""
    vocabulary = json.dumps(encoder.tokenizer.get_vocab(), sort_keys=True)
    config = encoder.config
    settings: list[Any] = [encoder.step_style, config.fed_before, config.answer_prefix, vocabulary]
    if config.chat or config.question_end != "\n":  # stores of before say nothing of either
        settings += [prompt_text(encoder.tokenizer, "?", config).text, encoder.end]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()


def _build(source: DataSource, encoder: Encoder, folder: Path) -> None:
    token_count = piece_count = 0
    with (
        (folder / "tokens.i32").open("wb") as tokens,
        (folder / "pieces.i32").open("wb") as pieces,
        (folder / "starts.i64").open("wb") as starts,
    ):
        starts.write(np.array([0, 0], np.int64).tobytes())
        for number, problem in enumerate(source.problems(), start=1):
            tokenized = tokenize(problem, encoder, f"{source.name}, problem {number}")
            parts = [tokenized.prompt, *tokenized.steps, tokenized.answer]
            tokens.write(np.array([token for part in parts for token in part], np.int32).tobytes())
            pieces.write(np.array([len(part) for part in parts], np.int32).tobytes())
            token_count += sum(map(len, parts))
            piece_count += len(parts)
            starts.write(np.array([token_count, piece_count], np.int64).tobytes())
