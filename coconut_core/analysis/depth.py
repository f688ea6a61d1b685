"""Layer by layer: how far each layer's reading is from the last, and where on the graph it lies."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from coconut_core.analysis.graphs import Map
from coconut_core.analysis.lens import Lens, divergence
from coconut_core.analysis.study import Section, Study, Table
from coconut_core.analysis.tuned_lens import find_tuned_lens
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Figure, draw_grid, side_by_side

ABOUT = (
    "The residual stream after each layer, read through the final norm and the LM head as if that layer were "
    "the last. Distance: KL(what the last layer says || what this layer says) in nats, 0 in the last. For "
    "graph problems also the probability on the frontier, beside its control: the same with the graph's names "
    "dealt out anew among its nodes. An early layer need not speak the last one's language: a low share there "
    "does not show that the frontier is not known yet. Where a tuned lens was trained for these weights it "
    "stands beside the plain one, with its calibration: the distance on held-out problems."
)


DISTANCE = "distance from the last layer, nats"


def lens_distances(study: Study, lens: Lens) -> Tensor:
    """Mean distance of each layer's reading from the last one's, (places, layers), nats."""
    total = torch.zeros(study.runs.layers.shape[1:3], dtype=torch.float64)
    with torch.inference_mode():
        for layers in study.runs.layers:
            layer_logits = lens.logits(layers).cpu()
            total += divergence(layer_logits, layer_logits[:, -1:])
    return total / len(study.runs.layers)


def lens_frontier(study: Study, lens: Lens, maps: Sequence[Map]) -> Tensor:
    """Mean probability on the frontier by each layer's reading, (places, layers); NaN without a frontier."""
    total = torch.zeros(study.runs.layers.shape[1:3], dtype=torch.float64)
    count = torch.zeros(total.shape[0], 1)
    for layers, known in zip(study.runs.layers, maps, strict=True):
        tokens = study.tokens(known.graph)
        with torch.inference_mode():
            shares = torch.softmax(lens.logits(layers).cpu(), dim=-1)
        for place in range(total.shape[0]):
            if frontier := list(known.frontier(study.hops(place))):
                total[place] += shares[place][:, tokens[frontier]].sum(dim=-1)
                count[place] += 1
    return torch.where(count > 0, total / count, torch.nan)


def read_depth(study: Study) -> Section:
    """See ABOUT."""
    tuned = find_tuned_lens(study.model)
    lenses = {"depth": Lens(study.model)}
    if tuned is not None:
        lenses["depth-tuned"] = Lens(study.model, tuned.translators)
    record: dict[str, Any] = {}
    tables: list[Table] = []
    figures: dict[str, Figure] = {}
    names = [f"layer {number + 1}" for number in range(study.runs.layers.shape[2])]
    for name, lens in lenses.items():
        readings = _readings(study, lens)
        record[name] = {what: _without_nan(values) for what, values in readings.items()}
        label = "tuned lens" if name == "depth-tuned" else "plain lens"
        tables += [depth_table(f"{label}: {what}", study, names, values) for what, values in readings.items()]
        figures[name] = side_by_side(
            draw_grid(
                values.tolist(),
                study.thought_names,
                names,
                f"{what} ({label})",
                "layer",
                "thought",
                None if what is DISTANCE else 1.0,
            )
            for what, values in readings.items()
        )
    if tuned is not None:
        tables.append(tuned.calibration.table())
        record["calibration"] = tuned.calibration.to_json()
    return Section("Depth: every layer through the lens", ABOUT, record, tables, figures)


def _readings(study: Study, lens: Lens) -> dict[str, Tensor]:
    """What is read through a lens, (places, layers) each."""
    readings = {DISTANCE: lens_distances(study, lens)}
    try:
        maps, control = study.maps, study.control_maps
    except CoconutError:  # problems without graphs have distances and nothing more
        return readings
    readings["share on the frontier"] = lens_frontier(study, lens, maps)
    return readings | {"share on the frontier, control": lens_frontier(study, lens, control)}


def depth_table(caption: str, study: Study, names: Sequence[str], values: Tensor) -> Table:
    """Thoughts by layers, or where there are more layers than thoughts, the other way round."""
    cells = [
        ["–" if value is None else f"{value:.2f}" for value in row]
        for row in _without_nan(values if len(names) <= len(study.thought_names) else values.T)
    ]
    if len(names) <= len(study.thought_names):
        rows = [[thought, *row] for thought, row in zip(study.thought_names, cells, strict=True)]
        return Table(caption, ["thought", *names], rows)
    rows = [[layer, *row] for layer, row in zip(names, cells, strict=True)]
    columns = [f"thought {name}" if name.isdigit() else name for name in study.thought_names]
    return Table(caption, ["layer", *columns], rows)


def _without_nan(values: Tensor) -> list[list[float | None]]:
    return [[value if isfinite(value) else None for value in row] for row in values.tolist()]
