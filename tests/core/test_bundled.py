"""The models that come with the project are found from whatever folder they are asked for."""

from pathlib import Path

import pytest

from coconut_core.checkpoints import bundled
from coconut_core.checkpoints.bundled import bundled_model, short_name
from coconut_core.checkpoints.hub import check_source
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError

ROOT = Path(__file__).parents[2]


def test_the_checkouts_models_are_found_from_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("models/prosqa", "models/prosqa/", "models/prosqa-cot", "models/prosqa-labelled"):
        assert bundled_model(name) == ROOT / name
    for name in ("models/missing", "prosqa", "models", "a/models/prosqa", "models/..", "someone/model"):
        assert bundled_model(name) is None, name
    assert short_name(str(ROOT / "models/prosqa")) == "models/prosqa"
    assert short_name("runs/prosqa") == "runs/prosqa"
    assert CoconutModel.from_pretrained("models/prosqa").name == str(ROOT / "models/prosqa")


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "coconut_core/models"
    (inside / "prosqa").mkdir(parents=True)
    (inside / "prosqa/config.json").write_text("{}")
    monkeypatch.setattr(bundled, "PLACES", (inside, *bundled.PLACES[1:]))
    monkeypatch.chdir(tmp_path)
    assert bundled_model("models/prosqa") == inside / "prosqa"
    assert bundled_model("models/prosqa-cot") == ROOT / "models/prosqa-cot"
    assert short_name(str(inside / "prosqa")) == "models/prosqa"


def test_a_folder_of_that_name_goes_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/prosqa").mkdir(parents=True)
    assert bundled_model("models/prosqa") is None


def test_what_is_nowhere_is_told_without_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_source("someone/model")
    check_source(tmp_path)
    for source in ("missing", "./a/b", "~/there-is-none", "runs/x/step-000100"):
        with pytest.raises(CoconutError, match="there is no folder"):
            check_source(source)
