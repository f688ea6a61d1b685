"""What the views on screen show, and what they ask of the engine."""

import time
from dataclasses import replace
from functools import partial

from textual import events
from textual.timer import Timer

from coconut_core.common.errors import CoconutError
from coconut_core.records.trace import StepRecord
from coconut_tui.engine import Engine
from coconut_tui.explorer.asking import Questions
from coconut_tui.explorer.keys_first import MOMENT
from coconut_tui.explorer.panes import PanedApp
from coconut_tui.explorer.titles import thoughts_title, view_facts, view_title
from coconut_tui.run.lookups import Answers, Ask, Attention, Dials, Failed, Found
from coconut_tui.run.state import RECORDED_TOKENS, ModelFacts, RunView
from coconut_tui.views import attention
from coconut_tui.views.painting import painting
from coconut_tui.views.pane import ViewPane
from coconut_tui.views.view import Sight
from coconut_tui.widgets.framed import retitle
from coconut_tui.widgets.prompt import PromptPane
from coconut_tui.widgets.thoughts import ThoughtsPane

_PAUSE = 0.08  # seconds without another question before one is asked
_AT_ONCE = 0.002  # seconds of drawing after which a key comes before the next view
_PROMPT = ""  # the prompt's place among the names of views
_FRAME = 0.8  # seconds that a thought is shown in the animation
_STOPPED = Failed("Stopped. The view's key begins again.")


class InspectingApp(PanedApp):
    """An app of panes in which steps are looked at from close by."""

    engine: Engine
    facts: ModelFacts | None
    view: RunView | None
    selected: int | None
    token_count: int

    def __init__(self) -> None:
        super().__init__()
        self.dials = Dials()
        self.looked_at: int | None = None  # the step that was last selected by hand
        self._answers = Answers()
        self._questions = Questions()
        self._rest: list[str] = []  # views that are still to be drawn; which has waited longest comes first
        self._pause: Timer | None = None
        self._film: Timer | None = None

    def _draw(self) -> None:
        """Draw all panes."""
        raise NotImplementedError

    # -- what is shown -------------------------------------------------------------------------------------

    @property
    def sight(self) -> Sight:
        """What views draw, whatever room they have."""
        prompt = self.query_one(PromptPane)
        return Sight(
            self.view,
            self.facts,
            None if self.view is None else self.selected,  # a session knows its step before its run is there
            self.token_count,
            self.dials,
            self._answer,
            prompt_painted=lambda: prompt.painted,
        )

    def draw_views(self) -> None:
        """Draw the view that was chosen last, and, once that has been painted, what stands beside it, a few
        views at a time: a key that moves the cursor does not wait until it has been drawn everywhere."""
        if not self.query(PromptPane):  # the app is closing, and an answer has come in
            return
        sight = self.sight
        retitle(self.query_one(ThoughtsPane), thoughts_title(sight))
        names = [_PROMPT, *(pane.view.name for pane in self.views_in_sight)]
        for pane in self.views_in_sight[:1]:
            names.remove(pane.view.name)
            if pane.view.name == "attention":  # it draws less where the prompt is painted
                names.remove(_PROMPT)
                self._paint(self.query_one(PromptPane), sight)
            self._draw_view(pane, sight)
        waits = self.rest_waits
        self._rest = sorted(
            names, key=lambda name: self._rest.index(name) if name in self._rest else len(names)
        )
        if self._rest and not waits:
            self.call_after_refresh(self._draw_rest)

    @property
    def key_is_awaited(self) -> bool:
        """Whether somebody waits for the paint of a key."""
        raise NotImplementedError

    @property
    def rest_waits(self) -> bool:
        """Whether views that stand beside are still to be drawn."""
        return bool(self._rest)

    def _draw_rest(self) -> None:
        """Paint the prompt with the attention, and draw the views that stand beside, for a moment at a time."""
        if not self.query(PromptPane):
            self._rest = []
            return
        if self.key_is_awaited:
            self.set_timer(MOMENT, self._draw_rest)
            return
        sight, panes = self.sight, {pane.view.name: pane for pane in self.views_in_sight}
        ends = time.monotonic() + _AT_ONCE
        while self._rest:
            name = self._rest.pop(0)
            if name == _PROMPT:
                self._paint(self.query_one(PromptPane), sight)
            elif name in panes:
                self._draw_view(panes[name], sight)
            if self._rest and time.monotonic() >= ends:
                self.call_after_refresh(self._draw_rest)
                return
        self.call_after_refresh(self.note_drawn)

    def note_drawn(self) -> None:
        """All is on screen."""
        raise NotImplementedError

    def _draw_view(self, pane: ViewPane, sight: Sight) -> None:
        view, is_inspected = pane.view, pane.view.name == self.inspected
        caption = self._caption if view.name == "graph" else ""
        facts = caption or view_facts(sight, view, is_inspected)
        retitle(pane, view_title(sight, view, is_inspected), facts)
        pane.show(sight)

    def _paint(self, prompt: PromptPane, sight: Sight) -> None:
        """Until the attention of another step is known, the prompt stays painted with that of the last one,
        which its frame names."""
        alive = sight.facts is not None and not sight.facts.replayed
        readable = sight.step is not None and sight.step.readable
        request = attention.ask(sight) if self.dials.painted and alive and readable else None
        found = None if request is None else sight.answer(request)
        if isinstance(found, Attention):
            prompt.paint(painting(found, self.dials))
        elif request is None or found is not None:
            prompt.paint(None)
        elif prompt.region:
            self.want(request)

    def set_dials(self, dials: Dials) -> None:
        """Show the views with these dials."""
        self.dials = dials
        self._draw()

    def set_token_count(self, count: int) -> None:
        """Show so many tokens of a step."""
        self.token_count = min(RECORDED_TOKENS, max(1, count))
        self._draw()

    @property
    def selected_thought(self) -> StepRecord | None:
        """The selected step, where it is a thought."""
        step = None if self.view is None or self.selected is None else self.view.steps[self.selected]
        return step if step is not None and step.kind == "thought" else None

    @property
    def meant_thought(self) -> StepRecord | None:
        """The thought that a change is about: the selected one; while another step is selected, as at the end
        of a run, the one that was last looked at, or else the last one in front."""
        if self.view is None or self.selected is None:
            return None
        steps = self.view.steps
        looked_at = self.selected if self.looked_at is None else self.looked_at
        places = (self.selected, looked_at, *range(self.selected, -1, -1))
        meant = (steps[place] for place in places if place < len(steps))
        return next((step for step in meant if step.kind == "thought"), None)

    def show_view(self, name: str) -> None:
        """Bring a view to the front; what was stopped is asked again."""
        self._questions.begin_again()
        super().show_view(name)
        self.draw_views()
        self.draw_keys()

    def action_look_at(self, number: int, layer: int) -> None:
        """Select a step, or a place of the prompt (from -1 backwards), and a layer: a cell of the lens has been
        clicked."""
        place = None
        if number >= 0:
            self.selected = self.looked_at = number
        elif self.selected is not None:
            place = self.selected, number
        self.dials = replace(self.dials, lens_layer=layer, lens_prompt=place)
        self._draw()

    def action_look_with(self, layer: int, head: int) -> None:
        """Choose a layer and a head, 0 for all: a cell of the strip has been clicked."""
        self.set_dials(replace(self.dials, layer=layer or None, head=head or None))

    def action_choose_place(self, entry: int) -> None:
        """Choose a place that attention goes to: its line has been clicked. Once more, and it is not chosen."""
        self.set_dials(replace(self.dials, place=None if entry == self.dials.place else entry, strip="place"))

    def forget_answers(self) -> None:
        """Forget what views asked: there is another model."""
        self._answers.clear()
        self._questions.clear()

    # -- asking --------------------------------------------------------------------------------------------

    def on_view_pane_wants(self, message: ViewPane.Wants) -> None:
        """Ask for what a view needs."""
        self.want(message.ask)

    def want(self, ask: Ask) -> None:
        """Ask, once no newer question has come for a moment."""
        if not self._questions.want(ask):
            return
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE, self._ask)

    def take_answer(self, ask: Ask, answer: Found) -> None:
        """Keep an answer, and show it."""
        self._answers.keep(ask, answer)
        self._questions.answered(ask)
        self.draw_views()

    def note_idle(self) -> None:
        """The engine has nothing to do: a question without an answer has been stopped."""
        if self._questions.open and not self.engine.busy:
            self._questions.stop_open()
            self.draw_views()

    def _ask(self) -> None:
        self._pause = None
        for ask in self._questions.to_ask():
            self.engine.look(ask, partial(self.take_answer, ask))

    def _answer(self, ask: Ask) -> Found | None:
        return _STOPPED if self._questions.is_stopped(ask) else self._answers.get(ask)

    # -- the animation -------------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Whether the animation goes on."""
        return self._film is not None

    def play(self) -> None:
        """Show the thoughts on the graph one after the other. Raises CoconutError where there is none."""
        thoughts = self._thoughts()
        if not thoughts:
            raise CoconutError("there is no thought to play yet: take some with t")
        self.show_view("graph")
        self._film = self.set_interval(_FRAME, self._next_frame)
        self._show_step(thoughts[0])

    def stop_playing(self) -> None:
        """Stay where the animation is."""
        if self._film is not None:
            self._film.stop()
            self._film = None
            self.draw_views()

    def on_key(self, event: events.Key) -> None:
        """While the animation goes on a key stops it, and does nothing else."""
        if self.playing:
            event.prevent_default()
            self.stop_playing()

    def _next_frame(self) -> None:
        later = [number for number in self._thoughts() if self.selected is None or number > self.selected]
        if later:
            self._show_step(later[0])
        else:
            self.stop_playing()

    def _show_step(self, number: int) -> None:
        self.selected = number
        self._draw()

    @property
    def _caption(self) -> str:
        thoughts = self._thoughts()
        place = thoughts.index(self.selected) + 1 if self.playing and self.selected in thoughts else 0
        return f"▶ {place}/{len(thoughts)} · any key stops" if self.playing else ""

    def _thoughts(self) -> list[int]:
        steps = () if self.view is None else self.view.steps
        return [number for number, step in enumerate(steps) if step.kind == "thought"]
