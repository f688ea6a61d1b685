"""Options that several subcommands share, and the opening of a model from them."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from coconut_core.model import CoconutModel

Model = Annotated[str, typer.Option("--model", "-m", help="Checkpoint folder or hub id.")]
Thoughts = Annotated[
    int | None, typer.Option("--thoughts", "-n", help="Continuous thoughts; default: what the checkpoint says.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Feedback = Annotated[
    str | None,
    typer.Option(help="What is fed back at a thought, for models not trained for it: hidden, mixture, pause."),
]


def open_model(model: str, device: str, dtype: str, feedback: str | None = None) -> "CoconutModel":
    """Open the model; a note on stderr where it was not trained to think in latents."""
    from coconut_core.model import CoconutModel

    opened = CoconutModel.from_pretrained(model, device=device, dtype=dtype, feedback=feedback)
    if not opened.config.trained:
        typer.echo(f"note: {model} was not trained to think in latents", err=True)
    return opened
