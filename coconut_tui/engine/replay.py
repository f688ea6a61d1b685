"""A saved trace with the engine's verbs; there is no model, so nothing can be changed."""

from collections.abc import Sequence

from coconut_core.records.stopping import END
from coconut_core.records.trace import Trace
from coconut_tui.engine.messages import ModelReady, RunChanged, Stopped
from coconut_tui.engine.worker import Post
from coconut_tui.export.reading import verdict_line, verdict_shares
from coconut_tui.run.branches import Branch, Decisions, Said, Tree
from coconut_tui.run.breakpoints import Breakpoint, Moment, first_hit
from coconut_tui.run.state import ModelFacts, RunView, around_thoughts


class Replay:
    """Plays a saved trace."""

    busy = False

    def __init__(self, post: Post, trace: Trace) -> None:
        self._post = post
        self.trace = trace
        self._position = 0

    def start(self) -> None:
        """Show the trace from its beginning."""
        settings = self.trace.settings
        self._post(
            ModelReady(
                ModelFacts(
                    self.trace.model,
                    bool(settings.get("trained", True)),
                    None,
                    self.trace.answer_prefix,
                    self.trace.first_thought_hops,
                    replayed=True,
                    verdict=verdict_line(self.trace),
                    shares=verdict_shares(self.trace),
                    feedback=str(settings.get("feedback", "hidden")),
                    chat=bool(settings.get("chat")),
                )
            )
        )
        self._show(0)

    def step(self) -> None:
        """Show one step more."""
        self._show(self._position + 1)

    def back(self) -> None:
        """Show one step fewer."""
        self._show(self._position - 1)

    def restart(self) -> None:
        """Show no step."""
        self._show(0)

    def finish(self, breakpoints: Sequence[Breakpoint] = ()) -> None:
        """Show all steps, or those up to a breakpoint."""
        self._go_on(len(self.trace.steps), breakpoints)

    def think_all(self, breakpoints: Sequence[Breakpoint] = ()) -> None:
        """Show everything up to the first word."""
        words = [number for number, step in enumerate(self.trace.steps) if step.kind == "token"]
        self._go_on(words[0] if words else len(self.trace.steps), breakpoints)

    def go_to_thought(self, thought: int, breakpoints: Sequence[Breakpoint] = ()) -> None:
        """Show everything up to a thought."""
        ends = [
            number
            for number, step in enumerate(self.trace.steps, start=1)
            if step.kind == "thought" and step.index == thought
        ]
        end = ends[0] if ends else len(self.trace.steps)
        if end <= self._position:
            self._show(end)
        else:
            self._go_on(end, breakpoints)

    # -- inside --------------------------------------------------------------------------------------------

    def _go_on(self, end: int, breakpoints: Sequence[Breakpoint]) -> None:
        steps = self.trace.steps
        for number in range(self._position, end):
            before = steps[number - 1] if number and steps[number - 1].kind == "thought" else None
            graph = None if self.trace.problem is None else self.trace.problem.graph
            right = self._answer(number + 1).right
            moment = Moment(steps[number], before, graph, self.trace.first_thought_hops, right)
            hit = first_hit(breakpoints, moment)
            if hit is not None:
                self._show(number + 1)
                self._post(Stopped(str(hit)))
                return
        self._show(end)

    def _show(self, position: int) -> None:
        self._position = max(0, min(position, len(self.trace.steps)))
        steps = self.trace.steps[: self._position]
        ended = bool(steps) and steps[-1].kind != "thought"
        thoughts = self.trace.settings.get("thoughts")
        answer = self._answer(self._position)
        branch = Branch(1, "main", Decisions(), said=answer if answer.text else None)
        view = RunView(
            tree=Tree(self.trace.question, self.trace.problem, None, (branch,)),
            steps=steps,
            thoughts=thoughts if isinstance(thoughts, int) else len(self.trace.thoughts()),
            mode="finished" if answer.stopped_by == END else "speaking" if ended else "thinking",
            said=answer,
            around=around_thoughts(self.trace.settings.get("markers")),
        )
        self._post(RunChanged(lambda: view, replayed=True))

    def _answer(self, position: int) -> Said:
        whole = position == len(self.trace.steps)
        text = self.trace.text if whole else self._text_upto(position)
        stopped_by = self.trace.stopped_by if whole else None
        return Said.judged(text, self.trace.answer_prefix, self.trace.problem, stopped_by)

    def _text_upto(self, position: int) -> str:
        """The text of the words said so far: a token adds more than its own text, spaces say."""
        end = 0
        for step in self.trace.steps[:position]:
            word = step.token.strip() if step.kind == "token" else ""
            place = self.trace.text.find(word, end) if word else -1
            end = place + len(word) if place >= 0 else end  # a marker, or half a character
        return self.trace.text[:end]
