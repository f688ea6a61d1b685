"""What can be done to the runs of a question: the tree of branches, the sessions behind it, undo and redo.

It knows nothing of threads. Each method that changes something leaves all as it was where it fails.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.markers import markers_record
from coconut_core.problems import is_family
from coconut_core.problems.base import Problem
from coconut_core.records.trace import Trace
from coconut_core.runs.halting import BY_HAND
from coconut_core.runs.recording import trace_session, watched_tokens
from coconut_tui.engine.live import LiveRun, LiveRuns, Stop, with_fresh_readout
from coconut_tui.engine.plans import Plans
from coconut_tui.run.branches import MARKER, THOUGHT, WORD, Decisions, History, Said, Tree
from coconut_tui.run.breakpoints import Breakpoint, Moment, first_hit
from coconut_tui.run.state import RECORDED_TOKENS, CacheUse, RunView, around_thoughts

CACHE_LIMIT = 512 * 2**20  # bytes that the runs held in memory may take


class Workbench:
    """The runs of one question with one model."""

    def __init__(
        self,
        model: CoconutModel,
        others: Sequence[Problem] | None = None,
        *,
        cache_limit: int = CACHE_LIMIT,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """others: problems to take donors from, where the model names no family of its own; changed is called
        in the course of what takes many steps."""
        self.model = model
        self.live = LiveRuns(cache_limit)
        self.history = History()
        self.others = None if is_family(model.config.family) else others
        self._changed = changed
        self._tree: Tree | None = None
        self._plans: Plans | None = None
        self.peeks: dict[Decisions, Said] = {}  # what would be said there, whatever number was planned

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def tree(self) -> Tree:
        """The branches. Raises CoconutError where there is no question."""
        if self._tree is None:
            raise CoconutError("no question is open: press Q to write one")
        return self._tree

    @property
    def plans(self) -> Plans:
        """What interventions mean for this question. Raises CoconutError where there is none."""
        if self._plans is None:
            self._plans = Plans(self.model, self.tree.question, self.tree.problem, self.others)
        return self._plans

    @property
    def open(self) -> bool:
        """Whether there is a question."""
        return self._tree is not None

    @property
    def decisions(self) -> Decisions:
        """The decisions of the current branch."""
        return self.tree.here.decisions

    @property
    def run(self) -> LiveRun:
        """The run of the current branch."""
        return self.live.get(self.tree.current) or self.run_of(self.tree.current)

    def run_of(self, number: int) -> LiveRun:
        """The run of a branch as the tree says it is, computed again where it is not held in memory."""
        decisions = self.tree.branch(number).decisions
        run = self.live.get(number)
        if run is None or (decisions.thoughts is None and run.planned is not None):
            run = self.new_run(decisions.thoughts)
        run.reach(decisions, self.plans.edits_of(decisions))
        self.live.put(number, run)
        self.live.make_room(self.tree.current)
        return run

    def new_run(self, thoughts: int | None) -> LiveRun:
        """A run of the question that has taken no step."""
        return _new_run(self.model, self.tree, thoughts)

    def said(self, run: LiveRun) -> Said:
        """What a run has said, judged where it is over and the answer is known."""
        return self.judged(run.session.text, run.session.stopped_by)

    @property
    def ended_by_hand(self) -> bool:
        """Whether the current run took fewer or more thoughts than it would have by itself."""
        steps = self.run.session.steps
        forced = any(step.ended == BY_HAND for step in steps)
        return forced or any(step.index > self.run.session.thoughts for step in steps if step.kind == "thought")

    def judged(self, text: str, stopped_by: str | None) -> Said:
        """A text that was said to the question of the tree."""
        return Said.judged(text, self.model.config.answer_prefix, self.tree.problem, stopped_by)

    def view(self) -> RunView:
        """The current run and the tree, to be shown."""
        self.note_run()
        run, tree = self.run, self.tree
        return RunView(
            tree=tree,
            steps=run.records(),
            thoughts=run.session.thoughts,
            mode=str(run.session.mode),
            said=self.said(run),
            around=around_thoughts(markers_record(self.model.config, self.model.tokenizer)),
            peeks={
                len(key.moves): answer
                for key, answer in self.peeks.items()
                if key == replace(self.decisions.upto(len(key.moves)), thoughts=None)
            },
            cache=CacheUse(self.live.numbers, self.live.used, self.live.limit),
        )

    def trace(self, branch: int | None = None) -> Trace:
        """Everything seen in a branch, by default the current one."""
        session = (self.run if branch is None else self.run_of(branch)).copy().session
        session.steps = [with_fresh_readout(self.model, step) for step in session.steps]
        return trace_session(session, RECORDED_TOKENS, self.tree.problem)

    # -- going on and back ---------------------------------------------------------------------------------

    def ask(self, question: str, problem: Problem | None, example: int | None, thoughts: int | None) -> None:
        """Begin a tree over a question."""
        tree = Tree.planted(question, problem, example, thoughts)
        run = _new_run(self.model, tree, thoughts)  # an unusable question is refused before anything changes
        with self._changing():
            self._open(tree)
            self.live.put(tree.current, run)

    def reopen(self, tree: Tree) -> None:
        """Take up a tree that was saved. Its numbers are computed again; what was done in it before is not
        undone, but undo goes back to the tree that was open."""
        before = self._tree
        self._open(tree)
        try:
            self.run_of(tree.current)
        except Exception as error:
            self._open(before)
            raise CoconutError(f"the session cannot go on, and is kept as it is: {error}") from error
        if before is None:
            self.history = History()
        else:
            self.history.note(before)

    def take(
        self,
        enough: Callable[[LiveRun], bool],
        stop: Stop,
        breakpoints: Sequence[Breakpoint] = (),
    ) -> Breakpoint | None:
        """Take steps until there are enough of them (asked after each), or nothing is left to do.

        Returns the breakpoint that it stopped at.
        """
        with self._changing():
            run = self.run
            while not stop() and run.step():
                hit = self._hit(run, breakpoints) if breakpoints else None
                if hit is not None or enough(run):
                    return hit
                self._changed()
        return None

    def look_ahead(self) -> None:
        """Work out the current run's next step, where there is memory for it; nothing of it shows."""
        run = self.live.get(self.tree.current) if self.open else None
        if run is not None and self.live.used < self.live.limit:
            run.look_ahead()

    def go_to_thought(
        self, thought: int, stop: Stop, breakpoints: Sequence[Breakpoint] = ()
    ) -> Breakpoint | None:
        """Go to where a thought of the latent segment has just been taken, on or back."""
        segment = self.run.session.steps[-1].segment if self.run.session.steps else 0
        ends = [
            number
            for number, step in enumerate(self.run.session.steps, start=1)
            if step.kind == "thought" and (step.segment, step.index) == (segment, thought)
        ]
        if ends:
            self.rewind(ends[0])
            return None
        if not self.run.thinking:
            raise CoconutError(f"thought {thought} was not taken in this run: add thoughts with ]")
        hit = self.take(lambda run: _at_thought(run, thought) or not run.thinking, stop, breakpoints)
        if hit is None and not stop() and not _at_thought(self.run, thought):
            raise CoconutError(f"thinking ended before thought {thought}")
        return hit

    def rewind(self, position: int) -> None:
        """Go back to where only so many steps had been taken."""
        with self._changing():
            self.run.rewind(max(0, position))

    def end_thinking(self) -> None:
        """Feed <eot> now."""
        with self._changing():
            self.run.end_thinking()

    def one_more(self) -> None:
        """One thought more, planned or not; where thinking has ended, in the place of what came after it."""
        with self._changing():
            run = self.run
            if not run.thinking:
                run.rewind(_end_of_thinking(run.moves))
            run.take(THOUGHT)

    def set_thoughts(self, thoughts: int, stop: Stop) -> None:
        """Another number of thoughts for this run, which goes on as far as it had come."""
        if thoughts == self.run.session.thoughts and self.decisions.thoughts is not None:
            return
        with self._changing():
            self._become(replace(self.decisions, thoughts=thoughts), stop)

    # -- branches and edits --------------------------------------------------------------------------------

    def fork(self, position: int, name: str = "") -> None:
        """A branch that has only the first steps of the current one."""
        with self._changing():
            run = self.run.copy()
            decisions = self.decisions.upto(position)
            run.reach(decisions, self.plans.edits_of(decisions))
            self._branch_off(run, decisions, "", name)

    def edit(self, text: str, segment: int, stop: Stop) -> None:
        """Do an intervention in a branch of its own, which goes on as far as the current run had come."""
        with self._changing():
            decisions = self.plans.edited(self.decisions, text, segment)
            self._branch_with(decisions, text, stop)

    def restore(self, thought: int, segment: int, stop: Stop) -> None:
        """Give a thought its own value again, in a branch of its own."""
        with self._changing():
            decisions = self.decisions.without_edit(segment, thought)
            if decisions == self.decisions:
                raise CoconutError(f"thought {thought} has not been edited")
            self._branch_with(decisions, f"own@{thought}", stop)

    def move(self, number: int) -> None:
        """Make another branch the current one."""
        tree = self.tree.moved(number)
        self.run_of(number)
        self._tree = tree

    def rename(self, number: int, name: str) -> None:
        """Give a branch another name."""
        with self._changing():
            self._tree = self.tree.renamed(number, name)

    def delete(self, number: int) -> None:
        """Take a branch away."""
        with self._changing():
            self._tree = self.tree.without(number)
            self.live.drop(number)

    def undo(self) -> None:
        """Go back to before the last change."""
        self._return_to(self.history.undo(self.tree))

    def redo(self) -> None:
        """Do again what was undone last."""
        self._return_to(self.history.redo(self.tree))

    # -- inside --------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Note a change for undo; take it back where it fails."""
        before = self._tree
        try:
            yield
        except Exception as error:
            self._tree = before
            if not isinstance(error, CoconutError):  # in the midst of a step: all is computed again when needed
                self.live.clear()
            elif before is not None:
                self.run_of(before.current)
            raise
        self.note_run()
        if before is not None and self._tree != before:
            self.history.note(before)
        self.live.make_room(self.tree.current)

    def note_run(self) -> None:
        """Write down in the tree how far the current run has come."""
        here, run = self.tree.here, self.run
        moves = run.moves
        answer = self.said(run) if WORD in moves else None
        if here.decisions.moves != moves or here.said != answer:
            self._tree = self.tree.with_branch(
                replace(here, decisions=replace(here.decisions, moves=moves), said=answer)
            )

    def _open(self, tree: Tree | None) -> None:
        """Take a tree of another question; nothing of this one's can be used for it."""
        self._tree = tree
        self.live.clear()
        self._plans, self.peeks = None, {}

    def _return_to(self, tree: Tree) -> None:
        if tree.question != self.tree.question:
            self._open(tree)
        self._tree = tree
        for number in self.live.numbers - {branch.number for branch in tree.branches}:
            self.live.drop(number)
        self.run_of(tree.current)

    def _hit(self, run: LiveRun, breakpoints: Sequence[Breakpoint]) -> Breakpoint | None:
        records = run.records()
        before = records[-2] if len(records) > 1 and records[-2].kind == "thought" else None
        hops = self.model.config.first_thought_hops
        graph = None if self.tree.problem is None else self.tree.problem.graph
        right = self.said(run).right if run.session.over else None
        return first_hit(breakpoints, Moment(records[-1], before, graph, hops, right))

    def _branch_with(self, decisions: Decisions, done: str, stop: Stop) -> None:
        run = self.derived(decisions, stop)
        self._branch_off(run, replace(decisions, moves=run.moves), done)

    def _branch_off(self, run: LiveRun, decisions: Decisions, done: str, name: str = "") -> None:
        self._tree = self.tree.forked(decisions, done, name)
        self.live.put(self.tree.current, run)

    def _become(self, decisions: Decisions, stop: Stop) -> None:
        """The same branch with other decisions."""
        run = self.derived(decisions, stop)
        here = replace(self.tree.here, decisions=replace(decisions, moves=run.moves))
        self._tree = self.tree.with_branch(here)
        self.live.put(self.tree.current, run)

    def derived(self, decisions: Decisions, stop: Stop, *, to_the_end: bool = False) -> LiveRun:
        """A run of its own with other edits or another number of thoughts, as far on as the current run is.

        It takes as many thoughts, unless their number was changed or a rule ends thinking; words are said
        anew, as many or to the end.
        """
        run, before = self.run.copy(), self.decisions
        new_number = decisions.thoughts != before.thoughts
        natural = new_number or (run.session.ending.rule is not None and not self.ended_by_hand)
        position = before.shared(decisions)
        if new_number:
            position = min(position, len(before.moves) - len(before.moves.lstrip(THOUGHT)))
        if new_number and decisions.thoughts is not None:
            position = min(position, decisions.thoughts)
        finished = run.session.over
        run.reach(replace(decisions, moves=before.moves[:position]), self.plans.edits_of(decisions))
        run.go_on_like(before.moves[position:], natural, finished, stop)
        if to_the_end:
            run.go_to_the_end(stop)
        return run


def _new_run(model: CoconutModel, tree: Tree, thoughts: int | None) -> LiveRun:
    """A run of a tree's question that has taken no step."""
    session = model.start(tree.question, thoughts)
    return LiveRun(session, thoughts, watched_tokens(session, tree.problem))


def _at_thought(run: LiveRun, thought: int) -> bool:
    last = run.session.steps[-1] if run.session.steps else None
    return last is not None and last.kind == "thought" and last.index == thought


def _end_of_thinking(moves: str) -> int:
    """How many steps there are in front of what ended thinking last: <eot>, a text, or a word."""
    marker = moves.rfind(MARKER)
    return moves.rfind(THOUGHT) + 1 if marker < 0 else len(moves[: marker + 1].rstrip(MARKER))
