"""A recipe: everything that decides a training run, as a small TOML file."""

import tomllib
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from typing import Annotated, Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.records import AtLeast0, AtLeast1, OneOf, Range, read_record
from coconut_core.common.seeds import LARGEST_SEED
from coconut_core.latent.config import ENDINGS, LAYOUTS
from coconut_core.latent.feedback import RULES, rule_named
from coconut_core.problems.columns import Columns
from coconut_core.problems.sources import absolute_name
from coconut_core.training.curriculum import ALL, Curriculum, Stage
from coconut_core.training.methods.table import expand, method_named, with_defaults
from coconut_core.training.trackers import AUTO, TRACKERS

# The rules that a recipe can name.
FED_STATES = tuple(name for name, rule in RULES.items() if rule.trainable and not rule.trained)
SEED = Range(-LARGEST_SEED, LARGEST_SEED)


@dataclass(frozen=True)
class ModelShape:
    """Where the model comes from: a base to go on from, or a fresh Llama of this shape."""

    base: str = ""  # folder or hub id: an ordinary model, or a checkpoint such as one trained on steps in words
    new_rows_from: str = ""  # the token whose embedding new marker rows start from; empty: the mean row
    # Bot: no <eot>; empty: as base has, or both.
    markers: Annotated[str, OneOf("", *LAYOUTS)] = ""
    # Questions as a user's turn in the chat template, all else as the assistant's; "auto": as base is asked.
    chat: Annotated[str, OneOf("auto", "yes", "no")] = "auto"
    system: str = ""  # the system prompt of that chat; empty: as base, or the template, has it
    # The words of data.family in place of those of a base of another; a word that both have keeps its row.
    family_words: bool = False
    bot_from_eot: bool = False  # <bot> begins as the <eot> of a base that was not trained to think
    hidden_size: Annotated[int, Range(2, 100_000)] = 256
    layers: Annotated[int, Range(1, 1000)] = 2
    heads: Annotated[int, Range(1, 1000)] = 4
    intermediate_size: Annotated[int, Range(1, 1_000_000)] = 512
    max_positions: Annotated[int, Range(1, 10_000_000)] = 512


@dataclass(frozen=True)
class DataChoice:
    """Which problems to train on: a file in the official layout, or a generated family."""

    family: str = "prosqa"  # names the examples of the model, and the generator where there is no file
    # A problem file, or another table or data set, see problems.sources; empty: generated problems.
    train: str = ""
    validation: str = ""  # the same, to select by; empty: generated ones, never those trained on
    columns: Columns = field(default_factory=Columns)  # of both, where they are not as in a problem file
    # Generated graphs; each use tells one anew: names, order, candidates, path.
    problems: Annotated[int, Range(1, 10_000_000)] = 40_000
    seed: Annotated[int, SEED] = 11
    bucket: bool = True  # problems of about the same length to a batch; false: a plain shuffle
    nodes: tuple[int, int] = (18, 28)
    hops: tuple[int, int] = (3, 6)
    # Generated sums, likewise.
    steps: Annotated[tuple[int, int], Range(1, ALL)] = (2, 5)
    largest: Annotated[int, Range(1, ALL)] = 20
    # "train": generated problems of that split only, and held-out ones of "valid".
    split: Annotated[str, OneOf("", "train")] = ""


@dataclass(frozen=True)
class OptimizerChoice:
    """AdamW with linear warm-up, then cosine down to a twentieth, or constant."""

    learning_rate: Annotated[float, Range(0, 1)] = 1e-3
    betas: Annotated[tuple[float, float], Range(0, 1, below=True)] = (0.9, 0.98)
    weight_decay: Annotated[float, Range(0, 1000)] = 0.05
    decays: Annotated[str, OneOf("matrices", "all")] = "matrices"  # all: biases and gains of norms too
    warmup_steps: AtLeast0 = 100
    schedule: Annotated[str, OneOf("cosine", "constant")] = "cosine"  # constant: as in the paper
    clip: Annotated[float, Range(0)] = 1.0  # longest gradient; 0: as long as it is


@dataclass(frozen=True)
class Thinking:
    """How the trained model thinks: how that ends, see runs.halting, and how thoughts come about."""

    ends: Annotated[str, OneOf(*ENDINGS)] = "fixed"  # halting: by a head that is trained along
    threshold: Annotated[float, Range(0)] = 0.5  # a probability, nats, or a difference of probabilities
    window: Annotated[int, Range(2, ALL)] = 2  # for "stable": how many readouts must agree
    # Of its method's states; empty: as model.base has it, or hidden.
    feedback: Annotated[str, OneOf("", *FED_STATES)] = ""
    # Width of a projection of what is fed back; 0: none, or as model.base has it.
    projection: Annotated[int, Range(0, 100_000)] = 0
    # Parallel passes that find the thoughts; 0: one by one, or as model.base has it.
    passes: Annotated[int, Range(0, ALL)] = 0


@dataclass(frozen=True)
class LoraChoice:
    """LoRA beside the weights of model.base, which then stay as they are (arXiv 2106.09685)."""

    rank: Annotated[int, Range(0, 100_000)] = 0  # 0: none, all weights are trained
    alpha: Annotated[float, Range(0)] = 16.0  # what is added is alpha / rank times the product
    dropout: Annotated[float, Range(0, 1, below=True)] = 0.0
    layers: tuple[str, ...] = ()  # ends of their names; none: all linear layers but the head
    # In how many bits the frozen linear layers are kept in training; empty: as they are.
    quantize: Annotated[str, OneOf("", "nf4", "int8")] = ""


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    name: str
    method: str = "coconut"  # see training.methods.table
    seed: Annotated[int, SEED] = 1
    batch_size: Annotated[int, Range(1, 100_000)] = 64  # examples of one optimizer step, all processes together
    # Examples that go through the model at once in a process; 0: all of its share.
    micro_batch: Annotated[int, Range(0, 100_000)] = 0
    gradient_checkpointing: bool = False  # compute activations again on the way back: less memory, more time
    precision: Annotated[str, OneOf("no", "bf16", "fp16")] = "no"  # as accelerate names them
    answer_prefix: str = "###"  # what stands between the reasoning and the answer
    step_style: Annotated[str, OneOf("sentence", "chain", "nodes")] = "sentence"
    # See training.encoding.
    label_thoughts: Annotated[str, OneOf("no", "path", "frontier", "last")] = "no"
    checkpoint_every: AtLeast1 = 250
    keep: AtLeast1 = 2  # newest checkpoints that are kept, besides the best
    # For study, see training.keeping: the weights alone, each so many steps (0: none) and where a stage ends.
    keep_every: AtLeast0 = 0
    keep_stages: bool = False
    keep_dtype: Annotated[str, OneOf("float32", "bfloat16", "float16")] = "float16"
    publish: Annotated[str, OneOf("last", "best")] = "last"  # which checkpoint becomes RUN/checkpoint
    evaluate_every: AtLeast1 = 500
    evaluate_unit: Annotated[str, OneOf("steps", "epochs")] = "steps"  # what evaluate_every counts
    evaluation_problems: Annotated[int, Range(1, 1_000_000)] = 300
    # Where the numbers of metrics.jsonl go, too, as accelerate names it; auto: TensorBoard where installed.
    report_to: tuple[Annotated[str, OneOf(*TRACKERS)], ...] = (AUTO,)
    model: ModelShape = field(default_factory=ModelShape)
    data: DataChoice = field(default_factory=DataChoice)
    curriculum: Curriculum = field(default_factory=Curriculum)
    thinking: Thinking = field(default_factory=Thinking)
    optimizer: OptimizerChoice = field(default_factory=OptimizerChoice)
    lora: LoraChoice = field(default_factory=LoraChoice)
    options: dict[str, Any] = field(default_factory=dict)  # of the method, see Method.options

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
                if name == "options" and not value:
                    continue
                tables.append(f"\n[{name}]\n" + "\n".join(_toml_line(*item) for item in value.items()))
            else:
                values.append(_toml_line(name, value))
        return "\n".join([*values, *tables]) + "\n"


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The same recipe for any working folder: its files and folders by absolute paths."""
    data, base = recipe.data, local_source(recipe.model.base)
    data = replace(data, train=absolute_name(data.train), validation=absolute_name(data.validation))
    return replace(recipe, data=data, model=replace(recipe.model, base=base))


def local_source(base: str) -> str:
    """A model that is a folder or a file here by its absolute path; a hub id, or nothing, as it is."""
    return str(user_path(base).absolute()) if base and user_path(base).exists() else base


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
            text = user_path(name_or_path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            names = ", ".join(available_recipes())
            raise CoconutError(f"no recipe '{name_or_path}': name a TOML file or one of {names}") from error
    try:
        table = tomllib.loads(text)
        for setting in settings or []:
            _lay_over(table, setting)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise CoconutError(f"recipe {name_or_path} is not valid TOML: {error}") from error
    return recipe_from_table(table)


def recipe_for_base(base: str, settings: list[str]) -> Recipe:
    """The recipe that goes on from a model as the defaults have it, with settings laid over it."""
    table: dict[str, Any] = {"model": {"base": base}}
    for setting in settings:
        _lay_over(table, setting)
    return recipe_from_table(table)


def recipe_from_table(table: dict[str, Any]) -> Recipe:
    """Build a recipe, naming any entry that is unknown, of the wrong type or out of range."""
    recipe = read_record(Recipe, {"name": "unnamed", **table}, "recipe", closed=True)
    recipe = replace(recipe, options=with_defaults(recipe.method, recipe.options))
    _check_together(recipe)
    _check_curriculum(recipe)
    expand(recipe.method, recipe.curriculum)
    return recipe


def _check_together(recipe: Recipe) -> None:
    """Raise CoconutError for entries that do not go together."""
    thinking, optimizer = recipe.thinking, recipe.optimizer
    if not rule_named(method_named(recipe.method).feedback).reads_state:
        for name, entry in (("projection", thinking.projection), ("feedback", thinking.feedback)):
            if entry:
                raise CoconutError(f"thinking.{name}: method '{recipe.method}' feeds no state back")
    if thinking.projection and thinking.feedback:
        raise CoconutError(
            f"thinking.projection is fed in place of thinking.feedback '{thinking.feedback}': leave out one"
        )
    if thinking.passes and thinking.ends != "fixed":
        raise CoconutError(
            "thinking.passes needs thinking.ends 'fixed': passes find a fixed number of thoughts"
        )
    if recipe.method == "pccot" and not thinking.passes:
        raise CoconutError("method 'pccot' needs thinking.passes, in how many its thoughts are found: 3 there")
    _check_base(recipe, recipe.model)
    if optimizer.learning_rate * optimizer.weight_decay >= 1:
        raise CoconutError(
            "recipe: the entry 'optimizer.weight_decay' times learning_rate must be below 1: each step takes "
            "that share of the weights away"
        )
    if recipe.evaluate_unit == "epochs" and not recipe.data.train:
        raise CoconutError("evaluate_unit 'epochs' needs data.train, a problem file")
    if recipe.publish == "best" and recipe.data.train and not recipe.data.validation:
        raise CoconutError(
            "publish 'best' needs data.validation, the problems that a checkpoint is the best on"
        )
    if recipe.label_thoughts in ("path", "last") and recipe.step_style == "sentence":
        raise CoconutError(
            f"label_thoughts '{recipe.label_thoughts}' needs step_style 'chain' or 'nodes': a step's first "
            "token is asked for, which says little of a sentence"
        )
    if recipe.label_thoughts == "frontier" and (recipe.data.train or recipe.step_style == "sentence"):
        raise CoconutError(
            "label_thoughts 'frontier' needs generated graphs (no data.train) and step_style 'chain' or 'nodes'"
        )


def _check_base(recipe: Recipe, shape: ModelShape) -> None:
    """Raise CoconutError for entries that need a base, or go without one and do not fit a fresh model."""
    if recipe.lora.rank and not shape.base:
        raise CoconutError("lora.rank needs model.base: LoRA goes beside weights that have learned something")
    if recipe.lora.quantize and not recipe.lora.rank:
        raise CoconutError("lora.quantize needs lora.rank: weights of few bits cannot learn themselves")
    if shape.bot_from_eot and not shape.base:
        raise CoconutError("model.bot_from_eot needs model.base: of a fresh model no marker knows anything")
    if shape.family_words and not shape.base:
        raise CoconutError("model.family_words needs model.base: a fresh model has the words of data.family")
    if not shape.base and (shape.chat == "yes" or shape.system):
        raise CoconutError("model.chat and model.system need model.base: a fresh model has no chat template")
    if not shape.base and shape.hidden_size % (2 * shape.heads):
        raise CoconutError(
            f"recipe: the entry 'model.hidden_size' must be model.heads, {shape.heads}, times an even number, "
            f"not {shape.hidden_size}"
        )


def _check_curriculum(recipe: Recipe) -> None:
    """The same of the curriculum and what its method makes of it."""
    curriculum, method = recipe.curriculum, method_named(recipe.method)
    if curriculum.lookup and (method.lay_out is not None or method.sample is not None):
        raise CoconutError(
            f"curriculum.lookup: method '{recipe.method}' lays out problems in its own way, and the warm-up "
            "has none: set it to 0"
        )
    if curriculum.order == "end" and not any(stage.from_end for stage in recipe.stages):
        raise CoconutError(
            f"curriculum.order 'end': method '{recipe.method}' has no stage at which only some steps are gone: "
            "leave it out"
        )
    if curriculum.unit == "epochs" and (not recipe.data.train or curriculum.lookup):
        raise CoconutError("curriculum.unit 'epochs' needs data.train, a problem file, and no warm-up")
    if curriculum.advance and recipe.data.train and not recipe.data.validation:
        raise CoconutError("curriculum.advance needs data.validation, the problems whose loss ends a stage")


def _toml_line(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{name} = {str(value).lower()}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name} = "{escaped}"'
    if isinstance(value, dict):
        return f"{name} = {{ {', '.join(_toml_line(*item) for item in value.items())} }}"
    return f"{name} = {list(value) if isinstance(value, tuple) else value}"


def _lay_over(table: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    if not equals:
        raise CoconutError(f"'{setting}' is not a setting: write name=value, like seed=3 or data.seed=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        value = text
    *tables, last = name.strip().split(".")
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise CoconutError(f"'{setting}': there is no table '{part}' in the recipe")
    table[last] = value
