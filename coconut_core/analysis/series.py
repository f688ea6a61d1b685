"""What changes from thought to thought: entropy, norm, cosine to the thought before, the nearest embedding."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from coconut_core.analysis.estimates import Estimate, estimate, line_of
from coconut_core.analysis.study import Section, Study, Table
from coconut_core.common.plots import Line, draw_lines
from coconut_core.common.seeds import new_generator
from coconut_core.latent.model import LatentModel

ABOUT = (
    "Means over the problems, thought by thought. Entropy of the readout in nats (ln n is that of n equally "
    "likely words). Norm, beside the mean norm of the token embeddings, which is what the model was built to "
    "read. Cosine to the thought before; control: to the thought before of another problem, which shows how "
    "much of it is common to all thoughts. Cosine to the nearest token embedding; control: that of a random "
    "direction."
)
NAMES = {
    "entropy": "entropy",
    "norm": "norm",
    "to the one before": "to the thought before",
    "to another's before": "control: another problem's",
    "nearest": "to the nearest embedding",
    "nearest to random": "control: random direction",
}


def nearest_cosine(model: LatentModel, states: Tensor) -> Tensor:
    """The largest cosine of each state with a token embedding, (states, hidden) -> (states,)."""
    embeddings = normalize(model.embedding_table().float().cpu(), dim=-1)
    parts = [(normalize(part.float(), dim=-1) @ embeddings.T).amax(dim=-1) for part in states.split(256)]
    return torch.cat(parts)


def state_series(study: Study) -> list[dict[str, Estimate]]:
    """For each place the mean of each of NAMES over the problems; the place before the first is none."""
    states = study.runs.states
    generator = new_generator(study.seed)
    directions = torch.randn(states.shape[0], states.shape[2], generator=generator)
    random_nearest = nearest_cosine(study.model, directions).tolist()
    series = []
    for place in range(states.shape[1]):
        here = states[:, place]
        log_probabilities = torch.log_softmax(study.logits(here), dim=-1)
        values = {
            "entropy": -(log_probabilities.exp() * log_probabilities).sum(dim=-1),
            "norm": here.norm(dim=-1),
            "nearest": nearest_cosine(study.model, here),
        }
        if place:
            before = states[:, place - 1]
            values["to the one before"] = torch.cosine_similarity(here, before, dim=-1)
            if len(states) > 1:
                values["to another's before"] = torch.cosine_similarity(here, before.roll(1, 0), dim=-1)
        row = {name: estimate(values[name].tolist() if name in values else []) for name in NAMES}
        series.append(row | {"nearest to random": estimate(random_nearest)})
    return series


def read_series(study: Study) -> Section:
    """See ABOUT."""
    series = state_series(study)
    embedding_norm = float(study.model.embedding_table().float().norm(dim=-1).mean())
    marked = [(float(study.thoughts + 1), "the last state")]

    def line(name: str) -> Line:
        return line_of(NAMES[name], {place + 1: row[name] for place, row in enumerate(series)})

    x = list(range(1, len(series) + 1))
    norms = [line("norm"), Line("mean norm of the token embeddings", x, [embedding_norm for _ in x])]
    cosines = [line(name) for name in list(NAMES)[2:]]
    figure = (
        draw_lines([line("entropy")], "Entropy of the readout", "thought", "nats", marked)
        .beside(draw_lines(norms, "Norm", "thought", "Euclidean norm", marked))
        .beside(draw_lines(cosines, "Cosines", "thought", "cosine", marked))
    )
    rows = [
        [name, *(str(row[measure]) for measure in NAMES)]
        for name, row in zip(study.thought_names, series, strict=True)
    ]
    return Section(
        "Series: from thought to thought",
        ABOUT,
        {
            "thoughts": [
                {"thought": name, **{measure: row[measure].to_json() for measure in NAMES}}
                for name, row in zip(study.thought_names, series, strict=True)
            ],
            "mean_norm_of_embeddings": embedding_norm,
        },
        [
            Table(
                f"Mean over {len(study.problems)} problems, the last four columns cosines; "
                f"the token embeddings' mean norm is {embedding_norm:.2f}",
                ["thought", *NAMES.values()],
                rows,
            )
        ],
        {"series": figure},
    )
