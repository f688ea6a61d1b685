"""An atlas, read in a thread of its own, so that no question to it holds up a paint. All return at once."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from textual.events import Callback

from coconut_core.common.errors import CoconutError
from coconut_tui.engine.worker import Job, Post, Worker

if TYPE_CHECKING:
    from coconut_core.atlas import Atlas
    from coconut_core.atlas.folder import Manifest

T = TypeVar("T")


class AtlasReader:
    """Opens an atlas and asks it one thing after the other; of a kind only the newest counts."""

    def __init__(self, post: Post, atlas: "Atlas | None" = None) -> None:
        """atlas: one that is open already."""
        self._post, self.atlas = post, atlas
        self._worker = Worker(post, "coconut atlas")
        self._worker.start()

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._worker.busy

    def close(self) -> None:
        """Let the thread end; what it still finds is heard by nobody."""
        self._worker.close()

    def open(self, path: Path, show: Callable[["Atlas"], object], failed: Callable[[str], object]) -> None:
        """Open an atlas, unless one is open already."""

        def find(job: Job) -> "Atlas":
            from coconut_core.atlas import Atlas

            self.atlas = Atlas.open(path) if self.atlas is None else self.atlas
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
                outcome()

            if not job.stopped:
                self._post(Callback(call))

        self._worker.send("", work, kind)


def check_same_model(atlas: "Atlas", source: str | None) -> "Manifest":
    """The manifest of an atlas of the runs of a model. Raises CoconutError for one of another model."""
    from coconut_core.evaluation.verdict import hash_weights

    mark = atlas.manifest.model
    if source is None:
        raise CoconutError(f"no model is open that could run it: open {mark.source} with :model")
    if hash_weights(source) != mark.weights:
        raise CoconutError(
            f"these runs are another model's ({mark.source}, weights {mark.weights[:8]}): open it with "
            f":model {mark.source} first"
        )
    return atlas.manifest
