"""Where a thought looks: attention to the parts of the question, head by head and in sum."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from coconut_core.analysis.graphs import Map
from coconut_core.analysis.runs import think
from coconut_core.analysis.study import Section, Study, Table
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Figure, draw_grid
from coconut_core.runs.rows import in_batches
from coconut_core.runs.shared import shared

ABOUT = (
    "Attention at the position that reads a thought, by what it falls on. The question tells the graph edge by "
    "edge, and a model that reads from left to right knows an edge only once its target is told: so every "
    "position is counted to the last edge that was told in full there. Edges are sorted by the thought that is "
    "read: out of its frontier (their targets are what the next thought should hold), into it, and all others. "
    "Then the words of what is asked, and the thoughts before with this one. In sum is the mean over all "
    "heads. Control: the same with the graph's names dealt out anew among its nodes. Attention says where a "
    "head takes from, not what it takes, nor whether that matters: for that, hide the positions "
    "(docs/CONTROLS.md)."
)
PARTS = ("edges out of the frontier", "edges into it", "other edges", "what is asked", "thoughts")


@dataclass(frozen=True)
class TextPlan:
    """Where a prompt tells its graph: where each edge is the last told in full, and what is asked."""

    edges: tuple[tuple[tuple[int, int], range], ...]  # (source, target) and the positions
    query: range  # from the asked node on to <bot>


def plan_text(prompt: Sequence[int], names: Sequence[Sequence[int]], known: Map) -> TextPlan | None:
    """Find the edges in a prompt by the tokens of the names, given for each node.

    None where the prompt does not tell edge after edge and then name the asked node and two candidates.
    """
    mentions = _mentions(prompt, names)
    if len(mentions) < 5 or not len(mentions) % 2:
        return None
    *ends, (query_start, root), _, _ = mentions
    edges = [(source, target) for (_, source), (_, target) in zip(ends[::2], ends[1::2], strict=True)]
    if root != known.graph.root or sorted(edges) != sorted(known.graph.edges):
        return None
    starts = [position for position, _ in ends[1::2]]
    places = itertools.starmap(range, itertools.pairwise([*starts, query_start]))
    return TextPlan(tuple(zip(edges, places, strict=True)), range(query_start, len(prompt)))


def _mentions(prompt: Sequence[int], names: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Where nodes are named: the position of a name's last token and the node, in order."""
    mentions = []
    for position in range(len(prompt)):
        fits = [
            node
            for node, ids in enumerate(names)
            if tuple(prompt[position : position + len(ids)]) == tuple(ids)
        ]
        if fits:  # of names that begin alike, the longest
            node = max(fits, key=lambda fit: len(names[fit]))
            mentions.append((position + len(names[node]) - 1, node))
    return mentions


def attention_to_parts(
    attention: Tensor, plan: TextPlan, known: Map, names: Sequence[str], hops: int
) -> Tensor | None:
    """Attention (layers, heads, positions) summed over PARTS, (layers, heads, parts).

    names are those by node of the graph as it is told; known may be a relabelled one, whose frontier is then
    that of the names. None where there is no frontier at so many hops.
    """
    frontier = {known.graph.names[node] for node in known.frontier(hops)}
    if not frontier:
        return None
    parts = torch.zeros(*attention.shape[:2], len(PARTS))
    for (source, target), places in plan.edges:
        part = 0 if names[source] in frontier else 1 if names[target] in frontier else 2
        parts[..., part] += attention[..., places.start : places.stop].sum(dim=-1)
    parts[..., 2] += attention[..., : plan.edges[0][1].start].sum(dim=-1)  # in front of the first edge's target
    parts[..., 3] = attention[..., plan.query.start : plan.query.stop].sum(dim=-1)
    parts[..., 4] = attention[..., plan.query.stop :].sum(dim=-1)
    return parts


@dataclass(frozen=True)
class MeanAttention:
    """Mean attention to PARTS at each place that reads a thought: (thoughts, layers, heads, parts)."""

    means: Tensor
    problems: list[int]  # how many have a frontier there


def mean_attention(study: Study, maps: Sequence[Map]) -> MeanAttention:
    """Run the model and look where each thought looks; place k reads thought k, so <bot> is none of them."""
    prompts = [study.model.encode_prompt(question) for question in study.questions]
    names = [[study.name_ids(name) for name in known.graph.names] for known in study.maps]
    plans = list(map(plan_text, prompts, names, study.maps))
    if not any(plans):
        raise CoconutError("no question tells its graph edge by edge, so attention cannot be sorted")

    def look(batch: list[int]) -> list[tuple[int, Tensor]]:
        looks: list[tuple[int, Tensor]] = []
        passes = think(study.model, [prompts[index] for index in batch], study.thoughts, attention=True)
        for row, index in enumerate(batch):
            plan = plans[index]
            if plan is None:
                continue
            for thought in range(1, study.thoughts + 1):
                weights = passes.attention[thought][row].float().cpu()
                padding = weights.shape[-1] - thought - len(prompts[index])
                parts = attention_to_parts(
                    weights[..., padding:],
                    plan,
                    maps[index],
                    study.maps[index].graph.names,
                    study.hops(thought - 1),
                )
                if parts is not None:
                    looks.append((thought - 1, parts))
        return looks

    total: Tensor | None = None
    counts = [0] * study.thoughts
    for looks in shared(study.model, in_batches(prompts, study.batch_size), look):
        for number, parts in looks:
            total = torch.zeros(study.thoughts, *parts.shape) if total is None else total
            total[number] += parts
            counts[number] += 1
    if total is None:
        raise CoconutError("no thought of these runs stands for a frontier, so attention cannot be sorted")
    return MeanAttention(total / torch.tensor(counts).clamp(min=1)[:, None, None, None], counts)


def read_attention(study: Study) -> Section:
    """See ABOUT."""
    if study.thoughts < 1:
        raise CoconutError("attention of thoughts needs at least one thought")
    real, control = (mean_attention(study, maps) for maps in (study.maps, study.control_maps))
    numbers = [number for number in range(study.thoughts) if real.problems[number]]
    rows = []
    for number in numbers:
        means = real.means[number].mean(dim=(0, 1)).tolist()
        control_means = control.means[number].mean(dim=(0, 1)).tolist()
        cells = [
            f"{mean:.2f} ({control_mean:.2f})" if place < 3 else f"{mean:.2f}"
            for place, (mean, control_mean) in enumerate(zip(means, control_means, strict=True))
        ]
        rows.append([str(number + 1), str(study.hops(number)), str(real.problems[number]), *cells])
    figure = _grid("Attention to edges out of the frontier", real, numbers)
    return Section(
        "Attention: where a thought looks",
        ABOUT,
        {
            "parts": list(PARTS),
            "thoughts": [
                {
                    "thought": number + 1,
                    "hops": study.hops(number),
                    "problems": real.problems[number],
                    "by_layer_and_head": real.means[number].tolist(),
                    "control_by_layer_and_head": control.means[number].tolist(),
                }
                for number in numbers
            ],
        },
        [
            Table(
                "In sum: mean over heads and problems; control in brackets",
                ["thought", "hops", "problems", *PARTS],
                rows,
            )
        ],
        {"attention": figure.beside(_grid("Control: names dealt anew", control, numbers))},
    )


def _grid(title: str, attention: MeanAttention, numbers: Sequence[int]) -> Figure:
    """Thoughts by heads, the share of a head's attention on edges out of the thought's frontier."""
    _, layers, heads, _ = attention.means.shape
    columns = [f"{layer + 1}.{head + 1}" for layer in range(layers) for head in range(heads)]
    values = [attention.means[number, ..., 0].flatten().tolist() for number in numbers]
    rows = [str(number + 1) for number in numbers]
    return draw_grid(values, rows, columns, title, "layer.head", "thought that is read", top=1.0)
