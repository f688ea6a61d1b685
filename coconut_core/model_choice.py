"""Which model is opened, and how: what commands and the explorer hand on. Needs no torch until it opens one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel

# Of a choice, what makes other numbers of the same weights.
HOW = ("feedback", "chat", "system", "markers")


@dataclass(frozen=True)
class ModelChoice:
    """A model, and how it is opened; CoconutModel.from_pretrained says what most entries do."""

    source: str  # folder, hub id or GGUF file; before it is resolved also official:PATH and the like
    device: str = "auto"
    dtype: str = "auto"
    feedback: str | None = None
    chat: bool | str | None = None  # a text: the chat template of that name
    system: str | None = None
    markers: str | None = None
    device_map: str | None = None
    passes: int | None = None  # parallel passes in which thoughts are found; None: what the checkpoint says
    compiled: bool = False  # whether the latent step is a compiled graph
    base: str | None = None  # with official:PATH and the like: what that was trained from

    def resolved(self, report: Callable[[str], None]) -> "ModelChoice":
        """The same with the folder or hub id to open: a foreign checkpoint is converted into the cache,
        and the models that come with the project are found from every folder. report is told what is done.

        Raises CoconutError where a foreign checkpoint has no base, or another one has, and where it is damaged.
        """
        from coconut_core.checkpoints import ImportOptions, split_source
        from coconut_core.checkpoints.bundled import bundled_model

        foreign = split_source(self.source)
        if foreign is None:
            if self.base is not None:
                raise CoconutError(
                    f"--base goes with official:PATH and the like, not with {self.source}: leave it out"
                )
            return replace(self, source=str(bundled_model(self.source) or self.source))
        if self.base is None:
            raise CoconutError(
                f"{self.source} needs --base: the folder or hub id of the model that it was trained from"
            )
        from coconut_core.checkpoints.convert import convert_into_cache

        folder = convert_into_cache(*foreign, ImportOptions(self.base), report)
        return replace(self, source=str(folder), base=None)

    def open(self) -> "CoconutModel":
        """The model in evaluation mode. Raises CoconutError in one line for whatever is wrong."""
        from coconut_core.coconut import CoconutModel

        model = CoconutModel.from_pretrained(
            self.source,
            device=self.device,
            dtype=self.dtype,
            feedback=self.feedback,
            chat=self.chat,
            system=self.system,
            device_map=self.device_map,
            markers=self.markers,
        )
        model.config = model.config.with_passes(self.passes)
        if self.compiled:
            model.compile_steps()
        return model
