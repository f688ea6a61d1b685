"""The JSON file that ProntoQA's own generator writes (asaparov/prontoqa, run_experiment.py --model-name json).

One object with an entry for each experiment, "example1", "example2", …: a "test_example" with question, query,
chain_of_thought and answer, and perhaps examples for a prompt, "in_context_example0", …, which are passed over.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.problems.files import JsonReader

START = re.compile(r'\s*\{\s*"example\d+"\s*:')


def read_entries(path: Path, reader: JsonReader) -> Iterator[tuple[str, Any]]:
    """The entries of such a file one at a time, and where they are. Raises CoconutError where it is damaged."""
    reader.take_mark()
    mark, where = ",", str(path)
    while mark == ",":
        where = f"{path}, {reader.take_value_at(where)}"
        if reader.take_mark() != ":":
            raise CoconutError(f"{where}, line {reader.line}: a name without a value")
        yield where, reader.take_value_at(where)
        mark = reader.take_mark()
    if mark != "}" or reader.take_mark():
        raise CoconutError(f"{where}, line {reader.line}: behind it comes neither a comma nor the file's end")


def official_record(entry: Any) -> dict[str, Any]:
    """An entry's test example in the official layout, as the preparation of arXiv 2412.06769 has it: two
    sentences of the chain of thought are a step, and the last one alone.

    Raises CoconutError, saying what is missing.
    """
    test = entry.get("test_example") if isinstance(entry, dict) else None
    if not isinstance(test, dict):
        raise CoconutError("no 'test_example'")
    texts = {name: test.get(name) for name in ("question", "query", "answer")}
    if missing := [name for name, text in texts.items() if not isinstance(text, str) or not text.strip()]:
        proofs = "; proofs (--proofs-only) have none" if missing == ["answer"] else ""
        raise CoconutError(f"the test example has no '{missing[0]}' that is text{proofs}")
    chain = test.get("chain_of_thought")
    if not isinstance(chain, list) or not all(isinstance(sentence, str) for sentence in chain):
        raise CoconutError("the test example's 'chain_of_thought' must be a list of sentences")
    return {
        "question": f"{texts['question']} {texts['query']}",
        "steps": [" ".join(chain[start : start + 2]) for start in range(0, len(chain), 2)],
        "answer": texts["answer"],
    }
