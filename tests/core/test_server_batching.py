"""Many asks at once in one batch, on tiny random models."""

import json
from dataclasses import replace

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.problems import recognise
from coconut_core.records.trace import StepRecord, Trace
from coconut_core.runs.generate import generate
from coconut_core.runs.recording import trace_session
from coconut_core.runs.rows import read_prompts
from coconut_core.server.asks import Ask
from coconut_core.server.batching import Batcher, ClosedError, FullError
from coconut_core.server.joining import join, joinable
from tests.core.serving import VERDICT, Held, batching
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model
from tests.core.tokenizers_of_kinds import KINDS


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "gemma2", "mamba"])
def test_asks_that_join_a_running_batch_get_the_answers_that_generate_gives(architecture: str) -> None:
    model = tiny_model(architecture)
    questions = [QUESTIONS[number % len(QUESTIONS)] for number in range(12)]
    wanted = generate(model, questions, max_new_tokens=20, batch_size=1)
    with batching(model, rows=5) as batcher:
        held = Held()
        jobs = [batcher.submit(Ask(questions[0], max_new_tokens=20), held)]
        assert held.reached.wait(60)
        jobs += [batcher.submit(Ask(question, max_new_tokens=20)) for question in questions[1:]]
        held.go.set()
        answers = [job.answer.result(60) for job in jobs]
    assert [answer["text"] for answer in answers] == [answer.text for answer in wanted]
    assert [answer["tokens"]["answer"] for answer in answers] == [len(each.token_ids) for each in wanted]


def test_rows_of_contexts_join_without_padding_that_nobody_needs(llama: CoconutModel) -> None:
    prompts = [llama.encode_prompt(question) for question in QUESTIONS]
    alone = [read_prompts(llama, [prompt]) for prompt in prompts]
    together = read_prompts(llama, prompts[:3])
    assert joinable(together)
    joined = join([(together, [1, 0]), (read_prompts(llama, prompts[3:]), [0])])
    assert joined.mask.sum(dim=1).tolist() == [len(prompts[number]) for number in (1, 0, 3)]
    assert joined.length == max(len(prompts[number]) for number in (1, 0, 3))
    for row, number in enumerate((1, 0, 3)):
        assert joined.hidden[row].sub(alone[number].hidden[0]).abs().max() < 1e-5
        keys, expected = joined.cache.layers[0].keys[row], alone[number].cache.layers[0].keys[0]
        assert keys[:, -expected.shape[1] :].sub(expected).abs().max() < 1e-5


@pytest.mark.parametrize(
    "do", ["zero@2", "replace twin@all", "drop@1", "knockout prompt@3; scale 2@1", "extend 5"]
)
def test_an_intervention_does_what_it_does_to_a_session(llama: CoconutModel, do: str) -> None:
    question = QUESTIONS[2]
    plain, changed = llama.start(question), llama.start(question)
    changed.apply(parse_plan(do, Sources(llama, question, recognise(question), None, changed.thoughts, 0)))
    for run in (plain, changed):
        run.finish()
    with batching(llama) as batcher:
        others = [batcher.submit(Ask(each)) for each in QUESTIONS]
        answer = batcher.submit(Ask(question, do=do)).answer.result(60)
        assert [job.answer.result(60)["text"] for job in others] == [
            each.text for each in generate(llama, QUESTIONS)
        ]
    assert answer["text"] == changed.text
    assert (answer["done"], answer["answer_without"]) == (do, plain.trace().answer)
    assert [thought.get("edit") for thought in answer["thoughts"]] == [
        None if step.edit is None else str(step.edit) for step in changed.thought_steps()
    ]


def test_a_trace_is_that_of_a_session(llama: CoconutModel) -> None:
    question = QUESTIONS[0]
    run = llama.start(question, 4, temperature=0.8, seed=5, max_new_tokens=9)
    run.finish()
    with batching(llama) as batcher:
        seen: list[StepRecord] = []
        ask = Ask(question, 4, temperature=0.8, seed=5, max_new_tokens=9, top=3, trace=True, stream=True)
        answer = batcher.submit(ask, lambda step, added: seen.append(step)).answer.result(60)
    expected = trace_session(run, 3, recognise(question))
    expected.settings["verdict"] = VERDICT
    trace = Trace.from_json(json.loads(json.dumps(answer["trace"])), "the answer")
    assert trace.steps == tuple(seen)
    assert replace(trace, steps=()) == replace(expected, steps=())
    for mine, its in zip(trace.steps, expected.steps, strict=True):
        assert mine.entropy == pytest.approx(its.entropy, abs=1e-4)
        assert mine.watched == pytest.approx(its.watched, abs=1e-4)
        assert (mine.kind, mine.index, mine.token, mine.ended) == (its.kind, its.index, its.token, its.ended)


def test_thoughts_found_in_parallel_are_those_of_a_session(llama: CoconutModel) -> None:
    model = CoconutModel(llama.base_lm, llama.tokenizer, llama.config.with_passes(2)).eval()
    runs = [model.start(question) for question in QUESTIONS]
    with batching(model) as batcher:
        jobs = [batcher.submit(Ask(question)) for question in QUESTIONS]
        answers = [job.answer.result(60) for job in jobs]
    assert [answer["text"] for answer in answers] == [run.finish() for run in runs]
    assert answers[0]["thinking"].endswith("found in 2 parallel passes")
    assert answers[0]["thoughts"][2]["norm"] == pytest.approx(runs[0].thought_steps()[2].readout.norm, abs=1e-4)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Ask("Is Alex a blorb or lempus?"), "'blorb'"),
        (Ask(""), "empty"),
        (Ask(QUESTIONS[0], do="explode@1"), "no intervention"),
        (Ask(QUESTIONS[0], do="zero@9"), "no thought 9"),
        (Ask(QUESTIONS[0], do="knockout 999@1"), "no position 999"),
        (Ask(QUESTIONS[0], do="replace file:/etc/passwd@1"), "opens no files"),
        (Ask(QUESTIONS[0], do="add file:/etc/passwd 1@1"), "opens no files"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_the_others_are_answered(
    llama: CoconutModel, ask: Ask, said: str
) -> None:
    with batching(llama) as batcher:
        good = batcher.submit(Ask(QUESTIONS[1]))
        with pytest.raises(CoconutError, match=said) as caught:
            batcher.submit(ask).answer.result(60)
        assert "\n" not in str(caught.value)
        assert good.answer.result(60)["text"] == generate(llama, [QUESTIONS[1]])[0].text


def test_a_paused_model_refuses_edits(llama: CoconutModel) -> None:
    model = tiny_model("llama", feedback="pause")
    with (
        batching(model) as batcher,
        pytest.raises(CoconutError, match=r"fed the same at each thought \(feedback 'pause'\)"),
    ):
        batcher.submit(Ask(QUESTIONS[0], do="zero@1")).answer.result(60)


def test_an_ask_that_nobody_waits_for_leaves_the_batch(llama: CoconutModel) -> None:
    with batching(llama) as batcher:
        held = Held()
        steps: list[StepRecord] = []

        def count(step: StepRecord, added: str) -> None:
            steps.append(step)
            held(step, added)

        gone = batcher.submit(Ask(QUESTIONS[0], thoughts=90), count)
        assert held.reached.wait(60)
        waiting = batcher.submit(Ask(QUESTIONS[1]))
        never = batcher.submit(Ask(QUESTIONS[2]))
        assert gone.answer.cancel()
        assert never.answer.cancel()
        held.go.set()
        assert waiting.answer.result(60)["text"] == generate(llama, [QUESTIONS[1]])[0].text
        assert len(steps) == 1, "it takes no step after it was given up"
        assert not never.runs, "its question is never read"
    assert batcher.under_way == batcher.waiting == 0


def test_a_full_queue_turns_away_and_an_ended_batcher_too(llama: CoconutModel) -> None:
    with batching(llama, queue=2, rows=2) as batcher:
        held = Held()
        jobs = [batcher.submit(Ask(QUESTIONS[0], do="zero@1"), held)]
        assert held.reached.wait(60)
        jobs += [batcher.submit(Ask(QUESTIONS[1])), batcher.submit(Ask(QUESTIONS[2]))]
        with pytest.raises(FullError):
            batcher.submit(Ask(QUESTIONS[3]))
        jobs[1].answer.cancel()
        batcher.submit(Ask(QUESTIONS[3]))  # the place of one who has left
        batcher.close()
        with pytest.raises(ClosedError):
            batcher.submit(Ask(QUESTIONS[3]))
        held.go.set()
        assert jobs[2].answer.result(60)["answer"], "what waited when it was closed is answered"


def test_a_failing_model_fails_those_under_way_and_serves_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_model("llama")
    weight = model.base_lm.get_input_embeddings().weight
    with batching(model) as batcher:
        held = Held()
        job = batcher.submit(Ask(QUESTIONS[0]), held)
        assert held.reached.wait(60)
        whole, weight.data = weight.data, weight.data[:, :5]
        held.go.set()
        with pytest.raises(RuntimeError):
            job.answer.result(60)
        weight.data = whole
        assert batcher.submit(Ask(QUESTIONS[0])).answer.result(60)["answer"]
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("kind", ["SentencePiece", "byte level", "word level"])
def test_what_steps_add_put_together_is_the_text(kind: str) -> None:
    tokenizer = KINDS[kind]()
    model = tiny_model("llama")
    model.base_lm.resize_token_embeddings(len(tokenizer))
    config = replace(model.config, bot_id=5, eot_id=6, latent_id=7, family=None)
    model = CoconutModel(model.base_lm, tokenizer, config).eval()
    with batching(model) as batcher:
        for seed in range(6):
            text, added = _streamed(batcher, Ask("Is Alex a lempus?", temperature=3.0, seed=seed))
            assert "".join(added) == text
            assert text


def _streamed(batcher: Batcher, ask: Ask) -> tuple[str, list[str]]:
    """The text of an answer, and what its steps added to it."""
    added: list[str] = []
    answer = batcher.submit(ask, lambda step, text: added.append(text)).answer.result(60)
    return answer["text"], added
