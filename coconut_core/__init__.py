"""coconut_core: run, look inside and train models that reason in continuous thoughts (arXiv 2412.06769)."""

from typing import TYPE_CHECKING, Any

from coconut_core.common.errors import CoconutError

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel
    from coconut_core.evaluation.evaluate import evaluate
    from coconut_core.latent.config import CoconutConfig
    from coconut_core.records.trace import Trace
    from coconut_core.runs.generate import Runs
    from coconut_core.runs.session import Session

__version__ = "0.1.0"
__all__ = ["CoconutConfig", "CoconutError", "CoconutModel", "Runs", "Session", "Trace", "evaluate"]

_PLACES = {
    "CoconutConfig": "latent.config",
    "CoconutModel": "coconut",
    "Runs": "runs.generate",
    "Session": "runs.session",
    "Trace": "records.trace",
    "evaluate": "evaluation.evaluate",
}


def __getattr__(name: str) -> Any:
    # Names are looked up when first used, so that `coconut --help` imports neither torch nor transformers.
    if name not in _PLACES:
        raise AttributeError(f"module 'coconut_core' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"coconut_core.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
