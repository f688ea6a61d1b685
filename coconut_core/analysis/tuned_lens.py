"""The tuned lens (Belrose et al., arXiv 2303.08112): its training, its calibration, its file."""

import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from coconut_core.analysis.lens import Lens, Translators, divergence
from coconut_core.analysis.runs import gather
from coconut_core.analysis.study import Table
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.seeds import new_generator
from coconut_core.common.whole_files import file_written_aside, refusals_as_errors
from coconut_core.evaluation.verdict import hash_weights
from coconut_core.latent.model import LatentModel

# In a folder of its own: whatever *.safetensors lies beside the weights counts as weights.
FILE_NAME = "lens/tuned.safetensors"
FEWEST = 12  # problems
BATCH = 256  # states in a training step
WATCH_EVERY = 25  # steps


@dataclass(frozen=True)
class Calibration:
    """How far each layer's reading is from the last one's, on problems that the lens was not trained on.

    KL(last || layer) in nats, first layer to last but one: what to hold a tuned lens to before it is believed.
    """

    plain: tuple[float, ...]
    tuned: tuple[float, ...]
    trained_on: int  # problems
    held_out: int  # problems
    thoughts: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return asdict(self)

    def table(self) -> Table:
        """One row a layer."""
        rows = [
            [f"layer {number}", f"{plain:.3f}", f"{tuned:.3f}"]
            for number, (plain, tuned) in enumerate(zip(self.plain, self.tuned, strict=True), start=1)
        ]
        caption = (
            f"Calibration: KL to the last layer in nats, {self.held_out} held-out problems "
            f"({self.trained_on} to train on), {self.thoughts} thoughts"
        )
        return Table(caption, ["layer", "plain lens", "tuned lens"], rows)


@dataclass(frozen=True)
class TunedLens:
    """Trained translators, never without their calibration."""

    translators: Translators
    calibration: Calibration


def train_tuned_lens(
    model: LatentModel,
    questions: Sequence[str],
    thoughts: int,
    *,
    steps: int = 500,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> TunedLens:
    """Train translators on the states at <bot> and after each thought, to say what the last layer says.

    A third of the questions is held out for the calibration, and a part of the others says after how many steps
    the translators were best; those are kept. progress is called with the number of each step and its loss in
    nats. Raises CoconutError for too few questions or a model of a single layer.
    """
    if len(questions) < FEWEST:
        raise CoconutError(f"a tuned lens needs at least {FEWEST} problems, better thousands")
    order = random.Random(seed).sample(list(questions), len(questions))
    parts = [order[::3], order[1::6], [question for at, question in enumerate(order) if at % 6 in (2, 4, 5)]]
    held_out, validation, training = (gather(model, part, thoughts).layers.flatten(0, 1) for part in parts)
    if training.shape[1] < 2:
        raise CoconutError("a model of a single layer has nothing to tune a lens for")
    translators = Translators(*training.shape[1:]).to(model.device)
    lens = Lens(model, translators)
    optimizer = torch.optim.AdamW(translators.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = new_generator(seed)
    best, best_weights = sum(_mean_distances(lens, validation)), deepcopy(translators.state_dict())
    for step in range(1, steps + 1):
        rows = torch.randint(len(training), (min(BATCH, len(training)),), generator=generator)
        loss = _distances(lens, training[rows].to(model.device)).mean()
        optimizer.zero_grad()
        loss.backward(inputs=list(translators.parameters()))  # and not into the model's weights
        optimizer.step()
        schedule.step()
        due = step % WATCH_EVERY == 0 or step == steps
        if due and (now := sum(_mean_distances(lens, validation))) < best:
            best, best_weights = now, deepcopy(translators.state_dict())
        if progress is not None:
            progress(step, float(loss.detach()))
    translators.load_state_dict(best_weights)
    translators.requires_grad_(False)
    plain, tuned = (_mean_distances(reader, held_out) for reader in (Lens(model), lens))
    counts = [len(part) for part in parts]
    return TunedLens(translators, Calibration(plain, tuned, sum(counts[1:]), counts[0], thoughts))


def _distances(lens: Lens, layers: Tensor) -> Tensor:
    """KL of each layer but the last to the last, (…, layers, hidden) -> (…, layers - 1)."""
    logits = lens.logits(layers)
    return divergence(logits[..., :-1, :], logits[..., -1:, :].detach())


def _mean_distances(lens: Lens, layers: Tensor) -> tuple[float, ...]:
    with torch.inference_mode():
        distances = torch.cat([_distances(lens, part) for part in layers.split(BATCH)])
    return tuple(distances.double().mean(dim=0).tolist())


# -- the file ----------------------------------------------------------------------------------------------


def save_tuned_lens(lens: TunedLens, folder: str | Path) -> Path:
    """Write it into a checkpoint's folder, with its calibration and a hash of the weights that it belongs to.

    Raises CoconutError where that is refused.
    """
    path = Path(folder) / FILE_NAME
    weights = {name: weight.contiguous().cpu() for name, weight in lens.translators.state_dict().items()}
    about = {"calibration": json.dumps(lens.calibration.to_json()), "weights": hash_weights(folder)}
    with refusals_as_errors(f"write {path}"):
        path.parent.mkdir(exist_ok=True)
        with file_written_aside(path) as aside:
            save_file(weights, aside, metadata=about)
    return path


def load_tuned_lens(model: LatentModel, folder: str | Path) -> TunedLens:
    """Read it from a checkpoint's folder. Raises CoconutError where it is damaged or of other weights."""
    path = Path(folder) / FILE_NAME
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        record = json.loads(about["calibration"])
        plain, tuned = tuple(record.pop("plain")), tuple(record.pop("tuned"))
        calibration = Calibration(plain, tuned, **record)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CoconutError(
            f"{path} cannot be read ({' '.join(str(error).split())}): train it again with coconut lens train"
        ) from error
    if about.get("weights") != hash_weights(folder):
        raise CoconutError(f"{path} belongs to other weights: train it again with coconut lens train")
    layers, hidden, _ = weights["weight"].shape
    translators = Translators(layers + 1, hidden)
    translators.load_state_dict(weights)
    return TunedLens(translators.to(model.device).requires_grad_(False), calibration)


def find_tuned_lens(model: LatentModel) -> TunedLens | None:
    """The tuned lens beside the checkpoint that the model was opened from; None where that has no lens."""
    folder = user_path(model.name)
    return load_tuned_lens(model, folder) if (folder / FILE_NAME).is_file() else None
