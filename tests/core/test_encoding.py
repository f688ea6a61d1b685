"""Training sequences in the official layout, and their labels."""

from dataclasses import replace

import pytest
import torch

from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.losses import IGNORE
from coconut_core.problems import Graph, Problem, generate_problems, recognise
from coconut_core.problems.wording import build_tokenizer
from coconut_core.training.curriculum import ALL, Stage
from coconut_core.training.encoding import Batch, Encoder, Example, Label, Part, collate

BOT, EOT, LATENT, PAD, EOS = 3, 4, 5, 0, 2
TOKENIZER = build_tokenizer()
CONFIG = CoconutConfig(bot_id=BOT, eot_id=EOT, latent_id=LATENT)
PROBLEM = Problem(
    "Every lempus is a rompus. Alex is a lempus. Every rompus is a impus. Is Alex a impus or yumpus?",
    ("Alex is a lempus.", "Every lempus is a rompus.", "Every rompus is a impus."),
    "Alex is a impus.",
)


def encode(encoder: Encoder, problem: Problem, thoughts: int) -> Example:
    """One thought in place of each of the first steps."""
    return encoder.encode(encoder.tokenize(problem), Stage(1, removed=thoughts, thoughts=thoughts))


@pytest.mark.parametrize("thoughts", [0, 1, 2, 3, 5])
def test_the_official_layout(thoughts: int) -> None:
    example = encode(Encoder(TOKENIZER, CONFIG), PROBLEM, thoughts)
    said = "".join(step + "\n" for step in PROBLEM.steps[thoughts:]) + f"### {PROBLEM.answer}"
    expected = (
        [*TOKENIZER.encode(PROBLEM.question + "\n"), BOT, *[LATENT] * thoughts, EOT]
        + [number for step in PROBLEM.steps[thoughts:] for number in TOKENIZER.encode(step + "\n")]
        + [*TOKENIZER.encode(f"### {PROBLEM.answer}"), EOS]
    )
    assert example.ids == expected
    start = example.ids.index(EOT) + 1
    assert TOKENIZER.decode(example.ids[start:-1]) == said
    assert example.ids[example.prompt_length - 1] == BOT
    assert example.ids[example.prompt_length] == (LATENT if thoughts else EOT)


@pytest.mark.parametrize("thoughts", [0, 1, 3])
@pytest.mark.parametrize("style", ["sentence", "chain", "nodes"])
def test_labels_stand_only_behind_eot(thoughts: int, style: str) -> None:
    example = encode(Encoder(TOKENIZER, CONFIG, style), PROBLEM, thoughts)
    start = example.ids.index(EOT) + 1
    assert example.labels[:start] == [IGNORE] * start
    assert example.labels[start:] == example.ids[start:]
    assert len(example.ids) == len(example.labels) == len(example.parts)
    assert all(
        (part == Part.NONE) == (label == IGNORE)
        for part, label in zip(example.parts, example.labels, strict=True)
    )


def test_parts_name_what_a_label_belongs_to() -> None:
    encoder = Encoder(TOKENIZER, CONFIG)
    example = encode(encoder, PROBLEM, 1)
    by_part = {
        part: [number for number, its in zip(example.ids, example.parts, strict=True) if its == part]
        for part in Part
    }
    assert TOKENIZER.decode(by_part[Part.FIRST_STEP]) == "Every lempus is a rompus.\n"
    assert TOKENIZER.decode(by_part[Part.LATER_STEPS]) == "Every rompus is a impus.\n"
    assert TOKENIZER.decode(by_part[Part.ANSWER]) == "### Alex is a impus.<|endoftext|>"


def test_a_chain_is_one_token_a_node_from_the_root_on() -> None:
    encoder = Encoder(TOKENIZER, CONFIG, "chain")
    example = encode(encoder, PROBLEM, 0)
    said = example.ids[example.ids.index(EOT) + 1 :]
    assert TOKENIZER.decode(said) == "Alex lempus rompus impus\n### Alex is a impus.<|endoftext|>"
    assert [len(step) for step in encoder.steps(PROBLEM)] == [1, 1, 1, 2]  # the last with its line break


def test_a_chain_through_prontoqa_ends_with_the_polarity() -> None:
    """One token a step, plurals or not; the last step's first token is what the question leaves open."""
    told = "Grimpuses are not cold. Each impus is a grimpus. Wumpuses are impuses. Every lempus is cold."
    problem = recognise(f"{told} Rex is a wumpus. True or false: Rex is cold.")
    assert problem is not None
    tokenizer = build_tokenizer("prontoqa")
    config = replace(CONFIG, family="prontoqa")
    encoder = Encoder(tokenizer, config, "chain", label_thoughts="last")
    pieces = [tokenizer.convert_ids_to_tokens(step) for step in encoder.steps(problem)]
    assert pieces == [[" Rex"], [" wumpus"], [" impus"], [" grimpus"], [" is not", " cold", "\n"]]
    example = encode(encoder, problem, 4)
    assert tokenizer.convert_ids_to_tokens(example.labels[example.ids.index(EOT)]) == " is not"
    asked = Encoder(tokenizer, config, "nodes", label_thoughts="frontier").tokenize(problem).frontiers
    assert [tokenizer.convert_ids_to_tokens(list(step)) for step in asked] == [
        [" wumpus"], [" impus"], [" grimpus"], [" is not"],
    ]  # fmt: skip


def test_nodes_are_a_chain_without_its_root() -> None:
    encoder = Encoder(TOKENIZER, CONFIG, "nodes")
    assert encoder.steps(PROBLEM) == Encoder(TOKENIZER, CONFIG, "chain").steps(PROBLEM)[1:]


def test_a_chain_of_sums_is_their_numbers() -> None:
    tokenizer = build_tokenizer("sums")
    encoder = Encoder(tokenizer, CONFIG, "nodes", label_thoughts="last")
    for steps in (("<<8+5=13>>", "<<13*2=26>>"), ("8+5=13", "13*2 = 26")):
        problem = Problem("Ann has 8 pens.", steps, "26")
        assert Encoder(tokenizer, CONFIG, "chain").step_texts(problem) == [" 8", " 13", " 26\n"]
        assert encoder.step_texts(problem) == [" 13", " 26\n"]
        thirteen, twenty_six = tokenizer.encode("13 26")
        for thoughts, asked in ((0, thirteen), (1, twenty_six)):
            example = encode(encoder, problem, thoughts)
            assert example.labels[example.ids.index(EOT)] == asked
    with pytest.raises(CoconutError, match="is no sum with its result, like <<48/2=24>>"):
        encoder.step_texts(Problem("q", ("<<8+5=>>",), "13"))


def test_thoughts_may_be_asked_for_the_steps_they_replace() -> None:
    def asked(thoughts: int) -> list[Label]:
        example = encode(Encoder(TOKENIZER, CONFIG, "chain", label_thoughts="path"), PROBLEM, thoughts)
        place = example.ids.index(EOT)
        assert example.ids[place - thoughts : place] == [LATENT] * thoughts
        assert example.labels[: place - thoughts] == [IGNORE] * (place - thoughts)
        return example.labels[place - thoughts : place + 1]

    alex, lempus, rompus, impus = (
        TOKENIZER.encode(f" {name}")[0] for name in ("Alex", "lempus", "rompus", "impus")
    )
    assert asked(0) == [alex]
    assert asked(2) == [alex, lempus, rompus]  # the label of <eot> is asked of the last thought
    assert asked(6) == [alex, lempus, rompus, impus, impus, impus, impus]  # past its end: the last node


def test_only_what_stands_before_eot_may_be_asked_for_the_step_that_comes_next() -> None:
    """No fed thought is asked for anything; at stage 0 it is <bot> that is asked."""
    encoder = Encoder(TOKENIZER, CONFIG, "nodes", label_thoughts="last")
    nodes = [step[0] for step in encoder.steps(PROBLEM)]
    for thoughts in range(len(nodes)):
        example = encode(encoder, PROBLEM, thoughts)
        place = example.ids.index(EOT)
        assert example.labels[:place] == [IGNORE] * place
        assert example.labels[place] == nodes[thoughts] == example.ids[place + 1]
        assert example.parts[place] == Part.THOUGHTS
        assert example.parts[:place] == [Part.NONE] * place
    assert encode(encoder, PROBLEM, len(nodes)).labels.count(IGNORE) == place + 2, "no step is left to ask for"


@pytest.mark.parametrize(("style", "hops"), [("chain", 0), ("nodes", 1)])
def test_a_thought_may_be_asked_for_its_whole_frontier(style: str, hops: int) -> None:
    graph = Graph(
        ("Alex", "lempus", "rompus", "impus", "gorpus"), ((0, 1), (0, 2), (1, 3), (2, 3), (1, 4)), 0, 3, 4
    )
    problem = Problem(PROBLEM.question, PROBLEM.steps, PROBLEM.answer, graph)
    encoder = Encoder(TOKENIZER, CONFIG, style, label_thoughts="frontier")
    ids = {name: TOKENIZER.encode(f" {name}")[0] for name in graph.names}
    frontiers = [{ids["Alex"]}, {ids["lempus"], ids["rompus"]}, {ids["impus"], ids["gorpus"]}][hops:]
    for thoughts in (0, 1, 2, 5):
        example = encode(encoder, problem, thoughts)
        place = example.ids.index(EOT)
        asked = example.labels[place - thoughts : place + 1]
        assert [set(label) for label in asked if isinstance(label, tuple)] == frontiers[: thoughts + 1]
        assert all(label == IGNORE for label in asked[3 - hops :])
    batch = collate([encode(encoder, problem, 2), encode(encoder, PROBLEM, 2)], PAD)
    assert batch.labels.shape[2] == 2
    assert batch.labels[1, :, 1].eq(IGNORE).all()
    assert batch.label_parts.tolist().count(Part.THOUGHTS) == 3 - hops


def said(example: Example) -> str:
    """What stands behind <eot>."""
    return str(TOKENIZER.decode(example.ids[example.ids.index(EOT) + 1 :]))


def thoughts_of(example: Example) -> int:
    return example.ids.count(LATENT)


def test_all_steps_gone_leaves_the_answer() -> None:
    encoder = Encoder(TOKENIZER, CONFIG)
    example = encoder.encode(encoder.tokenize(PROBLEM), Stage(1, removed=ALL, thoughts=6))
    assert said(example) == "### Alex is a impus.<|endoftext|>"
    assert thoughts_of(example) == 6


@pytest.mark.parametrize(("pad", "expected"), [(True, [0, 2, 4, 6, 8]), (False, [0, 2, 4, 6, 6])])
def test_c_thoughts_a_step_and_padding_to_the_longest(pad: bool, expected: list[int]) -> None:
    encoder = Encoder(TOKENIZER, CONFIG, thoughts_per_step=2, pad_to_longest=pad)
    tokenized = encoder.tokenize(PROBLEM)
    stages = [Stage(1, removed=step, thoughts=2 * step) for step in range(4)]
    stages.append(Stage(1, removed=ALL, thoughts=8))  # the official code caps here only
    assert [thoughts_of(encoder.encode(tokenized, stage)) for stage in stages] == expected


def test_tokens_of_the_steps_go_one_by_one() -> None:
    encoder = Encoder(TOKENIZER, CONFIG)
    tokenized = encoder.tokenize(PROBLEM)
    tokens = [token for step in tokenized.steps for token in step]
    for count in range(len(tokens) + 2):
        example = encoder.encode(tokenized, Stage(1, removed_tokens=count))
        start = example.ids.index(EOT) + 1
        assert example.ids[start:] == tokens[count:] + tokenized.answer
        assert thoughts_of(example) == 0


def a_batch() -> tuple[list[int], Batch]:
    encoder = Encoder(TOKENIZER, CONFIG)
    thoughts = [3, 0, 1, 2, 6]
    examples = [
        encode(encoder, problem, count)
        for problem, count in zip(generate_problems("prosqa", len(thoughts), seed=1), thoughts, strict=True)
    ]
    assert len({example.prompt_length for example in examples}) > 2
    return thoughts, collate(examples, PAD)


def test_first_latents_stand_in_one_column() -> None:
    thoughts, batch = a_batch()
    columns = (batch.input_ids == BOT).int().argmax(dim=1)
    assert columns.unique().numel() == 1
    column = int(columns[0]) + 1
    for row, count in zip(batch.input_ids.tolist(), thoughts, strict=True):
        assert row[column : column + count + 1] == [LATENT] * count + [EOT]


def test_padding_is_masked_and_unlabelled() -> None:
    encoder = Encoder(TOKENIZER, CONFIG)
    problems = generate_problems("prosqa", 4, seed=1)
    examples = [encode(encoder, problem, count) for count, problem in enumerate(problems)]
    batch = collate(examples, PAD)
    for number, example in enumerate(examples):
        counted = batch.attention_mask[number].bool()
        assert batch.input_ids[number][counted].tolist() == example.ids
        assert batch.labels[number][counted].tolist() == example.labels
        assert batch.parts[number][counted].tolist() == example.parts
        assert set(batch.input_ids[number][~counted].tolist()) <= {PAD}
        assert set(batch.labels[number][~counted].tolist()) <= {IGNORE}
        inside = counted.nonzero().flatten()
        assert int(inside[-1] - inside[0]) + 1 == len(example.ids)  # no hole
    assert batch.label_parts.shape[0] == sum(
        label != IGNORE for example in examples for label in example.labels
    )
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.labels, batch.labels)
