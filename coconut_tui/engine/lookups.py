"""What views ask of the model: layers through the lens, attention, neighbours, thoughts in two dimensions."""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from coconut_core.analysis.insight import prompt_words
from coconut_core.analysis.lens import Lens
from coconut_core.analysis.pca import Pca
from coconut_core.analysis.tuned_lens import TunedLens, find_tuned_lens
from coconut_core.common.errors import CoconutError
from coconut_core.latent.layers import watching, watching_stream
from coconut_core.latent.readout import Readout, readouts
from coconut_core.records.trace import TokenRecord
from coconut_core.runs.recording import recorded
from coconut_core.runs.steps import Step, read_again
from coconut_tui.engine.live import LiveRun, Stop
from coconut_tui.engine.workbench import Workbench
from coconut_tui.run.branches import PROMPT, THOUGHT, WORD, Decisions
from coconut_tui.run.lookups import (
    LENS_TOKENS,
    Ask,
    Attention,
    Courses,
    Failed,
    Found,
    Heated,
    LensColumn,
    LensGrid,
    Neighbours,
    Point,
    Trajectory,
)
from coconut_tui.run.state import BOT, RECORDED_TOKENS, marker_name, thought_name

MOST_COLUMNS = 512  # columns of the lens that are not computed again
TOGETHER = 64  # states read by the LM head at once; it can be stopped between two
MOST_STEPS = 24  # behind the prompt that attention tells apart; of more it tells the sum

Columns = tuple[tuple[TokenRecord, ...], ...]


class Looker:
    """Answers what views ask of a workbench. Nothing in it changes."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._model = bench.model
        self._columns: OrderedDict[tuple[str, Decisions | int], Columns] = OrderedDict()
        self._last_courses: tuple[Ask, Courses] | None = None
        self._lens: tuple[Lens, TunedLens | None, str] | None = None

    def find(self, ask: Ask, stop: Stop) -> Found | None:
        """The answer; None where it was stopped, or where the run has become another one."""
        kinds: dict[str, Callable[[Ask, Stop], Found | None]] = {
            "top": self._heated,
            "lens": self._through_the_lens,
            "attention": self._attention,
            "lines": self._courses,
            "nearest": self._nearest,
            "trajectory": self._trajectory,
        }
        if not self._bench.open or ask.question != self._bench.tree.question:
            return None
        here = as_asked(self._bench.decisions, len(ask.decisions.moves))
        if here != ask.decisions and ask.kind != "trajectory":
            return None
        try:
            return kinds[ask.kind](ask, stop)
        except CoconutError as error:
            return Failed(str(error))

    # -- one step ------------------------------------------------------------------------------------------

    def _heated(self, ask: Ask, stop: Stop) -> Found:
        logits = Readout(self._model, self._last_step(ask).hidden).logits / ask.temperature
        log_shares = torch.log_softmax(logits, dim=-1)
        values, ids = log_shares.exp().topk(min(RECORDED_TOKENS, len(log_shares)))
        top = zip(ids.tolist(), values.tolist(), strict=True)
        return Heated(
            tuple(
                TokenRecord(self._model.token_text(number), share, number, self._model.vocabulary.name(number))
                for number, share in top
            ),
            entropy=float(-(log_shares.exp() * log_shares).sum()),
        )

    def _nearest(self, ask: Ask, stop: Stop) -> Found:
        return Neighbours(recorded(Readout(self._model, self._last_step(ask).hidden).nearest(RECORDED_TOKENS)))

    def _attention(self, ask: Ask, stop: Stop) -> Found | None:
        place = len(ask.decisions.moves) - 1
        with torch.inference_mode(), watching(self._model, attention=True) as watch:
            for _ in self._again(place, place, stop):
                pass
        if not watch.passes:
            return None
        weights, steps = watch.passes[-1].attention, self._bench.run.session.steps[:place]
        assert weights is not None
        words = prompt_words(self._model, ask.question)
        behind = len(self._bench.run.session.prompt_ids)
        parts = [weights[0][..., list(word.positions)].sum(dim=-1) for word in words]
        names = [word.text for word in words]
        if len(steps) <= MOST_STEPS:
            parts += [weights[0][..., behind + number] for number in range(len(steps))]
            names += map(name_of, steps)
        else:
            parts.append(weights[0][..., behind:].sum(dim=-1))
            names.append(f"{len(steps)} steps behind it")
        sums = torch.stack(parts, dim=-1).float().cpu()  # (layers, heads, entries)
        sums = torch.cat([sums.mean(dim=1, keepdim=True), sums], dim=1)
        sums = torch.cat([sums.mean(dim=0, keepdim=True), sums])
        found = Attention(
            reads=name_of(steps[-1]) if steps else "the question",
            gives=name_of(self._last_step(ask)),
            entries=tuple(names),
            words=len(words),
            layers=sums.shape[0] - 1,
            heads=sums.shape[1] - 1,
            weights=array("f", sums.flatten().tolist()),
            spaced=frozenset(place for place, word in enumerate(words) if word.spaced),
            template=frozenset(place for place, word in enumerate(words) if word.template),
            spans=tuple(word.span for word in words),
        )
        _ = found.focus  # worked out in this thread
        return found

    # -- many steps ----------------------------------------------------------------------------------------

    def _through_the_lens(self, ask: Ask, stop: Stop) -> Found | None:
        """Steps, and in front of the first ones the prompt's last positions, which count backwards from -1."""
        steps, prompt = self._bench.run.session.steps, self._bench.run.session.prompt_ids
        places = range(max(ask.first, 1 - len(prompt)), len(ask.decisions.moves))
        keys = {
            place: (ask.question, place if place < 0 else as_asked(ask.decisions, place)) for place in places
        }
        missing = [place for place in places if keys[place] not in self._columns]
        lens, tuned, note = self._fitting_lens()
        if missing:
            streams = self._streams(missing[0], missing[-1], stop)
            for place in missing:
                if stop() or place not in streams:
                    return None
                states = lens.stream_states(streams[place])
                column = tuple(recorded(readout.top(LENS_TOKENS)) for readout in readouts(self._model, states))
                self._columns[keys[place]] = column
            while len(self._columns) > MOST_COLUMNS:
                self._columns.popitem(last=False)
        ids = [self._model.vocabulary.name(number) for number in prompt]
        if self._model.config.bot_id is not None:
            ids[-1] = BOT
        reads = [*ids, *(name_of(step, short=True) for step in steps)]
        columns = (
            LensColumn(
                place,
                name_of(steps[place], short=True) if place >= 0 else "",
                self._columns[keys[place]],
                reads[len(prompt) - 1 + place],
            )
            for place in places
        )
        calibration = () if tuned is None else tuned.calibration
        pairs = zip(calibration.plain, calibration.tuned, strict=True) if calibration else ()
        return LensGrid(tuple(columns), tuple(pairs), note)

    def _streams(self, first: int, last: int, stop: Stop) -> dict[int, Tensor]:
        """The residual stream (layers + 1, hidden) at places, or at as many as were read before it stopped."""
        streams: dict[int, Tensor] = {}
        with torch.inference_mode(), watching_stream(self._model, max(1, 1 - first)) as passes:
            for place in self._again(max(first, 0), max(last, 0), stop):
                read = passes[-1][0]  # (positions, layers + 1, hidden)
                positions = range(min(read.shape[0], 1 - first) if place == 0 else 1)
                streams |= {place - behind: read[-1 - behind] for behind in positions}
                passes.clear()
        return streams

    def _courses(self, ask: Ask, stop: Stop) -> Found | None:
        ids: dict[str, int] = {}
        unknown = []
        for token in ask.tokens:
            try:
                ids[token] = self._model.vocabulary.find(token, self._at_hand(len(ask.decisions.moves)))
            except CoconutError:
                unknown.append(token)
        names = {token: self._model.vocabulary.name(number) for token, number in ids.items()}
        steps = self._bench.run.session.steps[: len(ask.decisions.moves)]
        places = [number for number, step in enumerate(steps) if step.kind != "token"]
        known = self._known_courses(ask, names)
        shares = {token: list(known.get(token, ())) for token in ids}
        begun = min(map(len, shares.values()), default=0)
        for start in range(begun, len(places), TOGETHER):
            if stop():
                return None
            states = torch.stack([steps[place].hidden for place in places[start : start + TOGETHER]])
            with torch.inference_mode():
                logits = self._model.logits(states.to(self._model.dtype)).float()
                probabilities = torch.softmax(logits, dim=-1)[:, list(ids.values())].T.tolist()
            for token, more in zip(ids, probabilities, strict=True):
                shares[token][start:] = more
        courses = Courses({token: tuple(course) for token, course in shares.items()}, tuple(unknown), names)
        self._last_courses = ask, courses
        return courses

    def _at_hand(self, steps: int) -> Iterator[int]:
        """Tokens that a word may be taken for: of the question first, then what the steps would say."""
        yield from self._bench.run.session.prompt_ids
        for record in self._bench.run.records()[:steps]:
            yield from (item.id for item in record.top if item.id is not None)

    def _known_courses(self, ask: Ask, names: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
        """What the last answer says of the same tokens at the steps that both runs have in common."""
        if self._last_courses is None or self._last_courses[0].question != ask.question:
            return {}
        before, courses = self._last_courses
        moves = ask.decisions.moves[: ask.decisions.shared(before.decisions)]
        count = len(moves) - moves.count(WORD)
        return {
            token: shares[:count]
            for token, shares in courses.probabilities.items()
            if courses.names[token] == names.get(token)
        }

    def _trajectory(self, ask: Ask, stop: Stop) -> Found | None:
        states: list[Tensor] = []
        points: list[tuple[int, str]] = []
        ways: dict[int, tuple[int, ...]] = {}
        earlier: list[tuple[int, Decisions]] = []
        for number, decisions in ask.branches:
            run = self._run_of(number, decisions)
            if run is None or stop():
                return None
            common, like = max(((decisions.shared(past), branch) for branch, past in earlier), default=(0, 0))
            way = list(ways.get(like, ())[: decisions.moves[:common].count(THOUGHT)])
            for step in run.session.steps[common : len(decisions.moves)]:
                if step.kind == "thought" and bool(torch.isfinite(step.hidden).all()):
                    way.append(len(points))
                    points.append((number, name_of(step, short=True)))
                    states.append(step.hidden)
            ways[number] = tuple(way)
            earlier.append((number, decisions))
        if len(states) < 2:
            return Failed("Two thoughts that are numbers make a way: take another one (s).")
        coordinates, explained = in_two_dimensions(torch.stack(states))
        placed = zip(points, coordinates.tolist(), strict=True)
        return Trajectory(tuple(Point(*about, x, y) for about, (x, y) in placed), ways, explained)

    # -- inside --------------------------------------------------------------------------------------------

    def _last_step(self, ask: Ask) -> Step:
        return self._bench.run.session.steps[len(ask.decisions.moves) - 1]

    def _fitting_lens(self) -> tuple[Lens, TunedLens | None, str]:
        """The tuned lens where the checkpoint has one that fits, else the plain one, and why."""
        if self._lens is None:
            tuned, note = None, ""
            try:
                tuned = find_tuned_lens(self._model)
            except CoconutError as error:
                note = str(error)
            self._lens = Lens(self._model, None if tuned is None else tuned.translators), tuned, note
        return self._lens

    def _again(self, first: int, last: int, stop: Stop) -> Iterator[int]:
        """Think the run again on a copy, and say each place that has just been read, as long as it is not
        stopped; place n is where the state that step n uses was made."""
        run, moves = self._bench.run.copy(), self._bench.run.moves
        run.rewind(max(first - 1, 0))
        for place in range(first, last + 1):
            if stop():
                return
            if place:
                run.take(moves[place - 1])
            else:
                read_again(self._model, run.session.prompt_ids, [], run.session.in_prompt)
            yield place

    def _run_of(self, number: int, decisions: Decisions) -> LiveRun | None:
        """A run of a branch with at least these steps; what is held in memory stays as it is."""
        known = {branch.number: branch.decisions for branch in self._bench.tree.branches}
        if number not in known or as_asked(known[number], len(decisions.moves)) != decisions:
            return None
        cut = known[number].upto(len(decisions.moves))
        edits, held = self._bench.plans.edits_of(cut), self._bench.live.get(number)
        if held is not None and held.moves.startswith(cut.moves) and _edits_in(held, cut.moves) == edits:
            return held
        run = self._bench.new_run(cut.thoughts)
        run.reach(cut, edits)
        return run


def as_asked(decisions: Decisions, steps: int) -> Decisions:
    """The decisions of the first steps, without the number of thoughts planned, which changes none of them."""
    return replace(decisions.upto(steps), thoughts=None)


def name_of(step: Step, *, short: bool = False) -> str:
    """A step in a few letters."""
    if step.kind == "thought":
        number = thought_name(step.segment, step.index)
        return number if short else f"thought {number}"
    return (
        marker_name(step)
        if step.token_id is None or step.kind == "marker"
        else step.readout.name(step.token_id)
    )


def in_two_dimensions(states: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """States (points, hidden) in their two main directions, (points, 2), and their shares of the variance.

    The first point lies on the left and below the middle, so that pictures of a growing run do not flip.
    """
    points = states.double().cpu() - states[0].double().cpu()
    if len(points) < points.shape[1]:
        # The span of few points has the same distances, and needs no covariance of hidden × hidden.
        points = points @ torch.linalg.qr(points.T).Q
    pca = Pca.fit(points, components=2)
    coordinates = pca.project(points)
    coordinates = coordinates * torch.where(coordinates[0] > 0, -1.0, 1.0)
    shares = [*pca.explained.tolist(), 0.0]
    if coordinates.shape[1] < 2:
        coordinates = torch.cat([coordinates, torch.zeros(len(points), 1)], dim=1)
    return coordinates, (shares[0], shares[1])


def _edits_in(run: LiveRun, moves: str) -> dict[tuple[int, int], object]:
    steps: Sequence[Step] = run.session.steps[: len(moves)]
    edits: dict[tuple[int, int], object] = {
        (step.segment, step.index): step.edit for step in steps if step.edit is not None
    }
    return edits if run.session.in_prompt is None else {PROMPT: run.session.in_prompt} | edits
