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
    asked: range  # from the asked node on to <bot>


def plan_text(prompt: Sequence[int], names: Sequence[Sequence[int]], known: Map) -> TextPlan | None:
    """Find the edges in a prompt by the tokens of the names, given for each node.

    None where the prompt does not tell edge after edge and then name the asked node and two candidates.
    """
    mentions = _mentions(prompt, names)
    if len(mentions) < 5 or not len(mentions) % 2:
        return None
    *told, (asked, root), _, _ = mentions
    edges = [(source, target) for (_, source), (_, target) in zip(told[::2], told[1::2], strict=True)]
    if root != known.graph.root or sorted(edges) != sorted(known.graph.edges):
        return None
    starts = [position for position, _ in told[1::2]]
    places = itertools.starmap(range, itertools.pairwise([*starts, asked]))
    return TextPlan(tuple(zip(edges, places, strict=True)), range(asked, len(prompt)))


def _mentions(prompt: Sequence[int], names: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Where nodes are named: the position of a name's last token and the node, in order."""
    found = []
    for position in range(len(prompt)):
        fits = [
            node
            for node, ids in enumerate(names)
            if tuple(prompt[position : position + len(ids)]) == tuple(ids)
        ]
        if fits:  # of names that begin alike, the longest
            node = max(fits, key=lambda each: len(names[each]))
            found.append((position + len(names[node]) - 1, node))
    return found


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
    parts[..., 3] = attention[..., plan.asked.start : plan.asked.stop].sum(dim=-1)
    parts[..., 4] = attention[..., plan.asked.stop :].sum(dim=-1)
    return parts


@dataclass(frozen=True)
class Looks:
    """Mean attention to PARTS at each place that reads a thought: (thoughts, layers, heads, parts)."""

    means: Tensor
    problems: list[int]  # how many have a frontier there


def read_looks(study: Study, maps: Sequence[Map]) -> Looks:
    """Run the model and look where each thought looks; place k reads thought k, so <bot> is none of them."""
    prompts = [study.model.encode_prompt(question) for question in study.questions]
    names = [[study.name_ids(name) for name in each.graph.names] for each in study.maps]
    plans = [plan_text(*each) for each in zip(prompts, names, study.maps, strict=True)]
    if not any(plans):
        raise CoconutError("no question tells its graph edge by edge, so attention cannot be sorted")
    total: Tensor | None = None
    counts = [0] * study.thoughts
    for chosen in in_batches(prompts, study.batch_size):
        passes = think(study.model, [prompts[index] for index in chosen], study.thoughts, attention=True)
        for row, index in enumerate(chosen):
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
                    total = torch.zeros(study.thoughts, *parts.shape) if total is None else total
                    total[thought - 1] += parts
                    counts[thought - 1] += 1
    if total is None:
        raise CoconutError("no thought of these runs stands for a frontier, so attention cannot be sorted")
    return Looks(total / torch.tensor(counts).clamp(min=1)[:, None, None, None], counts)


def read_attention(study: Study) -> Section:
    """See ABOUT."""
    if study.thoughts < 1:
        raise CoconutError("attention of thoughts needs at least one thought")
    real, control = (read_looks(study, maps) for maps in (study.maps, study.control_maps))
    shown = [number for number in range(study.thoughts) if real.problems[number]]
    rows = []
    for number in shown:
        means = real.means[number].mean(dim=(0, 1)).tolist()
        others = control.means[number].mean(dim=(0, 1)).tolist()
        told = [
            f"{mean:.2f} ({other:.2f})" if place < 3 else f"{mean:.2f}"
            for place, (mean, other) in enumerate(zip(means, others, strict=True))
        ]
        rows.append([str(number + 1), str(study.hops(number)), str(real.problems[number]), *told])
    figure = _grid("Attention to edges out of the frontier", real, shown)
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
                for number in shown
            ],
        },
        [
            Table(
                "In sum: mean over heads and problems; control in brackets",
                ["thought", "hops", "problems", *PARTS],
                rows,
            )
        ],
        {"attention": figure.beside(_grid("Control: names dealt anew", control, shown))},
    )


def _grid(title: str, looks: Looks, shown: Sequence[int]) -> Figure:
    """Thoughts by heads, the share of a head's attention on edges out of the thought's frontier."""
    _, layers, heads, _ = looks.means.shape
    columns = [f"{layer + 1}.{head + 1}" for layer in range(layers) for head in range(heads)]
    values = [looks.means[number, ..., 0].flatten().tolist() for number in shown]
    rows = [str(number + 1) for number in shown]
    return draw_grid(values, rows, columns, title, "layer.head", "thought that is read", top=1.0)
