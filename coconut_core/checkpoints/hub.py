"""Models by hub id: which sources are looked for on the hub, and whether it answers."""

import re
from pathlib import Path

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
TIMEOUT = 10.0  # seconds to wait for the hub's first answer


def is_hub_id(source: str | Path) -> bool:
    """Whether source is looked for on the hub rather than on the disk.

    A name like models/prosqa is a path, not a hub id, where its parent is a folder here.
    """
    folder = user_path(source)
    return bool(_HUB_ID.fullmatch(str(source))) and not folder.exists() and not folder.parent.is_dir()


def check_source(source: str | Path) -> None:
    """Raise CoconutError where source is neither there nor can be a hub id. Asks no network."""
    if not is_hub_id(source) and not user_path(source).exists():
        raise CoconutError(
            f"there is no folder {source}: give a checkpoint folder or a hub id like openai-community/gpt2"
        )


def reach_hub(source: str) -> str:
    """What to open for a hub id: itself, or, where the hub does not answer, the folder of an earlier download.

    One question without retries, so that being offline costs no waiting. Raises CoconutError where the model is
    neither there nor here.
    """
    # A tenth of a second to import, and an explorer that opens a folder starts without it.
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RemoteEntryNotFoundError

    try:
        here = try_to_load_from_cache(source, "config.json")
    except HFValidationError as error:
        raise CoconutError(f"there is no folder {source}, and it cannot be a hub id") from error
    try:
        get_hf_file_metadata(hf_hub_url(source, "config.json"), timeout=TIMEOUT)
    except RemoteEntryNotFoundError as error:
        raise CoconutError(f"{source} on the hub is not a model: it has no config.json") from error
    except Exception as error:  # huggingface_hub lets the errors of its HTTP library through
        if isinstance(here, str):
            return str(Path(here).parent)
        if isinstance(error, HfHubHTTPError):
            raise CoconutError(f"there is no folder {source}, and the hub says: {one_line(error)}") from error
        raise CoconutError(
            f"there is no folder {source}, and no model of that name can be had from the hub (offline?)"
        ) from error
    return source
