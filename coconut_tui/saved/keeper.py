"""What the explorer remembers: the session, kept on every change, and the models and questions used lately."""

import threading
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.whole_files import written_aside
from coconut_core.model_choice import ModelChoice
from coconut_core.problems import Problem, read_some_problems
from coconut_core.problems.sources import absolute_name
from coconut_tui.run.branches import Tree
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Answered
from coconut_tui.run.lookups import FORMS
from coconut_tui.saved.format import SavedRun, SavedSession
from coconut_tui.saved.store import SessionStore


class Keeper:
    """Puts together what the engine's thread and the interface have to keep. Every method returns at once."""

    def __init__(self, folder: Path | None = None, problem_file: Path | None = None) -> None:
        """folder: where sessions are saved; None: nothing is, and what is remembered ends with the explorer.

        problem_file: whose problems are gone through.
        """
        self._lock = threading.RLock()
        self._tell: Callable[[str], object] | None = None
        self._messages: list[str] = []  # until there is a screen
        self._session = SavedSession()
        self._awaited: Tree | None = None  # of a session that is to go on, until it does
        self._selected: int | None = None
        self._breakpoints: tuple[Breakpoint, ...] = ()
        self._answered: tuple[Answered, ...] = ()
        self.problem_file = None if problem_file is None else absolute_name(problem_file)
        self._store: SessionStore | None = None
        if folder is not None:
            self._store = SessionStore(folder, self.say)
            self._session = self._store.remembered()

    # -- what was before -----------------------------------------------------------------------------------

    def resume(self, model: str | None = None, *, even_if_left: bool = False) -> SavedRun | None:
        """The run to go on with, None where there is none: the last one that ended in a crash.

        model: only one of this model; even_if_left: the last one, also where it was left in good order.
        """
        if self._store is None:
            return None
        source = None if model is None else absolute(model)
        return self._take(
            lambda session: (
                session.run is not None
                and (even_if_left or not session.in_order)
                and source in (None, session.run.choice.source)
            )
        )

    @property
    def runs(self) -> tuple[SavedRun, ...]:
        """The runs that can be gone on with, newest first."""
        sessions = () if self._store is None else self._store.resumable()
        return tuple(session.run for session in sessions if session.run is not None)

    def resume_run(self, run: SavedRun) -> SavedRun | None:
        """Go on with one of `runs`; None where another explorer has taken it meanwhile."""
        if self._awaited is not None and self._store is not None:  # another one could not be gone on with
            self._store.put_back()
            self._awaited = None
        return self._take(lambda session: session.run == run)

    def _take(self, fits: Callable[[SavedSession], bool]) -> SavedRun | None:
        session = None if self._store is None else self._store.load(fits)
        if session is None or session.run is None:
            return None
        with self._lock:
            self._session = replace(self._session, run=session.run)
            self._awaited = session.run.tree
            self.problem_file = session.run.problem_file
        if not session.in_order:
            self.say("going on with the session that broke off; coconut-tui --fresh begins anew")
        return session.run

    def problems(self) -> list[Problem] | None:
        """The problems of the file that the session had; None where it had none or it cannot be read."""
        if self.problem_file is None:
            return None
        try:
            return read_some_problems(self.problem_file)
        except CoconutError as error:
            self.say(str(error))
            return None

    def give_up_crashed(self) -> None:
        """Go on with no session that ended in a crash, now or later, unless it is asked for."""
        if self._store is not None:
            self._store.give_up_crashed()

    @property
    def models(self) -> tuple[str, ...]:
        """The models opened lately, newest first."""
        return self._session.models

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions asked lately, newest first."""
        return self._session.questions

    # -- what is now ---------------------------------------------------------------------------------------

    def note_model(self, choice: ModelChoice) -> None:
        """A model has been opened."""
        with self._lock:
            self._change(self._session.remember(models=[absolute(choice.source)]))

    def note_tree(self, choice: ModelChoice, tree: Tree) -> None:
        """The branches have changed. A problem that was opened counts once something is done with it."""
        with self._lock:
            touched = tree.example is None or len(tree.branches) > 1 or tree.here.decisions.moves != ""
            if self._awaited is not None:
                self._settle(tree)
            if touched or self._session.run is not None:
                run = SavedRun(
                    replace(choice, source=absolute(choice.source)),
                    tree,
                    self._selected,
                    self._breakpoints,
                    self.problem_file,
                    self._answered,
                )
                questions = [tree.question] if touched else []
                self._change(replace(self._session.remember(questions=questions), run=run))

    def note_screen(
        self,
        selected: int | None,
        breakpoints: tuple[Breakpoint, ...],
        answered: tuple[Answered, ...] = (),
    ) -> None:
        """Another step is selected, there are other breakpoints, or more problems have been answered."""
        with self._lock:
            self._selected, self._breakpoints, self._answered = selected, breakpoints, answered
            run = self._session.run
            if run is not None and self._awaited is None:
                run = replace(run, selected=selected, breakpoints=breakpoints, answered=answered)
                self._change(replace(self._session, run=run))

    def note_theme(self, name: str) -> None:
        """Another theme has been chosen."""
        self._note("theme", name)

    def note_painting(self, painted: bool) -> None:
        """The prompt is to be painted with attention, or not."""
        self._note("painting", "on" if painted else "off")

    def note_form(self, name: str) -> None:
        """Another form of the thoughts has been chosen."""
        self._note("form", name)

    def note_layout(self, name: str) -> None:
        """Another layout has been chosen."""
        self._note("layout", name)

    def _note(self, choice: str, name: str) -> None:
        if self._store is not None:
            path = _choice_file(self._store.folder, choice)
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with written_aside(path) as file:
                    file.write(name)

    # -- saying and leaving --------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell the person something, once there is a screen to do it on."""
        with self._lock:
            if self._tell is None:
                self._messages.append(text)
            else:
                self._tell(text)

    def listen(self, tell: Callable[[str], object]) -> None:
        """There is a screen now."""
        with self._lock:
            self._tell = tell
            for text in self._messages:
                tell(text)
            self._messages = []

    def flush(self) -> None:
        """Have everything on disk now."""
        if self._store is not None:
            self._store.flush()

    def close(self, *, in_order: bool) -> None:
        """The explorer has ended; in_order: because it was told to, so that it is not a crash."""
        if self._store is not None:
            self._store.close(in_order=in_order)

    # -- inside --------------------------------------------------------------------------------------------

    def _settle(self, tree: Tree) -> None:
        """The first run since a session was to go on: that session's, or another one where it could not."""
        if _decided(tree) != _decided(self._awaited) and self._store is not None:
            self._store.put_back()
            self._session = replace(self._session, run=None)
        self._awaited = None

    def _change(self, session: SavedSession) -> None:
        if session != self._session:
            self._session = session
            if self._store is not None:
                self._store.save(session)


def absolute(source: str) -> str:
    """A model folder by its whole path, so that it is found from another folder; a hub id as it is."""
    return str(user_path(source).resolve()) if user_path(source).is_dir() else source


def _decided(tree: Tree | None) -> object:
    return tree and (tree.question, [(branch.number, branch.decisions) for branch in tree.branches])


def saved_theme(folder: Path, own: Container[str] = ()) -> str | None:
    """The theme that was chosen last, where it is still there. folder: where sessions are saved; own: names of
    a person's own themes."""
    from textual.theme import BUILTIN_THEMES

    name = _noted(folder, "theme")
    return name if name in BUILTIN_THEMES or name in own else None


def saved_painting(folder: Path) -> bool | None:
    """Whether the prompt was last to be painted with attention; None where nobody has said."""
    return {"on": True, "off": False}.get(_noted(folder, "painting"))


def saved_form(folder: Path) -> str | None:
    """The form of the thoughts that was chosen last; folder: where sessions are saved."""
    name = _noted(folder, "form")
    return name if name in FORMS else None


def saved_layout(folder: Path) -> str:
    """The layout that was chosen last; empty where none was."""
    return _noted(folder, "layout")


def _noted(folder: Path, choice: str) -> str:
    try:
        return _choice_file(folder, choice).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _choice_file(folder: Path, choice: str) -> Path:
    return folder.parent / choice
