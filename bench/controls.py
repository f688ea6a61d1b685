"""All controls of some problems: side by side on a shared prompt, against one evaluation for each control."""

from functools import partial

from bench.ask import OURS, make_talkative
from bench.measure import Comparison, Way, take_turns
from bench.shapes import Shape, random_question
from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.evaluation.controls import ControlStudy, answers_to, study_problems
from coconut_core.interventions import Plan
from coconut_core.problems import Problem
from coconut_core.runs.generate import generate

SEPARATELY = "one by one"
PROBLEMS = 12
Plans = list[dict[str, Plan | None]]
Answers = dict[tuple[str, str], str]  # by question and control


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure one shape. Raises AssertionError where the two ways give different answers."""
    model = shape.build()
    make_talkative(model)
    problems = [Problem(random_question(shape, seed), (), "") for seed in range(PROBLEMS)]
    words = min(8, shape.answer)  # what an answer to a ProsQA question has
    study = study_problems(model, problems, thoughts=shape.thoughts, max_new_tokens=words)
    plans: Plans = [
        study.plans(list(CONTROLS.values()), case, number) for number, case in enumerate(study.cases)
    ]
    ways = [
        Way(OURS, partial(side_by_side, study, plans)),
        Way(SEPARATELY, partial(one_by_one, study, plans)),
    ]
    seconds, same = take_turns(ways, repetitions, check_same)
    return [
        Comparison("controls", shape.name, SEPARATELY, same[SEPARATELY], seconds[OURS], seconds[SEPARATELY])
    ]


def side_by_side(study: ControlStudy, plans: Plans) -> Answers:
    """What run_controls does once the problems' own thoughts are known."""
    return {
        (case.problem.question, name): answer.text
        for case, name, answer in answers_to(study, plans, lambda count: None)
    }


def one_by_one(study: ControlStudy, plans: Plans) -> Answers:
    """An evaluation for each control, in batches of many problems, each of which reads the prompts."""
    texts: Answers = {}
    for name in CONTROLS:
        pairs = [(case, plan[name]) for case, plan in zip(study.cases, plans, strict=True) if plan[name]]
        questions = [case.problem.question for case, _ in pairs]
        answers = generate(
            study.model,
            questions,
            answer_only=study.answer_only,
            max_new_tokens=study.max_new_tokens,
            plans=[plan for _, plan in pairs],
        )
        texts |= {(question, name): answer.text for question, answer in zip(questions, answers, strict=True)}
    return texts


def check_same(texts: Answers, expected: Answers) -> str:
    """How many answers there are. Raises AssertionError where one differs."""
    if texts != expected:
        raise AssertionError(f"{sum(text != expected.get(key) for key, text in texts.items())} answers differ")
    return f"{len(texts)} answers, {len(set(texts.values()))} of them different"
