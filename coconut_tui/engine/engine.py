"""The engine as the interface sees it: every method returns at once, and what comes of it is a message.

What is found out besides the run is given to the callback of who asked."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from textual.events import Callback

from coconut_core.checkpoints.bundled import short_name
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.significance import Share
from coconut_core.model_choice import ModelChoice
from coconut_core.problems.base import Problem
from coconut_core.records.trace import Trace
from coconut_tui.engine.garbage import set_aside, take_back
from coconut_tui.engine.messages import (
    Activity,
    ModelReady,
    QuestionRead,
    RunChanged,
    Stopped,
    VerdictRead,
)
from coconut_tui.engine.opening import READING, open_bench
from coconut_tui.engine.worker import Job, Post, Worker
from coconut_tui.run.branches import Tree
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.lookups import Ask, Found
from coconut_tui.run.state import RunView

if TYPE_CHECKING:
    from coconut_tui.engine.live import LiveRun
    from coconut_tui.engine.lookups import Looker
    from coconut_tui.engine.workbench import Workbench

LOOK = "look "  # and what at: of such jobs only the newest counts
ENGINE_THREAD = "coconut engine"  # its name
_KEEP_EVERY = 0.1  # seconds between two states of a run under way that are kept
LONGEST_WAIT = 0.1  # seconds that a run, or a drawing, waits for the paint of a key

T = TypeVar("T")
KeepTree = Callable[[ModelChoice, Tree], object]


class Engine:
    """Loads a model and works with it in a thread of its own."""

    def __init__(
        self, post: Post, keep: KeepTree = lambda choice, tree: None, *, look_ahead: bool = False
    ) -> None:
        """keep is given the branches whenever they have changed, in the engine's thread; it must not wait.

        look_ahead: work out the next step when there is nothing else to do.
        """
        self._post, self._keep = post, keep
        self._worker = Worker(post, ENGINE_THREAD, self._look_ahead if look_ahead else lambda: None)
        self._bench: Workbench | None = None
        self._looker: Looker | None = None
        self._choice: ModelChoice | None = None
        self._tree_sent_at = 0.0
        self._verdict = ""
        self._shares: dict[str, Share] = {}
        self._newest: RunView | None = None
        self._announced = threading.Event()  # a RunChanged is under way that nobody has read yet
        self._free = threading.Event()  # nobody waits for a paint
        self._free.set()

    # -- the model -----------------------------------------------------------------------------------------

    def start(
        self, choice: ModelChoice, others: Sequence[Problem] | None = None, cache_limit: int | None = None
    ) -> None:
        """Load a model, with no question yet. The one in use stays until it is there.

        others: problems that donors may be taken from; cache_limit: bytes for the branches held in memory.
        """
        self._worker.start()
        self._worker.send(
            f"loading {short_name(choice.source)}", lambda job: self._load(choice, others, cache_limit)
        )
        self._worker.send("reading what is known of it", lambda job: self._read_verdict(choice))

    @property
    def busy(self) -> bool:
        """Whether there is something under way, to be done, or to be read."""
        return self._worker.busy or self._announced.is_set()

    def show(self) -> None:
        """Post the run as it stands."""
        self._do("showing the run", lambda bench, job: None)

    def stop(self) -> None:
        """Stop after the step that is under way, and forget what waits."""
        self._worker.stop()

    def give_way(self) -> None:
        """Take no step after the one under way until go_on() is called, or for a moment: a paint that somebody
        waits for needs the processor, and Python."""
        self._free.clear()

    def go_on(self) -> None:
        """The paint is done."""
        self._free.set()

    def close(self) -> None:
        """End the thread as soon as it can, and let the model go."""
        self._worker.close(self._let_go)

    # -- running -------------------------------------------------------------------------------------------

    def reopen(self, tree: Tree) -> None:
        """Go on with branches that were saved."""
        self._do("going on with the session", lambda bench, job: bench.reopen(tree))

    def ask(self, question: str, problem: Problem | None, example: int | None, thoughts: int | None) -> None:
        """Begin a run over a question; QuestionRead says whether the model could read it."""

        def work(bench: "Workbench", job: Job) -> None:
            try:
                bench.ask(question, problem, example, thoughts)
            except CoconutError as error:
                self._post(QuestionRead(question, str(error)))
            else:
                self._post(QuestionRead(question))

        self._do(READING, work)

    def step(self) -> None:
        """Take one step."""
        self._do("stepping", lambda bench, job: bench.take(lambda run: True, lambda: job.stopped))

    def back(self) -> None:
        """Take one step back."""
        self._do("going back", lambda bench, job: bench.rewind(len(bench.run.session.steps) - 1))

    def restart(self) -> None:
        """Go back to just after the question."""
        self._do("going back", lambda bench, job: bench.rewind(0))

    def finish(self, breakpoints: Sequence[Breakpoint] = ()) -> None:
        """Run to the end, to a breakpoint, or until stop()."""
        self._run_on("running", breakpoints, lambda run: False)

    def think_all(self, breakpoints: Sequence[Breakpoint] = ()) -> None:
        """Run until the model is about to speak, to a breakpoint, or until stop()."""
        self._run_on("thinking", breakpoints, lambda run: run.at_a_word)

    def go_to_thought(self, thought: int, breakpoints: Sequence[Breakpoint] = ()) -> None:
        """Run on to a thought, or go back to it."""

        def work(bench: "Workbench", job: Job) -> None:
            self._say_where(bench.go_to_thought(thought, lambda: job.stopped, breakpoints))

        self._do("thinking", work)

    def go_to_step(self, position: int) -> None:
        """Run on to where so many steps have been taken, or to the end, or go back to there."""

        def work(bench: "Workbench", job: Job) -> None:
            count = len(bench.run.session.steps)
            if position < count:
                bench.rewind(position)
            elif position > count:
                bench.take(lambda run: len(run.session.steps) >= position, lambda: job.stopped)

        self._do("stepping", work)

    def set_thoughts(self, thoughts: int) -> None:
        """Another number of thoughts in this run."""
        self._do("thinking again", lambda bench, job: bench.set_thoughts(thoughts, lambda: job.stopped))

    def end_thinking(self) -> None:
        """Feed <eot> now."""
        self._do("ending thinking", lambda bench, job: bench.end_thinking())

    def one_more(self) -> None:
        """Take one thought more, planned or not."""
        self._do("thinking", lambda bench, job: bench.one_more())

    # -- branches and edits --------------------------------------------------------------------------------

    def fork(self, position: int, name: str) -> None:
        """Fork a branch after so many steps."""
        self._do("forking", lambda bench, job: bench.fork(position, name))

    def move(self, branch: int) -> None:
        """Go to another branch."""
        self._do("going to the branch", lambda bench, job: bench.move(branch))

    def rename(self, branch: int, name: str) -> None:
        """Give a branch another name."""
        self._do("renaming", lambda bench, job: bench.rename(branch, name))

    def delete(self, branch: int) -> None:
        """Take a branch away."""
        self._do("deleting", lambda bench, job: bench.delete(branch))

    def undo(self) -> None:
        """Undo the last change."""
        self._do("undoing", lambda bench, job: bench.undo())

    def redo(self) -> None:
        """Do again what was undone last."""
        self._do("redoing", lambda bench, job: bench.redo())

    def edit(self, text: str, segment: int) -> None:
        """Do an intervention in a branch of its own."""
        self._do("thinking again", lambda bench, job: bench.edit(text, segment, lambda: job.stopped))

    def restore(self, thought: int, segment: int) -> None:
        """Give a thought its own value again, in a branch of its own."""
        self._do("thinking again", lambda bench, job: bench.restore(thought, segment, lambda: job.stopped))

    # -- finding out ---------------------------------------------------------------------------------------

    def peek(self, position: int) -> None:
        """Find out what would be said after so many steps."""

        def work(bench: "Workbench", job: Job) -> None:
            from coconut_tui.engine.readings import peek

            peek(bench, position, lambda: job.stopped)

        self._do("listening", work)

    def look(self, ask: Ask, show: Callable[[Found], object]) -> None:
        """Find out what a view wants to know of the run."""

        def work(job: Job) -> None:
            from coconut_tui.engine.lookups import Looker

            if self._looker is None:
                self._looker = Looker(self._open_bench)
            answer = self._looker.find(ask, lambda: job.stopped)
            if answer is not None:
                self.tell(show, answer)

        self._worker.send("looking inside", work, LOOK + ask.kind)

    def forget(self, kind: str) -> None:
        """Stop what nobody waits for any more."""
        self._worker.stop(kind)

    def find_out(self, activity: str, find: Callable[["Workbench", Job], None], kind: str = "") -> None:
        """Find something out in the engine's thread that changes nothing in the run; of a kind only the newest
        counts. See coconut_tui.engine.finding."""
        self._worker.send(activity, lambda job: find(self._open_bench, job), kind)

    def tell(self, show: Callable[[T], object], result: T) -> None:
        """Call show with a result, in the interface's thread."""

        def call() -> None:
            show(result)

        self._post(Callback(call))

    def use_trace(self, activity: str, use: Callable[[Trace], None]) -> None:
        """Call `use` with everything seen in the current run, in the engine's thread."""

        def work(job: Job) -> None:
            use(self.with_verdict(self._open_bench.trace()))

        self._worker.send(activity, work)

    def with_verdict(self, trace: Trace) -> Trace:
        """A trace with what is known of the model's thoughts."""
        shares = {words: [share.right, share.count] for words, share in self._shares.items()}
        known = {"verdict": self._verdict, **({"verdict_shares": shares} if shares else {})}
        return replace(trace, settings={**trace.settings, **known})

    # -- inside the thread ---------------------------------------------------------------------------------

    def _let_go(self) -> None:
        self._bench = self._looker = None
        take_back()

    def _look_ahead(self) -> None:
        if self._bench is not None:
            self._bench.look_ahead()

    def _do(self, activity: str, work: Callable[["Workbench", Job], object]) -> None:
        def all_of_it(job: Job) -> None:
            bench = self._open_bench
            try:
                work(bench, job)
            finally:  # where it failed, all is as it was before
                if bench.open:
                    self._show()
                    self._keep_tree(bench)

        self._worker.send(activity, all_of_it)

    def _run_on(
        self, activity: str, breakpoints: Sequence[Breakpoint], enough: Callable[["LiveRun"], bool]
    ) -> None:
        def work(bench: "Workbench", job: Job) -> None:
            def enough_now(run: "LiveRun") -> bool:
                if run.thinking:
                    job.progress(run.session.steps[-1].index, run.session.thoughts)
                return enough(run)

            self._say_where(bench.take(enough_now, lambda: job.stopped, breakpoints))

        self._do(activity, work)

    def _say_where(self, hit: Breakpoint | None) -> None:
        if hit is not None:
            self._post(Stopped(str(hit)))

    def _load(self, choice: ModelChoice, others: Sequence[Problem] | None, cache_limit: int | None) -> None:
        from coconut_tui.engine.facts import facts_of

        another = self._bench is not None
        self._bench = open_bench(
            choice, others, cache_limit, self._go_on_showing, lambda stage: self._post(Activity(stage))
        )
        self._choice, self._verdict, self._shares, self._looker = choice, "", {}, None
        set_aside(others=another)
        self._post(ModelReady(facts_of(self._bench.model), choice))

    def _read_verdict(self, choice: ModelChoice) -> None:
        from coconut_core.evaluation.verdict import known_usage

        if self._bench is not None and self._bench.model.config.trained:
            self._verdict, self._shares = known_usage(choice.source)
            self._post(VerdictRead(self._verdict, self._shares))

    @property
    def _open_bench(self) -> "Workbench":
        if self._bench is None:
            raise CoconutError("no model is loaded")
        return self._bench

    def _go_on_showing(self) -> None:
        """Show and keep a run that is under way, as often as is worth it."""
        if not self._announced.is_set():  # else the screen is behind: think on, it shows more at once
            self._show()
        if time.monotonic() - self._tree_sent_at >= _KEEP_EVERY:
            self._keep_tree(self._open_bench)
        self._free.wait(LONGEST_WAIT)

    def _keep_tree(self, bench: "Workbench") -> None:
        bench.note_run()
        self._tree_sent_at = time.monotonic()
        if self._choice is not None:
            self._keep(self._choice, bench.tree)

    def _show(self) -> None:
        """Post the run as it stands."""
        self._newest = self._open_bench.view()
        if not self._announced.is_set():
            self._announced.set()
            self._post(RunChanged(self._read_newest))

    def _read_newest(self) -> RunView:
        """Called from the interface: the newest state, and leave to announce the next."""
        self._announced.clear()
        assert self._newest is not None
        return self._newest
