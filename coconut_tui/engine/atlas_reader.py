"""An atlas, read in a thread of its own, so that no question to it holds up a paint. All return at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from textual.events import Callback

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_tui.engine.worker import Job, Post, Worker
from coconut_tui.run.atlas import AtlasMap, LiveModel, MapPoint

if TYPE_CHECKING:
    from coconut_core.atlas import Atlas
    from coconut_core.atlas.folder import Manifest

T = TypeVar("T")


class AtlasReader:
    """Opens an atlas and asks it one thing after the other; of a kind only the newest counts."""

    def __init__(self, post: Post, atlas: "Atlas | None" = None) -> None:
        """atlas: one that is open already."""
        self._post, self.atlas = post, atlas
        self._untold = 0  # outcomes on their way to the interface's thread
        self._worker = Worker(post, "coconut atlas")
        self._worker.start()

    @property
    def busy(self) -> bool:
        """Whether something is under way, or has not been shown yet."""
        return self._worker.busy or self._untold > 0

    def close(self) -> None:
        """Let the thread end; what it still finds is heard by nobody."""
        self._worker.close()

    def open(self, path: Path, show: Callable[["Atlas"], object], failed: Callable[[str], object]) -> None:
        """Open an atlas, unless one is open already."""

        def find(job: Job) -> "Atlas":
            from coconut_core.atlas import Atlas

            try:
                self.atlas = Atlas.open(path) if self.atlas is None else self.atlas
            except CoconutError as error:  # a long path would leave no room for the reason in its line
                raise CoconutError(str(error).replace(str(user_path(path)), path.name)) from error
            return self.atlas

        self._send("opening", find, show, failed)

    def ask(
        self,
        kind: str,
        find: Callable[["Atlas"], T],
        show: Callable[[T], object],
        failed: Callable[[str], object],
    ) -> None:
        """Find something out; in the interface's thread, show gets it, or failed what was wrong."""

        def look(job: Job) -> T:
            if self.atlas is None:
                raise CoconutError("no atlas is open")
            return find(self.atlas)

        self._send(kind, look, show, failed)

    def _send(
        self, kind: str, find: Callable[[Job], T], show: Callable[[T], object], failed: Callable[[str], object]
    ) -> None:
        def work(job: Job) -> None:
            try:
                outcome: Callable[[], object] = partial(show, find(job))
            except CoconutError as error:
                outcome = partial(failed, str(error))

            def call() -> None:
                self._untold -= 1
                outcome()

            if not job.stopped:
                self._untold += 1
                self._post(Callback(call))

        self._worker.send("", work, kind)


@dataclass(frozen=True)
class NearThought:
    """A thought near to another one: its run, its number, from 1, and the cosine of the two vectors."""

    row: Mapping[str, Any]
    thought: int
    cosine: float


def nearest_thoughts(atlas: "Atlas", run: int, thought: int, count: int) -> list[NearThought]:
    """The thoughts nearest to one, nearest first, with their runs."""
    found = atlas.nearest(run, thought, count=count)
    columns = ("run", "right", "hops", "thoughts", "said", "expected", "question", "token")
    runs = ", ".join(sorted({str(each.run) for each in found})) or "-1"
    rows = {row["run"]: row for row in atlas.rows(f"run in ({runs})", columns=columns)}
    return [NearThought(rows[each.run], each.thought, each.cosine) for each in found]


def check_same_model(atlas: "Atlas", model: LiveModel | None) -> "Manifest":
    """The manifest of an atlas of the runs of a model. Raises CoconutError for one of another model."""
    mark = atlas.manifest.model
    if model is None:
        raise CoconutError(f"no model is open that could run it: open {mark.source} with :model")
    try:
        atlas.check_model(model.source)
    except CoconutError:
        raise CoconutError(
            f"these runs are another model's ({mark.source}, weights {mark.weights[:8]}): open it with "
            f":model {mark.source} first"
        ) from None
    if mark.feedback.partition(":")[0] != model.feedback:
        raise CoconutError(
            f"these runs were made with --feedback {mark.feedback}, the model that is open has {model.feedback}"
        )
    return atlas.manifest


def map_of(atlas: "Atlas", where: str, thought: int | None) -> AtlasMap:
    """Thoughts of the runs that fit a filter in their two main directions; thought: only those of a number."""
    projection = atlas.projection(where=where, thought=thought)
    rows = {row["run"]: row for row in atlas.rows(where, columns=("run", "hops", "right"))}
    return AtlasMap(
        [
            MapPoint(each.run, each.thought, each.x, each.y, rows[each.run]["hops"], rows[each.run]["right"])
            for each in projection.points
        ],
        projection.explained,
        projection.of,
    )
