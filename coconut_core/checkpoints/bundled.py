"""The models that come with the project, found from whatever folder they are asked for."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
PLACES = (_PACKAGE / "models", _PACKAGE.parent / "models")  # in an installed package; beside it, in a checkout


def bundled_model(source: str | Path) -> Path | None:
    """The folder of a model that is named as in the repository, such as models/prosqa; None for all else.

    A folder of that name where the command runs goes before it.
    """
    folder, named = Path(source), Path(source).parts
    if len(named) != 2 or named[0] != "models" or folder.exists():
        return None
    folders = (place / named[1] for place in PLACES if (place / named[1] / "config.json").is_file())
    return next((folder.resolve() for folder in folders), None)  # in a checkout the package's place is a link


def short_name(source: str) -> str:
    """A model's folder as a person reads it: one that comes with the project has its name in the repository."""
    folder = Path(source)
    return f"models/{folder.name}" if folder.parent in PLACES else source
