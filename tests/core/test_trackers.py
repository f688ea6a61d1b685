"""Trackers of a run: what is reported where, one run there after a resume, and a service that is away."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers
from accelerate.utils.imports import is_mlflow_available, is_wandb_available

from coconut_core.common.errors import CoconutError
from coconut_core.training.metrics import MetricsLog, read_metrics, scalars
from coconut_core.training.trackers import SERVICES, TENSORBOARD, Reporting, check_trackers
from tests.core.tiny_recipes import Died, run_logged, tiny_recipe
from tests.core.training_rows import step_row

WITHOUT_LOOKUP = {"lookup": 0, "total": 8}


def test_the_names_are_those_of_accelerate() -> None:
    assert {TENSORBOARD, *SERVICES} == set(LOGGER_TYPE_TO_CLASS)


def test_a_service_that_is_not_installed_is_named_with_what_installs_it() -> None:
    absent = sorted(set(SERVICES) - set(map(str, get_available_trackers())))
    assert absent, "with all of them installed there is nothing to say"
    for name in absent:
        with pytest.raises(CoconutError) as caught:
            check_trackers(("auto", name))
        expected = f"report_to: {name} is not installed: pip install {name}, or leave it out"
        assert str(caught.value) == expected
    check_trackers(("auto", TENSORBOARD))


def test_tensorboard_can_be_left_out(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, step=0, reporting=Reporting(names=())) as log:
        log.append(step_row(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl"]


class Faulty(GeneralTracker):  # type: ignore[misc]
    """A service that goes away behind its first row."""

    name = "aim"
    requires_logging_directory = True
    rows: list[Any]

    def __init__(self, project: str, folder: str) -> None:
        super().__init__()
        Faulty.rows = [project, folder]

    @property
    def tracker(self) -> None:
        return None

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        Faulty.rows.append(values)

    def log(self, values: dict[str, float], step: int | None = None, **more: Any) -> None:
        if len(Faulty.rows) > 3:
            raise ConnectionError("no route\nto host")
        print("said on stdout")
        Faulty.rows.append((step, values))


def test_a_service_that_goes_away_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "aim", Faulty)
    notes: list[str] = []
    settings = {"seed": 3, "data": {"nodes": (4, 5)}, "lora": {"layers": ()}}
    rows = [step_row(step) for step in (1, 2, 3)]
    with MetricsLog(tmp_path, step=0, reporting=Reporting(("aim",), settings, notes.append)) as log:
        for row in rows:
            log.append(row)
    flat = {"seed": 3, "data.nodes": "(4, 5)", "lora.layers": "()"}
    assert Faulty.rows == ["coconut", str(tmp_path), flat, (1, scalars(rows[0]))]
    assert notes == ["note: aim gets no more of this run: no route to host"]
    assert read_metrics(tmp_path / "metrics.jsonl") == rows
    assert capsys.readouterr().out == ""


def test_a_service_that_does_not_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Faulty) -> None:
        raise PermissionError("log in\nfirst")

    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "aim", Faulty)
    monkeypatch.setattr(Faulty, "start", start)
    with pytest.raises(CoconutError, match=r"^report_to: aim does not start: log in first$"):
        MetricsLog(tmp_path, step=0, reporting=Reporting(("tensorboard", "aim")))


def killed_and_resumed(folder: Path, name: str) -> list[tuple[int, float]]:
    """A run that died behind four rows and was gone on with; steps and losses of its log."""
    recipe = tiny_recipe(report_to=[name], curriculum=WITHOUT_LOOKUP, evaluate_every=2)
    with pytest.raises(Died):
        run_logged(recipe, folder, rows=4)
    rows = run_logged(recipe, folder)
    assert max(row["step"] for row in rows) == 8
    return [(row["step"], row["evaluation"]["loss"]) for row in rows if "evaluation" in row]


def records(path: Path) -> Iterator[bytes]:
    """Those of an offline run of wandb: a head of 7 bytes, then LevelDB's log format in blocks of 32 KiB."""
    data, start, block = path.read_bytes(), 7, 1 << 15
    record = b""
    while start + 7 <= len(data):
        if block - start % block < 7:
            start += block - start % block  # where no head fits
            continue
        length, kind = struct.unpack("<4xHB", data[start : start + 7])
        record += data[start + 7 : start + 7 + length]
        start += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


@pytest.mark.skipif(not is_wandb_available(), reason="wandb is not installed")
def test_a_resumed_run_is_one_run_at_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wandb.proto import wandb_internal_pb2  # type: ignore[import-not-found]

    monkeypatch.setenv("WANDB_MODE", "offline")
    expected = killed_and_resumed(tmp_path / "run", "wandb")
    run = json.loads((tmp_path / "run" / "trackers.json").read_text())["wandb"]
    files = sorted((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert [path.name for path in files] == [f"run-{run}.wandb"] * 2
    seen: dict[int, float] = {}
    for data in (data for path in files for data in records(path)):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        if "evaluation/loss" in items:
            seen[items["_step"]] = items["evaluation/loss"]
    assert sorted(seen.items()) == expected


@pytest.mark.skipif(not is_mlflow_available(), reason="mlflow is not installed")
def test_a_resumed_run_is_one_run_at_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow  # type: ignore[import-not-found]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    expected = killed_and_resumed(tmp_path / "run", "mlflow")
    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'coconut'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == json.loads((tmp_path / "run" / "trackers.json").read_text())["mlflow"]
    assert run.info.run_name.endswith("/run")
    assert (run.data.params["method"], run.data.params["curriculum.total"]) == ("coconut", "8")
    history = client.get_metric_history(run.info.run_id, "evaluation/loss")
    assert sorted({(each.step, each.value) for each in history}) == expected
