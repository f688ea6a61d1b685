"""The one place that touches a model: a thread with a queue of jobs that posts its results as messages.

The interface never waits for it. Torch and transformers are imported in the thread, and not before.
"""

from coconut_core.model_choice import ModelChoice
from coconut_tui.engine.engine import LONGEST_WAIT, Engine
from coconut_tui.engine.messages import (
    Activity,
    EngineError,
    ModelReady,
    QuestionRead,
    RunChanged,
    Stopped,
    VerdictRead,
)
from coconut_tui.engine.opening import LOADING
from coconut_tui.engine.replay import Replay

__all__ = [
    "LOADING",
    "LONGEST_WAIT",
    "Activity",
    "Engine",
    "EngineError",
    "ModelChoice",
    "ModelReady",
    "QuestionRead",
    "Replay",
    "RunChanged",
    "Stopped",
    "VerdictRead",
]
