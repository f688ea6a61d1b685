"""coconut_core: run, look inside and train models that reason in continuous thoughts (arXiv 2412.06769)."""

from typing import TYPE_CHECKING, Any

from coconut_core.errors import CoconutError

if TYPE_CHECKING:
    from coconut_core.config import CoconutConfig
    from coconut_core.generate import Runs
    from coconut_core.model import CoconutModel
    from coconut_core.session import Session
    from coconut_core.trace import Trace

__version__ = "0.1.0"
__all__ = ["CoconutConfig", "CoconutError", "CoconutModel", "Runs", "Session", "Trace"]

_PLACES = {
    "CoconutConfig": "config",
    "CoconutModel": "model",
    "Runs": "generate",
    "Session": "session",
    "Trace": "trace",
}


def __getattr__(name: str) -> Any:
    # Names are looked up when first used, so that `coconut --help` imports neither torch nor transformers.
    if name not in _PLACES:
        raise AttributeError(f"module 'coconut_core' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"coconut_core.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
