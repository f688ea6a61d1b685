"""How many cases are tried, and which."""

import os

from hypothesis import HealthCheck, settings

CASES = int(os.environ.get("COCONUT_FUZZ", "40"))
FUZZ = settings(
    max_examples=CASES,
    deadline=None,
    derandomize="COCONUT_FUZZ" not in os.environ,  # the same cases in every short run, new ones in a long one
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
