"""ProntoQA: does what is said of one's kind hold? Fictional ontologies in the manner of arXiv 2210.01240.

"Every lempus is a rompus. Rompuses are not cold. … Fae is a lempus. True or false: Fae is cold." The layout
is that of the official Coconut data. Every sentence is an edge: from a person to its kinds, from a kind to
the kinds above it, and to what is said of it, "cold" or "not cold". The asked property is said of the last
kind of two chains, once with and once without "not"; the person belongs to one of the chains. Both are drawn
alike, branch alike and are as long, so that the answer is to be had by following the chain alone: not from
order, wording, number of mentions or polarity. A third, short chain, to which the person belongs as well,
says nothing of the property. In the original the contradicting kind is a lone one, by which it can be told.
"""

import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.experiments import START, official_record, read_entries
from coconut_core.problems.files import JsonReader
from coconut_core.problems.graphs import problem_as_told, random_shortest_path, random_walk, shuffled
from coconut_core.problems.prosqa import CONCEPTS, LOOKUPS, PERSONS
from coconut_core.problems.size import Range, Size, check_range, draw_until_found

PROPERTIES = [
    "aggressive", "amenable", "angry", "bitter", "blue", "bright", "brown", "cold", "discordant", "dull",
    "earthy", "fast", "feisty", "floral", "fruity", "happy", "hot", "kind", "large", "liquid", "loud",
    "luminous", "mean", "melodic", "metallic", "moderate", "muffled", "nervous", "opaque", "orange", "overcast",
    "rainy", "red", "shy", "slow", "small", "snowy", "sour", "spicy", "sunny", "sweet", "temperate",
    "transparent", "windy", "wooden",
]  # fmt: skip

# Longest first, as in prosqa. A plural is the name and the ending "es".
PHRASES = (
    ". True or false:", ". Every", ". Each", " are not", " is not", " is an", " Every", " is a", " Each",
    " False", " True", " are", " is", "###", "es", ".", "\n",
)  # fmt: skip
WORDS = (*PERSONS, *CONCEPTS, *(name.capitalize() for name in CONCEPTS), *PROPERTIES)
WORD = r" ?\w+?(?=es(?!\w))| ?\w+"  # a plural's ending is left for the phrase "es"

SIDE_CHAIN = 2  # kinds of the chain that says nothing of the asked property
SAID = 0.75  # chance that something is said of a kind on the way


@dataclass(frozen=True)
class ProntoqaSize(Size):
    """The knobs of the generator; the defaults are the official five hops."""

    nodes: Range = (14, 18)  # kinds in all: both chains, the side chain, and branches of all three
    hops: Range = (5, 5)  # rules to apply, which is also the number of kinds of a chain

    def __post_init__(self) -> None:
        check_range("nodes", self.nodes, 2 + SIDE_CHAIN, len(CONCEPTS))
        check_range("hops", self.hops, 1, (len(CONCEPTS) - SIDE_CHAIN) // 2)


def generate(rng: random.Random, size: ProntoqaSize | None = None) -> Problem:
    """Draw one problem. Raises CoconutError where the sizes do not go together."""
    size = size or ProntoqaSize()
    graph = draw_until_found(lambda: _draw_graph(rng, size), size)
    return retell(graph, rng)


def retell(graph: Graph, rng: random.Random) -> Problem:
    """Tell the same ontology with fresh names, properties and polarities, shuffled sentences in random
    wording, and another query."""
    graph = shuffled(graph, _fresh_names(graph, rng), rng)
    sentences = {edge: _tell_edge(graph, edge, rng) for edge in graph.edges}
    of_kinds = [sentences[edge] for edge in graph.edges if edge[0] != graph.root]
    of_person = [sentences[edge] for edge in graph.edges if edge[0] == graph.root]
    person, query = graph.names[graph.root], rng.choice((graph.target, graph.wrong))
    path = random_shortest_path(graph, graph.root, graph.target, rng)
    return Problem(
        question=" ".join([*of_kinds, *of_person, f"True or false: {person} is {graph.names[query]}."]),
        steps=tuple(_tell_steps(graph, path, sentences)),
        answer=str(query == graph.target),
        graph=graph,
    )


def _draw_graph(rng: random.Random, size: ProntoqaSize) -> Graph | None:
    """Node 0 is the person, then come the kinds, then what is said of them; None where the chains do not fit.

    Of two chains drawn alike, the person belongs to the first.
    """
    lengths = [rng.randint(*size.hops), rng.randint(*size.hops), SIDE_CHAIN]
    kinds = rng.randint(*size.nodes)
    if sum(lengths) > kinds:
        return None
    starts = list(itertools.accumulate(lengths, initial=1))[:3]
    ends = [start + length - 1 for start, length in zip(starts, lengths, strict=True)]
    edges = [(0, starts[0]), (0, starts[2])]
    for start, end in zip(starts, ends, strict=True):
        edges += itertools.pairwise(range(start, end + 1))
    for branch in range(sum(lengths) + 1, kinds + 1):
        edges.append((rng.randrange(1, branch), branch))
    target, wrong = kinds + 1, kinds + 2
    edges += [(ends[0], target), (ends[1], wrong)]
    names = [PERSONS[0], *CONCEPTS[:kinds], PROPERTIES[0], _opposite(PROPERTIES[0])]
    for kind in range(1, kinds + 1):
        if kind not in ends[:2] and rng.random() < SAID:
            edges.append((kind, len(names)))
            names.append(PROPERTIES[kind])
    return Graph(tuple(names), tuple(edges), 0, target, wrong)


def _fresh_names(graph: Graph, rng: random.Random) -> list[str]:
    """Another person, other concepts for kinds, and other properties, each at even odds with "not"."""
    concepts = iter(rng.sample(CONCEPTS, len(CONCEPTS)))
    properties = (rng.choice(("", "not ")) + name for name in rng.sample(PROPERTIES, len(PROPERTIES)))
    names = [next(concepts) if name in CONCEPTS else next(properties) for name in graph.names]
    names[graph.root] = rng.choice(PERSONS)
    names[graph.wrong] = _opposite(names[graph.target])
    return names


def _opposite(name: str) -> str:
    return name.removeprefix("not ") if name.startswith("not ") else f"not {name}"


def with_article(kind: str) -> str:
    """The name of a kind behind "a" or "an"."""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _tell_edge(graph: Graph, edge: tuple[int, int], rng: random.Random) -> str:
    source, target = (graph.names[node] for node in edge)
    is_kind = target in CONCEPTS
    if source in PERSONS:
        return f"{source} is {with_article(target)}."
    start = rng.choice(("Every", "Each", ""))
    if not start:
        return f"{source.capitalize()}es are {target}{'es' if is_kind else ''}."
    return f"{start} {source} is {with_article(target) if is_kind else target}."


def _tell_steps(graph: Graph, path: list[int], sentences: Mapping[tuple[int, int], str]) -> list[str]:
    """The official steps: what the person is known to be and the rule that goes on from there; the last one
    says the conclusion."""
    person, *reached = (graph.names[node] for node in path)
    rules = [sentences[edge] for edge in itertools.pairwise(path[1:])]
    steps = [
        f"{person} is {with_article(kind)}. {rule}" for kind, rule in zip(reached[:-1], rules, strict=True)
    ]
    return [*steps, f"{person} is {reached[-1]}."]


def chain(steps: Sequence[str]) -> list[str]:
    """The person, then what each step knows of it: kinds by bare name, at the end "is cold" or "is not cold".

    So the first word of what stands for the conclusion says its polarity, which is all of it that the question
    leaves open.
    """
    known = [step.split(".", 1)[0] for step in steps]
    return [person.split(" ", 1)[0] for person in known[:1]] + [_KNOWN_OF.sub("", fact) for fact in known]


_KNOWN_OF = re.compile(r"\A\w+ (is an? (?=\w+\Z))?")


def in_chain(name: str) -> str:
    """How a chain says a node: a kind or a person by name, what is said of a kind with its "is"."""
    bare = name.removeprefix("not ")
    return f"is {name}" if bare in PROPERTIES else name


def graph_of_kinds(graph: Graph) -> Graph | None:
    """The person and the kinds alone; target and wrong candidate are those of which the asked property is said,
    with and without "not". None where either is missing."""
    nodes = [node for node, name in enumerate(graph.names) if name in CONCEPTS or node == graph.root]
    place = {node: number for number, node in enumerate(nodes)}
    ends = [
        next((source for source, end in graph.edges if end == candidate and source in place), None)
        for candidate in (graph.target, graph.wrong)
    ]
    if None in ends:
        return None
    target, wrong = (place[end] for end in ends if end is not None)
    edges = [(place[source], place[end]) for source, end in graph.edges if end in place]
    return Graph(tuple(graph.names[node] for node in nodes), tuple(edges), place[graph.root], target, wrong)


def lookup_problems(rng: random.Random) -> list[Problem]:
    """Some questions about one tiny ontology, which the first one tells, each answered by a random walk from a
    person to something said of a kind.

    A few properties are said of several kinds, with and without "not", so that the question does not tell which
    kind the walk comes to.
    """
    names, edges = _tiny_ontology(rng)
    graph = Graph(tuple(names), tuple(edges), root=0, target=0, wrong=0)
    sentences = {edge: _tell_edge(graph, edge, rng) for edge in rng.sample(edges, len(edges))}
    order = sorted(sentences, key=lambda edge: names[edge[0]] in PERSONS)
    before = " ".join(sentences[edge] for edge in order)
    problems = []
    for _ in range(LOOKUPS):
        start = rng.choice([source for source, _ in edges if names[source] in PERSONS])
        walk = random_walk(edges, start, rng, longest=len(edges))
        end = names[walk[-1]]
        query = rng.choice((end, _opposite(end)))
        question = f"{before} True or false: {names[start]} is {query}."
        problems.append(Problem(question, tuple(_tell_steps(graph, walk, sentences)), str(query == end)))
        before = rng.choice(list(sentences.values()))
    return problems


def _tiny_ontology(rng: random.Random) -> tuple[list[str], list[tuple[int, int]]]:
    """Names and edges of persons, of kinds, and of what is said of them, perhaps the same of several kinds."""
    persons, kinds = rng.randint(2, 3), rng.randint(5, 7)
    names = [*rng.sample(PERSONS, persons), *rng.sample(CONCEPTS, kinds)]
    first, behind = persons, persons + kinds  # numbers of the kinds
    edges = [
        (person, kind)
        for person in range(persons)
        for kind in rng.sample(range(first, first + 3), rng.randint(1, 2))
    ]
    edges += [(rng.randrange(max(first, kind - 3), kind), kind) for kind in range(first + 1, behind)]
    inner, pool = {source for source, _ in edges}, rng.sample(PROPERTIES, 3)
    for kind in range(first, behind):
        if kind not in inner or rng.random() < SAID / 2:
            edges.append((kind, len(names)))
            names.append(rng.choice(("", "not ")) + rng.choice(pool))
    return names, edges


_RULE = re.compile(r"(?:Every|Each) (\w+) is (?:an? (\w+)|((?:not )?\w+))\Z")
_PLURAL_RULE = re.compile(r"(\w+)es are (?:(\w+pus)es|((?:not )?\w+))\Z")
_MEMBERSHIP = re.compile(r"(\w+) is an? (\w+)\Z")
_QUERY = re.compile(r"True or false: (\w+) is ((?:not )?\w+)\.\Z")


def parse_question(question: str) -> Problem | None:
    """Read the ontology back from a question in the official wording; None where it is worded otherwise."""
    *statements, last = question.strip().split(". ")
    query = _QUERY.match(last)
    pairs = [_parse_sentence(sentence) for sentence in statements]
    if query is None or not statements or None in pairs:
        return None
    person, property_name = query.groups()
    known = [pair for pair in pairs if pair is not None]
    sentences = {pair: f"{sentence}." for pair, sentence in zip(known, statements, strict=True)}

    def tell_steps(graph: Graph, path: list[int]) -> list[str]:
        names = graph.names
        by_edge = {edge: sentences[names[edge[0]], names[edge[1]]] for edge in graph.edges}
        return _tell_steps(graph, path, by_edge)

    return problem_as_told(
        question,
        known,
        (person, property_name, _opposite(property_name)),
        tell_steps,
        lambda graph: str(graph.names[graph.target] == property_name),
    )


def _parse_sentence(sentence: str) -> tuple[str, str] | None:
    """Both ends of the edge that a sentence tells of."""
    if match := _RULE.match(sentence) or _PLURAL_RULE.match(sentence):
        return match[1].lower(), match[2] or match[3]
    if match := _MEMBERSHIP.match(sentence):
        return match[1], match[2]
    return None


def convert_file(path: str | Path, conversion: Conversion) -> Iterator[Problem]:
    """The problems of a file of ProntoQA's own generator, one at a time, each with the graph that it tells of;
    of another wording without one. What happens is counted in `conversion`.

    Raises CoconutError where the file cannot be read, or is none of that generator.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            reader = JsonReader(file)
            if not reader.starts_with(START):
                raise CoconutError(f'{path} is none of ProntoQA\'s own generator: they begin {{"example1": …')
            for number, (_, entry) in enumerate(read_entries(path, reader), start=1):
                problem = conversion.take(number, partial(_of_entry, entry))
                if problem is None:
                    continue
                read = parse_question(problem.question)
                known = read is not None and read.answer == problem.answer
                yield replace(problem, graph=read.graph) if read is not None and known else problem
    except (OSError, UnicodeDecodeError) as error:
        raise CoconutError(f"cannot read {path}: {error}") from error


def _of_entry(entry: Any) -> Problem:
    return Problem.from_json(official_record(entry))
