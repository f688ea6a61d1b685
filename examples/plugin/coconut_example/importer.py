"""An importer: a made-up format, one file whose tensors are named lm.*, of a model thinking with `rounded`."""

from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.checkpoints.importers import Importer, ImportOptions, Report

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel

PREFIX = "lm."
MARKERS = ("<|start-latent|>", "<|end-latent|>", "<|latent|>")  # in the order in which training added them
THOUGHTS = 4

# The function is named in text, so that torch is imported only for a conversion.
BUNDLE = Importer("bundle", "one file with lm.*", PREFIX, "coconut_example.importer:read_bundle")


def read_bundle(path: Path, options: ImportOptions, report: Report) -> "CoconutModel":
    """The model of a bundle. Raises CoconutError in one line where it does not fit the base."""
    from coconut_core.checkpoints.base import add_markers, open_base
    from coconut_core.checkpoints.keys import check_keys, fill_tied, names_of_one_tensor
    from coconut_core.checkpoints.weights import read_weights
    from coconut_core.coconut import CoconutModel
    from coconut_core.latent.config import CoconutConfig

    base = open_base(options.base)
    report(f"reading {path}")
    weights = read_weights(path, options.max_gigabytes)
    bot, eot, latent = add_markers(base.tokenizer, MARKERS)
    skeleton = base.skeleton(len(base.tokenizer))
    full = fill_tied(
        {name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}, names_of_one_tensor(skeleton)
    )
    check_keys(full, skeleton.state_dict(), str(path), f"Was it trained from another --base than {base.name}?")
    config = CoconutConfig(
        bot_id=bot,
        eot_id=eot,
        latent_id=latent,
        thoughts=THOUGHTS if options.thoughts is None else options.thoughts,
        answer_prefix="###" if options.answer_prefix is None else options.answer_prefix,
        family=options.family,
        feedback="rounded",
    )
    return CoconutModel(base.with_weights(skeleton, full), base.tokenizer, config).eval()
