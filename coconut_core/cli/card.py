"""The model card of an exported folder: what the checkpoint is, and what was measured of it."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError
from coconut_core.common.markdown import markdown_table
from coconut_core.common.paths import user_path
from coconut_core.evaluation.control_tables import as_markdown
from coconut_core.evaluation.facts import model_facts

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel
    from coconut_core.evaluation.verdict import Controls

FILE_NAME = "README.md"
BEGIN, END = "<!-- written by coconut export -->", "<!-- end of what coconut export wrote -->"
SHOWN = (
    *("architecture", "parameters", "layers", "hidden_size", "vocabulary", "context", "dtype"),
    *("thinking", "feedback", "trained_to_think_in_latents", "stage", "family"),
)


def read_own_card(source: str) -> str:
    """The README.md of a checkpoint folder without what an export wrote into it; empty where there is none."""
    path = user_path(source) / FILE_NAME
    if not path.is_file():
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CoconutError(f"{path} cannot be read: {error}") from error
    return re.sub(rf"\s*{re.escape(BEGIN)}.*?{re.escape(END)}\s*", "\n", text, flags=re.DOTALL).strip()


def model_card(model: "CoconutModel", source: str, controls: "Controls | None", own: str) -> str:
    """The text of README.md: the checkpoint's own card if it has one, then facts, use and verdict.

    Its figures are those of controls and of the model itself.
    """
    head, body = _split_front_matter(own)
    name = Path(source).name
    return "\n".join(
        [
            head or _front_matter(model),
            "",
            body or f"# {name}",
            "",
            BEGIN,
            "",
            "## The checkpoint",
            "",
            _facts(model, source),
            *_origin(model),
            "",
            "## Use",
            "",
            '    coconut ask --model DIR-OR-HUB-ID "QUESTION" --trace',
            "    coconut-tui --model DIR-OR-HUB-ID",
            "",
            "transformers alone (`AutoModelForCausalLM`) opens it as an ordinary model, without its thoughts.",
            "",
            "## What the controls say of its thoughts",
            "",
            *_measured(controls),
            "",
            END,
            "",
        ]
    )


def _split_front_matter(text: str) -> tuple[str, str]:
    match = re.match(r"---\n.*?\n---\n?", text, re.DOTALL)
    return (match[0].strip(), text[match.end() :].strip()) if match else ("", text)


def _front_matter(model: "CoconutModel") -> str:
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    base = str(model.config.data.get("base", ""))
    if re.fullmatch(r"[\w.-]+/[\w.-]+", base) and not Path(base).exists():
        lines.append(f"base_model: {base}")
    return "\n".join([*lines, "tags:", "- coconut", "- latent-reasoning", "---"])


def _facts(model: "CoconutModel", source: str) -> str:
    facts = model_facts(source, model)
    rows = [
        [name.replace("_", " "), f"{value:,}" if type(value) is int else str(value)]
        for name in SHOWN
        if (value := facts.get(name)) is not None
    ]
    return markdown_table(["", ""], rows, left=["", ""])


def _origin(model: "CoconutModel") -> list[str]:
    data = model.config.data
    if "converted_from" not in data:
        return []
    file = f"`{data['file']}` ({data['converted_from']}; SHA-256 `{data['sha256']}`)"
    return ["", f"Converted from {file}, base {data['base']}."]


def _measured(controls: "Controls | None") -> list[str]:
    if controls is None:
        return ["Not measured. `coconut controls --model DIR-OR-HUB-ID` does it."]
    figures = f"{controls.count} problems: {controls.data}; measured on {controls.date}."
    return [as_markdown(controls), "", figures]
