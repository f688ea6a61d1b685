"""The question on screen over the checkpoints of a training run, as far as they have been asked."""

from dataclasses import dataclass, field

from coconut_core.across.course import Course


@dataclass(frozen=True)
class Across:
    """What has been found out. Where nothing can be, `error` says why."""

    course: Course
    total: int = 0  # checkpoints of the run
    complete: bool = False
    notes: tuple[str, ...] = field(default=())
    error: str = ""
