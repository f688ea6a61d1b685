"""The models that come with the project, found from whatever folder they are asked for."""

from collections.abc import Iterator
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


ABOUT = {  # what comes along, the one to begin with in front
    "prosqa": "finds a way in a graph; six thoughts that nobody labelled hold the search",
    "prontoqa": "judges a statement five rules away; thoughts that nobody labelled",
    "sums": "word problems; thought k says the result of step k",
    "prosqa-labelled": "as prosqa, but told what its thoughts should hold",
    "prosqa-cot": "as prosqa, but it reasons in words",
}


def bundled_models() -> Iterator[tuple[str, Path, str]]:
    """The models that come along and are there: the name, the folder, and what the model is, in a line."""
    for name, about in ABOUT.items():
        folders = (place / name for place in PLACES if (place / name / "config.json").is_file())
        folder = next((folder.resolve() for folder in folders), None)
        if folder is not None:
            yield f"models/{name}", folder, about


def short_name(source: str) -> str:
    """A model's folder as a person reads it: one that comes with the project has its name in the repository."""
    folder = Path(source)
    return f"models/{folder.name}" if folder.parent in PLACES else source
