"""A recipe: everything that decides a training run, as a small TOML file."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from coconut_core.errors import CoconutError
from coconut_core.training.curriculum import METHODS, Curriculum, Stage, expand


@dataclass(frozen=True)
class ModelShape:
    """Where the model comes from: a base to go on from, or a fresh Llama of this shape."""

    base: str = ""  # folder or hub id: an ordinary model, or a checkpoint such as one trained on steps in words
    new_rows_from: str = ""  # the token whose embedding new marker rows start from; empty: the mean row
    hidden_size: int = 256
    layers: int = 2
    heads: int = 4
    intermediate_size: int = 512
    max_positions: int = 512


@dataclass(frozen=True)
class DataChoice:
    """Which problems to train on: a file in the official layout, or a generated family."""

    family: str = "prosqa"  # names the examples of the model, and the generator where there is no file
    train: str = ""  # problem file; empty: generated problems
    validation: str = ""  # problem file to select by; empty: generated ones, never those trained on
    problems: int = 40_000  # generated graphs; each use tells one anew: names, order, candidates, path
    seed: int = 11
    nodes: tuple[int, int] = (18, 28)
    hops: tuple[int, int] = (3, 6)


@dataclass(frozen=True)
class OptimizerChoice:
    """AdamW with linear warm-up, then cosine down to a twentieth, or constant."""

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.05
    warmup_steps: int = 100
    schedule: str = "cosine"  # or "constant", as in the paper
    clip: float = 1.0  # longest gradient; 0: as long as it is


@dataclass(frozen=True)
class Thinking:
    """How the trained model thinks: how that ends, see coconut_core.halting, and how thoughts come about."""

    ends: str = "fixed"  # or "halting" (a head that is trained along), "entropy" or "stable"
    threshold: float = 0.5  # a probability, nats, or a difference of probabilities
    window: int = 2  # for "stable": how many readouts must agree
    projection: int = 0  # width of a projection of what is fed back; 0: none, or as model.base has it
    passes: int = 0  # parallel passes that find the thoughts; 0: one by one, or as model.base has it


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    name: str
    method: str = "coconut"
    seed: int = 1
    batch_size: int = 64  # examples of one optimizer step, all processes together
    micro_batch: int = 0  # examples that go through the model at once in a process; 0: all of its share
    gradient_checkpointing: bool = False  # compute activations again on the way back: less memory, more time
    precision: str = "no"  # "no", "bf16" or "fp16", as accelerate names them
    step_style: str = "sentence"
    label_thoughts: str = "no"  # or "path" or "frontier", see training.encoding
    checkpoint_every: int = 250
    keep: int = 2  # newest checkpoints that are kept, besides the best
    evaluate_every: int = 500
    evaluation_problems: int = 300
    model: ModelShape = field(default_factory=ModelShape)
    data: DataChoice = field(default_factory=DataChoice)
    curriculum: Curriculum = field(default_factory=Curriculum)
    thinking: Thinking = field(default_factory=Thinking)
    optimizer: OptimizerChoice = field(default_factory=OptimizerChoice)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the recipe's method."""
        return expand(self.method, self.curriculum)

    @property
    def thinks(self) -> bool:
        """Whether something stands at the thoughts' places at any stage."""
        return any(stage.thoughts for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_toml(self) -> str:
        """The whole recipe, every default written out; reading it back gives the same recipe."""
        values, tables = [], []
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                tables.append(f"\n[{name}]\n" + "\n".join(_toml_line(*item) for item in value.items()))
            else:
                values.append(_toml_line(name, value))
        return "\n".join([*values, *tables]) + "\n"


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
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CoconutError(f"recipe {name_or_path} is not valid TOML: {error}") from error
    return recipe_from_table(table)


def recipe_from_table(table: dict[str, Any]) -> Recipe:
    """Build a recipe, naming any entry that is unknown, of the wrong type or out of range."""
    recipe: Recipe = _build(Recipe, {"name": "unnamed", **table}, "")
    chosen = recipe.curriculum
    for name, least in (
        ("batch_size", 1), ("keep", 1), ("checkpoint_every", 1), ("evaluate_every", 1),
        ("evaluation_problems", 1), ("micro_batch", 0),
    ):  # fmt: skip
        if getattr(recipe, name) < least:
            raise CoconutError(f"recipe entry '{name}' must be {least} or more, not {getattr(recipe, name)}")
    for name, value, choices in (
        ("method", recipe.method, tuple(METHODS)),
        ("precision", recipe.precision, ("no", "bf16", "fp16")),
        ("step_style", recipe.step_style, ("sentence", "chain", "nodes")),
        ("label_thoughts", recipe.label_thoughts, ("no", "path", "frontier")),
        ("curriculum.unit", chosen.unit, ("steps", "epochs")),
        ("curriculum.reset_optimizer", chosen.reset_optimizer, ("never", "stage", "epoch")),
        ("thinking.ends", recipe.thinking.ends, ("fixed", "halting", "entropy", "stable")),
        ("optimizer.schedule", recipe.optimizer.schedule, ("cosine", "constant")),
    ):
        if value not in choices:
            raise CoconutError(f"recipe entry '{name}' must be one of {', '.join(choices)}, not '{value}'")
    thinking = recipe.thinking
    if min(thinking.projection, thinking.passes) < 0:
        raise CoconutError("the recipe's [thinking] must not hold negative numbers")
    if thinking.projection and METHODS[recipe.method].feedback != "hidden":
        raise CoconutError(f"thinking.projection: method '{recipe.method}' feeds no state back to project")
    if thinking.passes and thinking.ends != "fixed":
        raise CoconutError(
            "thinking.passes needs thinking.ends 'fixed': passes find a fixed number of thoughts"
        )
    if min(chosen.stages, chosen.thoughts_per_step, chosen.lookup, chosen.first, chosen.tokens_per_stage) < 0:
        raise CoconutError("the recipe's [curriculum] must not hold negative numbers")
    if chosen.unit == "epochs" and (not recipe.data.train or chosen.lookup):
        raise CoconutError("curriculum.unit 'epochs' needs data.train, a problem file, and no warm-up")
    if recipe.label_thoughts == "frontier" and (recipe.data.train or recipe.step_style == "sentence"):
        raise CoconutError(
            "label_thoughts 'frontier' needs generated graphs (no data.train) and step_style 'chain' or 'nodes'"
        )
    expand(recipe.method, chosen)
    return recipe


_TABLES: dict[str, type] = {
    "model": ModelShape,
    "data": DataChoice,
    "curriculum": Curriculum,
    "thinking": Thinking,
    "optimizer": OptimizerChoice,
}


def _build(kind: type, table: Any, path: str) -> Any:
    if not isinstance(table, dict):
        raise CoconutError(f"recipe entry '{path.rstrip('.')}' must be a table")
    known = {item.name: item for item in fields(kind)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise CoconutError(f"unknown recipe entry '{path}{name}': known are {', '.join(known)}")
        if not path and name in _TABLES:
            values[name] = _build(_TABLES[name], value, f"{name}.")
        else:
            values[name] = value if is_dataclass(value) else _typed(value, str(known[name].type), path + name)
    return kind(**values)


def _typed(value: Any, wanted: str, path: str) -> Any:
    if "tuple" in wanted:
        kind = float if "float" in wanted else int
        if isinstance(value, list | tuple) and len(value) == 2 and all(_is(item, kind) for item in value):
            return tuple(kind(item) for item in value)
        raise CoconutError(f"recipe entry '{path}' must be a list of two numbers")
    name = wanted.removeprefix("<class '").removesuffix("'>")
    if name == "float" and _is(value, float):
        return float(value)
    if type(value).__name__ != name:
        raise CoconutError(f"recipe entry '{path}' must be {name}, not {type(value).__name__}")
    return value


def _is(value: Any, kind: type) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float if kind is float else int)


def _toml_line(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{name} = {str(value).lower()}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name} = "{escaped}"'
    return f"{name} = {list(value) if isinstance(value, tuple) else value}"


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
