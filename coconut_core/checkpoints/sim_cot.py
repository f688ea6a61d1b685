"""The format of SIM-CoT on Coconut (InternLM/SIM-CoT, arXiv 2509.20317): an official checkpoint with a decoder.

The decoder, `expainable_llm` (so spelled), is a second language model of the base's shape, without the markers'
embeddings. It was for training only and is kept as an explainer of thoughts,
see coconut_core.checkpoints.explainer.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from coconut_core.checkpoints.base import Base, open_base
from coconut_core.checkpoints.explainer import Explainer
from coconut_core.checkpoints.importers import ImportOptions, Report, other_formats
from coconut_core.checkpoints.keys import check_keys, fill_tied, names_of_one_tensor, without_old_buffers
from coconut_core.checkpoints.official import official_model
from coconut_core.checkpoints.weights import read_weights
from coconut_core.common.errors import CoconutError
from coconut_core.latent.model import LatentModel

DECODER = "expainable_llm."
THOUGHTS, THOUGHTS_PER_STEP = 10, 2  # of the published recipe: five stages of two thoughts


def read_sim_cot(path: Path, options: ImportOptions, report: Report) -> LatentModel:
    """The model of a SIM-CoT checkpoint, with its decoder as explainer. Raises CoconutError in one line for
    whatever is wrong with it."""
    base = open_base(options.base)
    report(f"reading {path}")
    weights = read_weights(path, options.max_gigabytes)
    decoder = {
        name.removeprefix(DECODER): tensor for name, tensor in weights.items() if name.startswith(DECODER)
    }
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith(DECODER)}
    if not decoder:
        raise CoconutError(
            f"{path} has no {DECODER}* tensors, SIM-CoT's decoder. {other_formats(rest, 'sim-cot')}"
        )
    fitted = fit_decoder(decoder, base, f"{path} ({DECODER}*)")
    thoughts = THOUGHTS if options.thoughts is None else options.thoughts
    model = official_model(rest, base, path, replace(options, thoughts=thoughts), report)
    report("keeping the decoder as explainer: coconut ask --explain")
    model.companion = Explainer(fitted, THOUGHTS_PER_STEP, first_position=1)
    return model


def fit_decoder(weights: Mapping[str, Tensor], base: Base, what: str) -> PreTrainedModel:
    """The decoder that these tensors are, in the base's shape. Raises CoconutError where they do not fit."""
    alone = replace(base, config=deepcopy(base.config))
    skeleton = alone.skeleton(base.config.vocab_size)
    expected = skeleton.state_dict()
    full = fill_tied(without_old_buffers(weights, expected), names_of_one_tensor(skeleton))
    check_keys(full, expected, what, f"Was it trained from another --base than {base.name}?")
    return alone.with_weights(skeleton, full)
