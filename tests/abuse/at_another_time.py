"""A command where the clock is wrong: python -m tests.abuse.at_another_time SECONDS[,SECONDS…] COMMAND …

The clock that it sees is off by so many seconds; where several are given, each look at it is off by the next:
it jumps to and fro while the command runs.
"""

import datetime
import itertools
import sys
import time

from tests.abuse.warm import run_command

now, now_ns, steady = time.time, time.time_ns, datetime.datetime


class _Jumping(datetime.datetime):
    """One that looks at time.time, as date does already."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_Jumping":
        return cls.fromtimestamp(time.time(), tz)


offsets = itertools.cycle([int(each) for each in sys.argv[1].split(",")])
time.time = lambda: now() + next(offsets)
time.time_ns = lambda: now_ns() + next(offsets) * 10**9
for module in list(sys.modules.values()):
    if getattr(module, "datetime", None) is steady:
        module.datetime = _Jumping  # type: ignore[attr-defined]
sys.argv = sys.argv[2:]
run_command(sys.argv[0])
