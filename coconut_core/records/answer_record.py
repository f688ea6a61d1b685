"""The JSON object that answers a question: what `ask --json` prints and a server sends. Needs no torch."""

from typing import Any

from coconut_core.records.trace import StepRecord, Trace


def answer_record(
    trace: Trace, timings: dict[str, float], done: str = "", without: str | None = None
) -> dict[str, Any]:
    """What came of a finished run. without is the answer of the same run with its thoughts left alone, None
    where nothing was done to them; the trace's settings hold the verdict."""
    expected = trace.problem.answer if trace.problem is not None and trace.problem.answer else None
    spoken = sum(step.kind == "token" for step in trace.steps)
    record = {
        "question": trace.question,
        "answer": trace.answer,
        "text": trace.text,
        "finished": trace.finished,
        "stopped_by": trace.stopped_by,
        "thoughts": [thought_record(step) for step in trace.thoughts()],
        "tokens": {"prompt": len(trace.prompt), "thoughts": len(trace.thoughts()), "answer": spoken},
        "thinking": trace.settings["thinking"],
        "thinking_ended": trace.ended,
        "timings": timings,
        "model": trace.model,
        "trained": trace.settings["trained"],
        "thoughts_used": trace.settings["verdict"],
        **({} if expected is None else {"expected": expected, "right": trace.right}),
    }
    if without is not None:
        record |= {"done": done, "answer_without": without, "changed": without != trace.answer}
    return record


def thought_record(step: StepRecord) -> dict[str, Any]:
    """A thought in it."""
    return {
        "index": step.index,
        "top": [
            {
                "token": item.token,
                "id": item.id,
                "name": item.name,
                "probability": round(item.probability, 6),
            }
            for item in step.top
        ],
        "entropy": round(step.entropy, 6),
        "norm": round(step.norm, 6),
        **({} if step.edit is None else {"edit": step.edit}),
    }
