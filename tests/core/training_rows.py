"""Rows of a training log, good ones and ones that are none."""

from pathlib import Path

from coconut_core.training.metrics import MetricsLog, Row

NO_NUMBER: tuple[object, ...] = (None, "x", [1], {}, True, float("nan"), float("inf"), -(10**18), 10**400)
NO_ROWS = [
    *({"step": value} for value in NO_NUMBER),
    *({"step": 1, "stage": value, "batch_stage": value} for value in NO_NUMBER),
    *({"step": 1, "stage": 0, "loss_by_part": {"answer": value}} for value in NO_NUMBER[:7]),
    *({"step": 1, "evaluation": {"accuracy": value}} for value in NO_NUMBER[:7]),
    *({"step": 1, name: "x"} for name in ("of", "loss_by_part", "evaluation", "samples", "padding")),
    {"step": 1, "stage_name": 7},
    {"step": 1, "evaluation": {"by_hops": {"3": None}}},
    *({"step": 1, "evaluation": {"diagnosis": {"loss_at_eot": value}}} for value in NO_NUMBER[:7]),
    {"step": 1, "evaluation": {"diagnosis": [1]}},
    {"step": 1, "evaluation": {"diagnosis": {"n": 1.5}}},
    {"step": 1, "evaluation": {"diagnosis": {"by_hops": {"3": 1.0}}}},
    {"step": 1, "evaluation": {"diagnosis": {"frontier": [{"share": 1.0}]}}},
    {"step": 1, "evaluation": {"diagnosis": {"frontier": {"1": {"share": "x"}}}}},
    {"step": 1, "evaluation": {"diagnosis": {"frontier": {"first": {"share": 1.0}}}}},
    {"step": 1, "samples": ["x"]},
    {"step": 1, "samples": [{"right": []}]},
    {"step": 1, "samples": [{"thoughts": "x"}]},
]
LENGTH = 100  # steps of the run


def step_row(step: int, loss: float = 1.0) -> Row:
    stage = step // 50
    return {
        "step": step,
        "of": LENGTH,
        "stage": stage,
        "stages": 2,
        "stage_name": ("full chain of thought", "1 thought")[stage % 2],
        "batch_stage": stage,
        "thoughts": stage,
        "loss": loss,
        "loss_by_part": {"thoughts": 2 * loss, "answer": loss / 2},
        "learning_rate": 1e-3 * (1 - step / 200),
        "tokens_per_second": 1000,
        "padding": 0.1,
        "seconds_left": 60,
    }


def evaluation_row(step: int, accuracy: float) -> Row:
    seen = {"thoughts": 1, "accuracy": accuracy, "n": 50, "by_hops": {"3": accuracy}}
    return {"step": step, "evaluation": seen, "samples": []}


def write(folder: Path, rows: list[Row], *, at: int = 0) -> Path:
    """As a run writes them that stands at a step; what is there beyond it is cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    with MetricsLog(folder, step=at) as log:
        for row in rows:
            log.append(row)
    return folder / "metrics.jsonl"
