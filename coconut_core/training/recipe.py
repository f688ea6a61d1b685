"""A recipe: everything that decides a training run, as a small TOML file."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from coconut_core.errors import CoconutError


@dataclass(frozen=True)
class ModelShape:
    """A Llama-shaped model built from scratch."""

    hidden_size: int = 256
    layers: int = 2
    heads: int = 4
    intermediate_size: int = 512
    max_positions: int = 512


@dataclass(frozen=True)
class DataChoice:
    """Which generated problems to train on."""

    family: str = "prosqa"
    problems: int = 40_000
    seed: int = 11
    nodes: tuple[int, int] = (18, 28)
    hops: tuple[int, int] = (3, 6)


@dataclass(frozen=True)
class OptimizerChoice:
    """AdamW with linear warm-up, then cosine down to a tenth."""

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.05
    warmup_steps: int = 100
    clip: float = 1.0


@dataclass(frozen=True)
class Stage:
    """One stage of the curriculum: so many optimizer steps with so many thoughts."""

    steps: int
    kind: str = "thoughts"  # or "lookup", the warm-up of training.lookup
    thoughts: int = 0


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    name: str
    stages: tuple[Stage, ...]
    seed: int = 1
    batch_size: int = 64
    precision: str = "no"  # "no", "bf16" or "fp16", as accelerate names them
    step_style: str = "sentence"
    label_thoughts: bool = False
    earlier_stages: float = 0.0
    checkpoint_every: int = 250
    evaluate_every: int = 500
    evaluation_problems: int = 300
    model: ModelShape = field(default_factory=ModelShape)
    data: DataChoice = field(default_factory=DataChoice)
    optimizer: OptimizerChoice = field(default_factory=OptimizerChoice)

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> int:
        """Index of the stage that an optimizer step (from 0) belongs to."""
        for index, stage in enumerate(self.stages):
            if step < stage.steps:
                return index
            step -= stage.steps
        return len(self.stages) - 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def available_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("coconut_core") / "recipes"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_recipe(name_or_path: str, settings: list[str] | None = None) -> Recipe:
    """A packaged recipe by name or a TOML file by path, with settings like "data.seed=3" laid over it."""
    if name_or_path in available_recipes():
        text = (resources.files("coconut_core") / "recipes" / f"{name_or_path}.toml").read_text("utf-8")
    else:
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(available_recipes())
            raise CoconutError(f"no recipe '{name_or_path}': name a TOML file or one of {known}") from error
    try:
        table = tomllib.loads(text)
        for setting in settings or []:
            _lay_over(table, setting)
    except tomllib.TOMLDecodeError as error:
        raise CoconutError(f"recipe {name_or_path} is not valid TOML: {error}") from error
    return recipe_from_table(table)


def recipe_from_table(table: dict[str, Any]) -> Recipe:
    """Build a recipe, naming any entry that is unknown or of the wrong type."""
    table = dict(table)
    stages = table.pop("stages", None)
    if not isinstance(stages, list | tuple) or not stages:
        raise CoconutError("a recipe needs at least one [[stages]] entry")
    table.setdefault("name", "unnamed")
    recipe: Recipe = _build(
        Recipe,
        {**table, "stages": tuple(_build(Stage, stage, f"stages[{i}].") for i, stage in enumerate(stages))},
        "",
    )
    if recipe.batch_size < 1 or any(stage.steps < 0 or stage.thoughts < 0 for stage in recipe.stages):
        raise CoconutError("a recipe's batch_size must be positive, its steps and thoughts 0 or more")
    for name, value, choices in [
        ("precision", recipe.precision, ("no", "bf16", "fp16")),
        ("step_style", recipe.step_style, ("sentence", "chain")),
        *(("stages.kind", stage.kind, ("thoughts", "lookup")) for stage in recipe.stages),
    ]:
        if value not in choices:
            raise CoconutError(f"recipe entry '{name}' must be one of {', '.join(choices)}, not '{value}'")
    return recipe


_TABLES: dict[str, type] = {"model": ModelShape, "data": DataChoice, "optimizer": OptimizerChoice}


def _build(kind: type, table: Any, path: str) -> Any:
    if is_dataclass(table):
        return table
    if not isinstance(table, dict):
        raise CoconutError(f"recipe entry '{path.rstrip('.')}' must be a table")
    known = {item.name: item for item in fields(kind)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise CoconutError(f"unknown recipe entry '{path}{name}': known are {', '.join(known)}")
        if name in _TABLES and not path:
            value = _build(_TABLES[name], value, f"{name}.")
        elif not is_dataclass(value) and name != "stages":
            value = _typed(value, str(known[name].type), path + name)
        values[name] = value
    try:
        return kind(**values)
    except TypeError as error:
        raise CoconutError(f"recipe entry '{path.rstrip('.')}' is incomplete: {error}") from error


def _typed(value: Any, wanted: str, path: str) -> Any:
    if "tuple" in wanted and isinstance(value, list | tuple):
        return tuple(value)
    if "float" in wanted and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    name = wanted.removeprefix("<class '").removesuffix("'>")
    if type(value).__name__ != name:
        raise CoconutError(f"recipe entry '{path}' must be {name}, not {type(value).__name__}")
    return value


def _lay_over(table: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    if not equals:
        raise CoconutError(f"'{setting}' is not a setting: write name=value, like seed=3 or data.seed=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = name.strip().split(".")
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise CoconutError(f"'{setting}': there is no table '{part}' in the recipe")
    table[last] = value
