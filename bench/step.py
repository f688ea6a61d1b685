"""What a thought and a word cost, beside a token's step of the bare base model; and whether that grows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from bench.ask import make_talkative
from bench.measure import Comparison, Way, take_turns
from bench.shapes import Shape, random_question
from coconut_core.coconut import CoconutModel
from coconut_core.latent.cache.contexts import Context, new_cache
from coconut_core.records.trace import StepRecord
from coconut_core.runs.halting import Ending
from coconut_core.runs.recording import record_step
from coconut_core.runs.rows import new_row, read_prompts, step_rows
from coconut_core.runs.session import Session

STEPS = 32  # timed together
LONG = 256  # thoughts behind which one ought to cost what the first cost
TARGETS = {  # how many times a token's step they may take on GPT-2-small shapes
    "thought, shown": 1.10,
    "word, shown": 1.10,
    "thought, generate": 1.05,
    "word, generate": 1.05,
    f"last of {LONG}": 1.10,
}
OURS, LIBRARY = f"{LONG} thoughts", "library's cache"
SHOWN_TOKENS = 10  # of each readout, as a trace keeps them


@dataclass
class Bare:
    """The base model with the library's cache, behind a prompt."""

    model: CoconutModel
    cache: DynamicCache
    embedding: Tensor  # (1, 1, hidden), of what comes next

    def step(self, head: bool) -> Tensor:
        """One position: the logits (vocabulary,), or without the head the hidden state (hidden,)."""
        model = self.model.base_lm if head else self.model.text_model
        output = model(inputs_embeds=self.embedding, past_key_values=self.cache, use_cache=True)
        values: Tensor = output.logits if head else output.last_hidden_state
        return values[0, -1]


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure one shape. Raises AssertionError where two ways give different numbers."""
    model, question = shape.build(), random_question(shape)
    make_talkative(model)
    comparisons = []
    for build in (shown_thoughts, shown_words, generated_thoughts, generated_words):
        ways: tuple[Way[Any], Way[Any]] = build(model, question)
        seconds, same = take_turns(ways, repetitions, check_same)
        ours, bare = (way.name for way in ways)
        comparisons.append(_cost(shape, ours, same[bare], seconds[ours], seconds[bare]))
    return [*comparisons, *growth(shape, model, question, repetitions)]


def _cost(shape: Shape, against: str, same: str, ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    target = TARGETS[against] if shape.name == "gpt2-small" else None
    return Comparison("step", shape.name, against, same, ours, theirs, target, cost=True)


def shown_thoughts(model: CoconutModel, question: str) -> tuple[Way[Tensor], Way[Tensor]]:
    """Thoughts of a Session with all that the explorer shows of each; a token's step with its head.

    Both give the probabilities of the likeliest tokens in front of all thoughts but the first.
    """

    def ours(session: Session) -> Tensor:
        records = []
        for number in range(STEPS):
            session.think()
            records.append(look_at(session, number))
        return torch.tensor([record.top[0].probability for record in records[1:]])

    return (
        Way("thought, shown", ours, partial(Session, model, question, STEPS)),
        Way("token step", partial(bare_thoughts, vectors=_vectors(model, question)), _bare(model, question)),
    )


def look_at(session: Session, number: int) -> StepRecord:
    """What a record of a step holds: the likeliest tokens, entropy, norm, and the cosine to the one before."""
    step = session.steps[number]
    return record_step(step, session.steps[number - 1] if number else None, {}, SHOWN_TOKENS)


@torch.inference_mode()
def bare_thoughts(bare: Bare, vectors: Tensor) -> Tensor:
    """The probabilities of the likeliest tokens after each of these (count, hidden) but the last."""
    likeliest = []
    for vector in vectors:
        bare.embedding = vector[None, None]
        likeliest.append(bare.step(head=True).softmax(dim=-1).amax())
    return torch.stack(likeliest[:-1])


def shown_words(model: CoconutModel, question: str) -> tuple[Way[list[int]], Way[list[int]]]:
    """Words of a Session with all that is shown of them; the same greedy words of the bare model."""

    def prepare() -> Session:
        session = Session(model, question, 0, max_new_tokens=STEPS)
        session.end_thinking()
        return session

    def ours(session: Session) -> list[int]:
        for number in range(1, STEPS + 1):
            session.speak()
            look_at(session, number)
        return [step.token_id for step in session.steps[1:] if step.token_id is not None]

    return Way("word, shown", ours, prepare), Way("token step", bare_words, _bare(model, question))


@torch.inference_mode()
def bare_words(bare: Bare) -> list[int]:
    """Greedy words; the first is read from the state that <eot> leads to."""
    model, words = bare.model, []
    bare.embedding = model.embed(torch.tensor([[model.config.eot_id]]))
    for _ in range(STEPS):
        logits = bare.step(head=True)
        logits[model.config.latent_id] = -torch.inf
        words.append(int(logits.argmax()))
        bare.embedding = model.embed(torch.tensor([words[-1:]]))
    return words


def generated_thoughts(model: CoconutModel, question: str) -> tuple[Way[Tensor], Way[Tensor]]:
    """A row of generate thinks; the bare model without its head, which nobody asks for there."""

    def bare(at: Bare) -> Tensor:
        with torch.inference_mode():
            for _ in range(STEPS):
                at.embedding = at.step(head=False)[None, None]
        return at.embedding[0, 0]

    return (
        Way("thought, generate", _run_row, partial(_row, model, question, STEPS)),
        Way("token step, no head", bare, _bare(model, question)),
    )


def generated_words(model: CoconutModel, question: str) -> tuple[Way[list[int]], Way[list[int]]]:
    """A row of generate speaks; the bare model with its head."""

    def ours(prepared: tuple[CoconutModel, Context, list[Any]]) -> list[int]:
        _run_row(prepared)
        words: list[int] = prepared[2][0].token_ids
        return words

    def prepare() -> tuple[CoconutModel, Context, list[Any]]:
        prepared = _row(model, question, 0)
        step_rows(*prepared)  # <eot>
        return prepared

    return Way("word, generate", ours, prepare), Way("token step", bare_words, _bare(model, question))


def growth(shape: Shape, model: CoconutModel, question: str, repetitions: int) -> list[Comparison]:
    """The last of many thoughts beside the first of them; and all of them with the library's cache."""
    spent: dict[str, list[list[float]]] = {OURS: [], LIBRARY: []}

    def think(name: str, context: Context) -> Tensor:
        times = []
        with torch.inference_mode():
            for _ in range(LONG):
                began = time.process_time()
                model.latent_step(context)
                times.append(time.process_time() - began)
        spent[name].append(times)
        return context.hidden[0]

    def with_the_librarys_cache() -> Context:
        context = model.empty_context(1)
        context.cache = new_cache(model.base_lm.config)
        with torch.inference_mode():
            model.feed(context, model.embed(torch.tensor([prompt])))
        return context

    prompt = model.encode_prompt(question)
    ways = [
        Way(OURS, partial(think, OURS), lambda: read_prompts(model, [prompt])),
        Way(LIBRARY, partial(think, LIBRARY), with_the_librarys_cache),
    ]
    seconds, same = take_turns(ways, repetitions, check_same)
    first = [sum(times[:STEPS]) for times in spent[OURS]]
    last = [sum(times[-STEPS:]) for times in spent[OURS]]
    between = f"thoughts 1 to {STEPS} and {LONG - STEPS + 1} to {LONG}"
    return [
        _cost(shape, f"last of {LONG}", between, last, first),
        Comparison("step", shape.name, LIBRARY, same[LIBRARY], seconds[OURS], seconds[LIBRARY]),
    ]


def check_same(ours: Any, theirs: Any) -> str:
    """What both gave, as text. Raises AssertionError where it differs."""
    if isinstance(ours, Tensor):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))
        return f"{len(ours)} numbers of norm {float(ours.norm()):.6f} and {float(theirs.norm()):.6f}"
    if ours != theirs:
        raise AssertionError(f"not the same tokens: {ours} and {theirs}")
    return f"{len(ours)} likeliest tokens, {len(set(ours))} of them different"


def _vectors(model: CoconutModel, question: str) -> Tensor:
    """The thoughts of a run (count, hidden)."""
    session = Session(model, question, STEPS)
    return torch.stack([session.think().hidden for _ in range(STEPS)])


def _bare(model: CoconutModel, question: str) -> Callable[[], Bare]:
    @torch.inference_mode()
    def read() -> Bare:
        cache = DynamicCache(config=model.base_lm.config)
        ids = torch.tensor([model.encode_prompt(question)])
        output = model.text_model(input_ids=ids, past_key_values=cache, use_cache=True)
        return Bare(model, cache, output.last_hidden_state[:, -1:])

    return read


def _row(model: CoconutModel, question: str, thoughts: int) -> tuple[CoconutModel, Context, list[Any]]:
    prompt = model.encode_prompt(question)
    row = new_row(model, len(prompt), Ending(thoughts), max_new_tokens=STEPS)
    return model, read_prompts(model, [prompt]), [row]


def _run_row(prepared: tuple[CoconutModel, Context, list[Any]]) -> Tensor:
    for _ in range(STEPS):
        step_rows(*prepared)
    return prepared[1].hidden[0]
