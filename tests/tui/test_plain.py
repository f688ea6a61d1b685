"""What the explorer knows without a model: the tree, breakpoints, typed lines, drafts, problems."""

import re
from dataclasses import replace
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coconut_core.common.errors import CoconutError
from coconut_core.interventions.text import FORMS as INTERVENTIONS
from coconut_core.problems import example_problem, generate_problems
from coconut_core.problems.base import Graph
from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.actions.table import ACTIONS
from coconut_tui.run.branches import MOST_BRANCHES, Decisions, Edit, Said, Tree, thought_places
from coconut_tui.run.breakpoints import Breakpoint, Moment, first_hit, read_breakpoint, toggled
from coconut_tui.run.collection import Collection
from coconut_tui.run.commands import completed, completions, read_line, with_places
from coconut_tui.run.drafts import Workshop
from coconut_tui.run.state import FormFacts, ModelFacts, RunView
from coconut_tui.run.what_if import MOST_VARIANTS, sweep_of
from coconut_tui.views import VIEWS, guide_of
from coconut_tui.views.guides import GUIDES
from tests.tui.conftest import PROBLEM

FORMS = (
    FormFacts("zero", "zero@THOUGHTS", (), True, "zeros", "zero@2"),
    FormFacts("replace", "replace VECTOR@THOUGHTS", ("VECTOR",), True, "another", "replace twin@all"),
    FormFacts("steer", "steer TOKEN FACTOR@THOUGHTS", ("TOKEN", "FACTOR"), True, "plus", "steer rompus 4@1"),
    FormFacts(
        "patch-head",
        "patch-head LAYER.HEAD DONOR@THOUGHTS",
        ("LAYER.HEAD", "DONOR"),
        True,
        "",
        "patch-head 1.0 twin@2",
    ),
    FormFacts("extend", "extend COUNT", ("COUNT",), False, "more", "extend 9"),
)
FACTS = ModelFacts(
    "model", True, "prosqa", "###", layers=2, heads=2, forms=FORMS, donors=(("own", ""), ("mean", ""))
)


def thought(index: int, *tokens: str, entropy: float = 1.0) -> StepRecord:
    top = tuple(TokenRecord(token, 0.5 / rank) for rank, token in enumerate(tokens, start=1))
    return StepRecord("thought", index, 0, "", top, entropy, 1.0)


# -- the tree ------------------------------------------------------------------------------------------------


def grown() -> Tree:
    tree = Tree.planted(PROBLEM.question, PROBLEM, None, None)
    tree = tree.with_branch(replace(tree.here, decisions=Decisions(None, (), "tttm")))
    edited = tree.here.decisions.with_edits(Edit(0, 2, "zero@2", None))
    return tree.forked(edited, "zero@2").forked(edited.upto(2), "", "inner").moved(1).forked(edited.upto(1), "")


def test_a_tree_names_its_branches_apart_and_knows_where_they_parted() -> None:
    tree = grown()
    assert [(lines, branch.name, branch.forked_at) for lines, branch in tree.rows()] == [
        ("", "main", 0),
        ("├ ", "zero@2", 1),
        ("│ └ ", "inner", 2),
        ("└ ", "fork@1", 1),
    ]
    again = tree.moved(1).forked(tree.branch(2).decisions, "zero@2")
    assert again.here.name == "zero@2 (2)"
    with pytest.raises(CoconutError, match="called 'main' already"):
        tree.renamed(2, " main ")
    with pytest.raises(CoconutError, match="needs a name"):
        tree.renamed(2, "  ")


def test_children_of_a_deleted_branch_become_its_parents() -> None:
    tree = grown().moved(2).without(2)
    assert tree.current == 1
    inner = tree.named("inner")
    assert (inner.parent, inner.forked_at, inner.done) == (1, 1, "zero@2")
    with pytest.raises(CoconutError, match="cannot be deleted"):
        tree.without(1)


def test_the_number_of_branches_is_bounded() -> None:
    tree = Tree.planted("?", None, None, None)
    for _ in range(MOST_BRANCHES - 1):
        tree = tree.forked(Decisions(), "")
    with pytest.raises(CoconutError, match="delete one first"):
        tree.forked(Decisions(), "")


def test_thoughts_are_numbered_anew_in_each_latent_segment() -> None:
    assert list(thought_places("ttmwwttmw")) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert list(thought_places("mwmwt")) == [(2, 1)]


@given(st.text("tmw", max_size=12), st.text("tmw", max_size=12), st.integers(0, 12))
def test_what_two_runs_share_is_a_common_beginning(first: str, second: str, cut: int) -> None:
    one, two = Decisions(None, (), first), Decisions(None, (), second)
    shared = one.shared(two)
    assert first[:shared] == second[:shared]
    assert one.upto(shared) == two.upto(shared)
    assert one.upto(cut).shared(one) == len(first[:cut])


# -- breakpoints ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "thought 3",
        "entropy < 0.5",
        "entropy > 1",
        "norm > 20",
        "cosine < -0.2",
        "frontier < 0.5",
        "p(rompus) > 0.3",
        "p(rompus) < 1e-05",
        "norm > 1e+20",
        "token rompus in top 3",
        "top changes",
        "wrong",
    ],
)
def test_a_breakpoint_is_read_as_it_is_written(text: str) -> None:
    assert str(read_breakpoint(text, 50)) == text


@pytest.mark.parametrize(
    "text",
    [
        "thought 0",
        "thought",
        "thought ²",
        "entropy = 1",
        "entropy > ²",
        "norm > 1e999",
        "loss > 1",
        "p() > 1",
        "p(a b) > 1",
        "token a in top 51",
        "",
        "token a in top 0",
        "norm >",
        "right",
    ],
)
def test_a_breakpoint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CoconutError):
        read_breakpoint(text, 50)


def hit(text: str, step: StepRecord, before: StepRecord | None = None, **more: object) -> bool:
    return read_breakpoint(text, 50).hit(Moment(step, before, **more))  # type: ignore[arg-type]


def test_breakpoints_hit_what_they_say() -> None:
    first, second = thought(1, "lempus", " rompus"), thought(2, "gorpus", "lempus", entropy=0.2)
    assert hit("thought 2", second, first)
    assert not hit("thought 2", first)
    assert hit("entropy < .5", second, first)
    assert not hit("entropy > .5", second, first)
    assert hit("entropy > .1", second, first)
    assert hit("token rompus in top 2", first)
    assert not hit("token rompus", first)
    assert hit("top changes", second, first)
    assert not hit("top changes", first)
    spoilt = replace(second, top=(), entropy=nan)  # NaN or infinity
    assert hit("top changes", spoilt, first)
    assert not hit("top changes", spoilt, spoilt)
    assert not hit("entropy < 9", spoilt, first)
    word = replace(second, kind="token")
    assert first_hit([Breakpoint(thought=2), Breakpoint()], Moment(word, first)) is None


def test_breakpoints_know_probability_norm_cosine_and_frontier() -> None:
    step = replace(thought(2, "gorpus", "lempus"), norm=12.0, cosine=0.3)
    step = replace(step, top=(TokenRecord(" gorpus", 0.6), TokenRecord("lempus", 0.1)))
    assert hit("p(gorpus) > .5", step)
    assert not hit("p(gorpus) > .7", step)
    assert hit("p(lempus) < .5", step)
    assert hit("p(unseen) < .01", step)
    assert hit("norm > 10", step)
    assert not hit("norm < 10", step)
    assert hit("cosine < .5", step)
    assert not hit("cosine < .5", replace(step, cosine=None)), "the first thought has none"
    graph = Graph(("Alex", "lempus", "gorpus", "bompus"), ((0, 1), (1, 2)), 0, 2, 3)
    watched = replace(step, watched={"gorpus": 0.6, "lempus": 0.1})
    assert hit("frontier > .5", watched, graph=graph)
    assert hit("frontier < .5", watched, graph=graph, first_thought_hops=0)
    assert not hit("frontier < .5", watched), "without a graph there is no frontier"
    assert not hit("p(gorpus) < .9", replace(watched, kind="marker"))


def test_a_breakpoint_stops_at_a_wrong_answer() -> None:
    word = replace(thought(1, "."), kind="token")
    assert hit("wrong", word, right=False)
    assert not hit("wrong", word, right=True)
    assert not hit("wrong", word)


def test_breakpoints_are_turned_on_and_off() -> None:
    first, second = thought(1, "lempus"), thought(2, "gorpus")
    off = toggled([Breakpoint(thought=2)], 0)
    assert first_hit(off, Moment(second, first)) is None
    assert first_hit(toggled(off, 0), Moment(second, first)) == Breakpoint(thought=2)


# -- typed lines ---------------------------------------------------------------------------------------------


def test_lines_are_read_as_actions_or_interventions() -> None:
    assert (
        read_line(" run-to  3 ", ACTIONS, FORMS).action.name,
        read_line("run-to 3", ACTIONS, FORMS).argument,
    ) == (
        "run-to",
        "3",
    )
    assert read_line("zero", ACTIONS, FORMS).action.name == "zero"
    edit = read_line("steer rompus 4; zero@2", ACTIONS, FORMS)
    assert (edit.action.name, edit.argument) == ("edit", "steer rompus 4; zero@2")
    for wrong, said in (
        ("blorb", "tab completes"),
        ("run-to", "write run-to K"),
        ("step 3", "takes no argument"),
    ):
        with pytest.raises(CoconutError, match=said):
            read_line(wrong, ACTIONS, FORMS)
    with pytest.raises(CoconutError):
        read_line("zero@2", ACTIONS, ())  # no model, no interventions


def test_completion_goes_as_far_as_is_certain() -> None:
    assert completed("prob", completions("prob", ACTIONS, FORMS, {})) == "problem"
    assert completed("ste", completions("ste", ACTIONS, FORMS, {})) == "ste"
    assert completed("steer", completions("steer", ACTIONS, FORMS, {})) == "steer "
    known = {"BRANCH": ["main", "zero@2", "zero@3"]}
    found = completions("branch z", ACTIONS, FORMS, known)
    assert [each.text for each in found] == ["branch zero@2", "branch zero@3"]
    assert completed("branch z", found) == "branch zero@"
    arguments = {"TOKEN": ["rompus", "gorpus"], "VECTOR": ["own", "twin"]}
    assert completed("steer r", completions("steer r", ACTIONS, FORMS, arguments)) == "steer rompus"
    assert completed("replace t", completions("replace t", ACTIONS, FORMS, arguments)) == "replace twin@"
    assert (
        completed("steer rompus 4", completions("steer rompus 4", ACTIONS, FORMS, arguments))
        == "steer rompus 4"
    )
    assert completed("nothing", completions("nothing", ACTIONS, FORMS, {})) == "nothing"


def test_places_are_added_where_they_are_missing() -> None:
    assert with_places("zero; steer rompus 4@1; extend 9;", FORMS, 2) == "zero@2; steer rompus 4@1; extend 9"
    assert with_places("blorb", FORMS, 2) == "blorb"


def test_sweeps() -> None:
    assert sweep_of("steer rompus -2..2/3", 4) == ("steer rompus -2@4", "steer rompus 0@4", "steer rompus 2@4")
    assert sweep_of("scale 0..1/2@1-3", 4) == ("scale 0@1-3", "scale 1@1-3")
    assert len(sweep_of("scale 0..1", 1)) == 9
    for wrong in ("scale 1", f"scale 0..1/{MOST_VARIANTS + 1}", "scale 0..1/1"):
        with pytest.raises(CoconutError):
            sweep_of(wrong, 1)


# -- drafts --------------------------------------------------------------------------------------------------


@pytest.fixture
def workshop() -> Workshop:
    tree = Tree.planted(PROBLEM.question, PROBLEM, None, None)
    step = thought(2, "rompus", "a b", "lempus")
    view = RunView(tree, (thought(1, "Alex"), step), 4, "thinking", Said("", "", None))
    return Workshop(FACTS, view, step)


def test_a_draft_begins_with_values_of_this_run(workshop: Workshop) -> None:
    begun = {form.name: str(workshop.begun(form)) for form in FORMS}
    assert begun == {
        "zero": "zero@2",
        "replace": "replace own@2",
        "steer": "steer rompus 4@2",
        "patch-head": "patch-head 1.0 own@2",
        "extend": "extend 5",
    }


def test_a_draft_is_read_and_turned(workshop: Workshop) -> None:
    draft = workshop.read(" steer rompus 4@1,3 ")
    assert draft is not None
    assert str(draft.turned("FACTOR", "-2").turned("THOUGHTS", "all")) == "steer rompus -2@all"
    assert workshop.read("blorb@2") is None
    assert str(workshop.read("steer rom")) == "steer rom"


def test_dials_offer_what_there_is(workshop: Workshop) -> None:
    replace_form, steer, head, extend = FORMS[1:]
    tokens = [value for value, _ in workshop.choice(steer, "TOKEN").options]
    assert tokens[:3] == ["rompus", "'a b'", "lempus"]
    assert set(PROBLEM.graph.names) <= set(tokens)
    vectors = [value for value, _ in workshop.choice(replace_form, "VECTOR").options]
    assert vectors[:3] == ["own", "mean", "token:rompus"]
    assert [value for value, _ in workshop.choice(head, "DONOR").options] == ["own", "zero"], (
        "a mean has no inside"
    )
    assert [value for value, _ in workshop.choice(head, "LAYER.HEAD").options] == ["0.0", "0.1", "1.0", "1.1"]
    assert [value for value, _ in workshop.choice(steer, "THOUGHTS").options] == ["2", "all", "1", "3", "4"]
    factor, count = workshop.choice(steer, "FACTOR"), workshop.choice(extend, "COUNT")
    assert (factor.low, factor.high, factor.step) == (-20, 20, 0.5)
    assert (count.low, count.step) == (0, 1)


# -- problems ------------------------------------------------------------------------------------------------


def test_problems_are_found_by_hops_by_verdict_and_by_words() -> None:
    problems = generate_problems("prosqa", 30, seed=2)
    found = Collection(problems, None)
    found.note({1: Said("### a", "a", "end", True), 2: Said("### b", "b", "end", False)})
    assert (found.matching("right"), found.matching("wrong")) == ([1], [2])
    assert found.matching("open") == list(range(3, 31))
    assert found.matching("3-4") == sorted(found.matching("3") + found.matching("4"))
    assert all(len(problems[number - 1].steps) == 5 for number in found.matching("5"))
    name = problems[6].answer.split()[0]
    assert found.matching(f"{name.lower()} open")
    assert all(name in problems[number - 1].question for number in found.matching(name.lower()))
    assert [found.after(None, 1), found.after(1, -1), found.after(30, 1)] == [1, 1, 30]
    with pytest.raises(CoconutError, match="the file has 30"):
        found.problem(31)


def test_without_a_file_the_familys_examples_are_gone_through() -> None:
    examples = Collection(None, "prosqa")
    assert examples.problem(3) == example_problem("prosqa", 3)
    assert examples.after(900, 1) == 901
    assert not Collection(None, None)


def test_every_pane_and_view_is_explained() -> None:
    screens = {
        "edit",
        "what-if",
        "grid",
        "compare",
        "controls",
        "problems",
        "beside",
        "training",
        "across",
        "atlas",
    }
    assert set(GUIDES) == {"thoughts", "prompt", "branches", *screens}
    for name in (*GUIDES, *(view.name for view in VIEWS)):
        guide = guide_of(name)
        assert guide.reading
        assert guide.misleading


def test_each_view_has_an_action_and_names_actions_that_there_are() -> None:
    actions = {action.name: action for action in ACTIONS}
    for view in VIEWS:
        own = actions[view.typed or view.name]
        assert (own.keys, own.description, own.group) == (view.key, view.description, "View")
        assert set(view.actions) <= set(actions)


def test_guides_name_what_can_be_typed() -> None:
    known = {action.name for action in ACTIONS} | {form.name for form in INTERVENTIONS}
    for guide in map(guide_of, (*GUIDES, *(view.name for view in VIEWS))):
        for name in re.findall(r"(?<!\w):([a-z][\w-]*)", guide.reading + guide.misleading):
            assert name in known, f"{guide.title}: nobody knows :{name}"
