"""The processes that a launcher (torchrun, accelerate) starts for one command, and what they tell each other.

All of them run the same command; what takes long is shared out, and what each has made is given to all, so that
they go on alike. Process 0, the main one, prints and writes.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from coconut_core.common.errors import CoconutError, Interrupted, describe_error, device_failure

if TYPE_CHECKING:
    from torch import Tensor

Made = TypeVar("Made")
PATIENCE = timedelta(days=7)  # one may read or write for long; of one that ended the others know at once


@dataclass(frozen=True)
class Launch:
    """What a launcher says of a process: its number among all and on its machine, and how many there are."""

    number: int = 0
    on_machine: int = 0
    count: int = 1


def launch() -> Launch:
    """How this process was started."""
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
    texts = [os.environ.get(name, "") for name in names]
    return Launch(*map(int, texts)) if all(text.isdigit() for text in texts) else Launch()


class Parted(Exception):  # noqa: N818  (it is no error of this process)
    """Another process has ended; the cause is what is to be told of it. Nothing can be shared out any more."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Kind(StrEnum):
    """Of a message."""

    MADE = "made"
    FAILED = "failed"  # what one has made of its part is an error, which all of them raise
    ENDED = "ended"  # it leaves with an error


@dataclass(frozen=True)
class _Message:
    """What each process tells all others at once. about: what it is at, which must be the same for all."""

    kind: _Kind
    about: str
    content: Any = None


class Processes:
    """Some processes that go on alike, of which this is one. Messages go between CPUs: no GPU is waited for.

    Where there are several, torch.distributed must have been set up.
    """

    def __init__(self, number: int = 0, count: int = 1) -> None:
        self.number, self.count = number, count
        self._group: Any = None
        if count > 1:
            import torch

            self._group = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)

    @property
    def is_main(self) -> bool:
        """Whether it prints and writes."""
        return self.number == 0

    # -- sums --------------------------------------------------------------------------------------------------

    def sum(self, values: "Tensor") -> "Tensor":
        """The sum of what every process gives, (n,) on the CPU; all of them must call it."""
        if self._group is not None:
            import torch

            torch.distributed.all_reduce(values, group=self._group)
        return values

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process; all of them must call it."""
        import torch

        return bool(self.sum(torch.tensor([float(flag)])))

    # -- what each makes ---------------------------------------------------------------------------------------

    def exchange(self, about: str, make: Callable[[], Made]) -> list[Made]:
        """What every process makes, by its number; all of them must call it, and get all. What one raises all
        do, of several the error of the lowest number. Raises Parted where one of them has ended."""
        if self.count == 1:
            return [make()]
        try:
            with using(ALONE):
                message = _Message(_Kind.MADE, about, make())
        except Exception as error:
            message = _Message(_Kind.FAILED, about, _portable(error))
        messages = self._tell(message)
        for number, other in enumerate(messages):
            if other.kind is _Kind.ENDED:
                raise Parted(_known(number, other.content))
            if other.about != about:
                raise RuntimeError(f"process {number} is at {other.about or 'its end'}, this one at {about}")
        for other in messages:
            if other.kind is _Kind.FAILED:
                raise other.content
        return [other.content for other in messages]

    def from_main(self, about: str, make: Callable[[], Made]) -> Made:
        """What the main process makes, given to all."""
        return cast(Made, self.exchange(about, lambda: make() if self.is_main else None)[0])

    def main_first(self, about: str, make: Callable[[], Made]) -> Made:
        """What each makes once the main process has, which may leave something in a cache for them."""
        made = self.from_main(about, make)
        return made if self.is_main else make()

    def end(self, error: Exception | None = None) -> None:
        """Part from the others: all of them at the end, or this one with an error. With one the main process
        goes first, before a launcher ends it for another's sake. Raises Parted where another has an error."""
        if self.count == 1 or isinstance(error, Parted):
            self._let_main_go()
            return
        if error is None:
            self.exchange("", lambda: None)
            return
        with suppress(Parted):
            self._tell(_Message(_Kind.ENDED, "", _portable(error)))
        self._let_main_go()

    def _let_main_go(self) -> None:
        if not self.is_main:
            with suppress(Parted):
                self._tell(_Message(_Kind.ENDED, ""))

    def _tell(self, message: _Message) -> list[_Message]:
        """The messages of all processes. Raises Parted where one of them was lost."""
        import torch

        told: list[Any] = [None] * self.count
        try:
            torch.distributed.all_gather_object(told, _packed(message), group=self._group)
        except RuntimeError as error:
            lost = CoconutError("another process of this command ended: what it or the launcher said tells why")
            raise Parted(lost) from error
        return [message if number == self.number else _unpacked(each) for number, each in enumerate(told)]


ALONE = Processes()
_current = ContextVar("processes", default=ALONE)


def current() -> Processes:
    """The processes that share out what is done now; one alone unless a command has joined others."""
    return _current.get()


@contextmanager
def using(processes: Processes) -> Iterator[None]:
    """Share out among these what is done within."""
    token = _current.set(processes)
    try:
        yield
    finally:
        _current.reset(token)


# -- inside ------------------------------------------------------------------------------------------------


def _packed(message: _Message) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(message, file)
    return file.getvalue()


def _unpacked(content: bytes) -> _Message:
    """A message of another process; what lay on its GPU lies on this one's."""
    import torch

    def place(storage: Any, device: str) -> Any:
        return storage if device == "cpu" or not torch.cuda.is_available() else storage.cuda()

    message: _Message = torch.load(io.BytesIO(content), map_location=place, weights_only=False)
    return message


def _portable(error: Exception) -> Exception:
    """An error that can be told to others."""
    try:
        _unpacked(_packed(_Message(_Kind.FAILED, "", error)))
    except Exception:
        return CoconutError(describe_error(error))
    return error


def _known(number: int, error: Exception | None) -> Exception:
    """What is told of another process: its own words where a user can mend it, else which one it was."""
    if isinstance(error, CoconutError | Interrupted | OSError) or (error and device_failure(error)):
        return error
    what = "" if error is None else f" with {describe_error(error)}"
    return CoconutError(f"process {number} failed{what}")
