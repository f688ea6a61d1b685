"""The `coconut-tui` command: the explorer, and its few commands beside. Textual is imported only once there is
something to show.

A first word that names a command is that command; anything else is for the explorer, so that `coconut-tui`,
`coconut-tui run.json` and `coconut-tui --model DIR` need none.
"""

import gc
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import HOW, ModelChoice
from coconut_core.terminal.guard import run_guarded, say
from coconut_core.terminal.options import (
    MODEL_HELP,
    Base,
    Untrained,
    expanded,
    expanded_source,
    grouped,
)
from coconut_core.terminal.processes import only_main_speaks, refuse_several
from coconut_tui.beginning import Begin

if TYPE_CHECKING:
    from coconut_tui.config import Config, LoadedConfig
    from coconut_tui.findings import Finding
    from coconut_tui.saved.keeper import Keeper

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(pretty_exceptions_enable=False)
commands = typer.Typer(name="coconut-tui", add_completion=False, pretty_exceptions_enable=False)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings; default: what coconut-tui config names.", callback=expanded),
]


@dataclass(frozen=True)
class _Overrides:
    """Settings that hold for this time."""

    thoughts: Annotated[int | None, typer.Option("--thoughts", "-n", help="Continuous thoughts.")] = None
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", help="Tokens shown of a step.")] = None
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = None
    dtype: Annotated[str | None, typer.Option(help="auto, float32, bfloat16, float16.")] = None


TraceFile = Annotated[
    Path | None, typer.Argument(help="A saved run to replay, without a model.", callback=expanded)
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help=f"{MODEL_HELP} Default: choose; with a question models/prosqa.",
        callback=expanded_source,
    ),
]
Restore = Annotated[
    bool | None,
    typer.Option(
        "--restore/--fresh",
        help="Go on with the last session, or begin anew, even after a crash.",
        show_default=False,
    ),
]


@app.command(
    context_settings=HELP,
    epilog="Other commands, each with --help: coconut-tui export, coconut-tui config, coconut-tui serve.",
)
@grouped
def explore(
    *,
    trace: TraceFile = None,
    model: Model = None,
    base: Base = None,
    begin: Begin,
    overrides: _Overrides,
    untrained: Untrained,
    config: ConfigFile = None,
    restore: Restore = None,
) -> None:
    """Step a Coconut model through its thoughts in the terminal.

    A Coconut model reasons without words before it speaks: for some steps its
    last hidden state is fed back as its next input. Each such vector is a
    continuous thought. Here you take them one by one, read what each would say,
    put something else in its place, and see whether the answer follows.

    Examples:

      coconut-tui                  choose what to open; the first time with a tour

      coconut-tui --example 4      another of its problems

      coconut-tui --model DIR --question "What is 3 times 14?"

      coconut-tui run.json         replay a saved run
    """
    from coconut_core.records.trace import Trace
    from coconut_tui.saved.keeper import Keeper
    from coconut_tui.saved.store import default_folder

    in_force = _settings(config, {"model": model, **vars(overrides)})
    settings = _with_last_choices(in_force)
    begin.check(trace)
    begins = trace is not None or begin != Begin()
    if restore and begins:
        raise CoconutError("--restore goes on with a session: leave out what else to open")
    loaded = None if trace is None else Trace.load(trace)
    more = {"trace": loaded, **begin.opened()}
    choice = _noted_with(more["finding"], _model_choice(settings, base, untrained), model, overrides)
    named = in_force.sources["model"] != "default"
    opened = begin.choice(choice, named=named) if loaded is None else None
    choice = opened or choice
    _check_terminal()
    keeper = Keeper(default_folder() if settings.remember else None, begin.data)
    if restore is False:
        keeper.give_up_crashed()
    source = choice.source if model else None
    saved = None if begins or restore is False else keeper.resume(source, even_if_left=restore is True)
    if saved is not None:
        more |= {"saved": saved, "problems": keeper.problems()}
        opened = _laid_over(saved.choice, choice, overrides)
    elif restore:
        raise CoconutError("there is no saved session to go on with")
    elif not begins and not named:
        from coconut_tui.tour.steps import first_time

        more |= {"begins_with_choice": True, "tour": settings.remember and first_time(default_folder().parent)}
    _run(opened, settings, keeper, more)


def explore_finding(named: str, model: str | None) -> None:
    """Open the explorer where a finding was noted; model: where its model lies here, None: as it says."""
    explore(finding=named, model=model)


def _noted_with(
    finding: "Finding | None", choice: ModelChoice, model: str | None, overrides: _Overrides
) -> ModelChoice:
    """The model of a finding, opened as the command line says where it says something."""
    if finding is None:
        return choice
    return _laid_over(finding.model.choice(model, choice.device), choice, overrides)


def _with_last_choices(in_force: "LoadedConfig") -> "Config":
    from coconut_tui.run.layouts import BUILT_IN
    from coconut_tui.saved.keeper import saved_form, saved_layout, saved_painting, saved_theme
    from coconut_tui.saved.store import default_folder

    settings = in_force.config
    if settings.remember and in_force.sources["theme"] == "default":
        theme = saved_theme(default_folder(), settings.themes)
        settings = replace(settings, theme=theme or settings.theme)
    if settings.remember and in_force.sources["paint"] == "default":
        painted = saved_painting(default_folder())
        settings = replace(settings, paint=settings.paint if painted is None else painted)
    if settings.remember and in_force.sources["form"] == "default":
        settings = replace(settings, form=saved_form(default_folder()) or settings.form)
    if settings.remember and in_force.sources["layout"] == "default":
        layout = saved_layout(default_folder())
        settings = replace(settings, layout=layout) if layout in {**BUILT_IN, **settings.layouts} else settings
    return settings


def _model_choice(settings: "Config", base: str | None, untrained: Untrained) -> ModelChoice:
    return ModelChoice(
        settings.model,
        device=settings.device,
        dtype=settings.dtype,
        feedback=untrained.feedback,
        chat=untrained.chat_choice,
        system=untrained.system,
        markers=untrained.markers,
        base=base,
    )


def _laid_over(saved: ModelChoice, choice: ModelChoice, overrides: _Overrides) -> ModelChoice:
    """The model of a saved session, opened as the command line says where it says something."""
    how = {name: getattr(choice, name) for name in HOW}
    how |= {"device": overrides.device, "dtype": overrides.dtype}
    return replace(saved, **{name: value for name, value in how.items() if value is not None})


def _is_served() -> bool:
    """Whether textual-serve started the explorer: its pipes are as good as a terminal."""
    return "TEXTUAL_DRIVER" in os.environ


def _check_terminal() -> None:
    if not _is_served() and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CoconutError("coconut-tui needs a terminal; in a pipe or script use: coconut ask --trace")


def _run(choice: ModelChoice | None, settings: "Config", keeper: "Keeper", more: dict[str, Any]) -> None:
    """Run the explorer, and end the process as it ended."""
    from coconut_tui.app import Explorer
    from coconut_tui.config import Config
    from coconut_tui.leaving import end_process, leaving_on_signals
    from coconut_tui.terminal import draw_on_terminal

    if any(getattr(settings, name) != getattr(Config(), name) for name in FOR_THE_APP):
        more["config"] = settings
    explorer = Explorer(choice, thoughts=settings.thoughts, top_k=settings.top_k, keeper=keeper, **more)
    if not _is_served():
        draw_on_terminal()
    try:
        with leaving_on_signals(keeper.flush, lambda code: explorer.exit(return_code=code)):
            explorer.run()
    finally:
        keeper.close(in_order=explorer.return_code == 0)
    end_process(explorer.return_code or 0)


def _settings(path: Path | None, given: Mapping[str, Any] | None = None) -> "LoadedConfig":
    from coconut_tui.config import load_config

    def check_keys(keys: Mapping[str, str]) -> None:
        from coconut_tui.actions import (
            table,  # with Textual behind it, which settings without keys can do without
        )

        table.check_keys(keys)

    def check_layouts(layouts: Mapping[str, Any]) -> None:
        from coconut_tui.run.layouts import read_layout
        from coconut_tui.views import names_of_views

        for name, value in layouts.items():
            read_layout(name, value, names_of_views())

    return load_config(path, given, check_keys=check_keys, check_layouts=check_layouts)


FOR_THE_APP = (
    "theme",
    "palette",
    "branch_memory_mb",
    "look_ahead",
    "paint",
    "layout",
    "layouts",
    "keys",
    "findings",
)  # settings that only the app itself acts on


@commands.command("export", context_settings=HELP)
def export(
    trace: Annotated[Path, typer.Argument(help="A saved run.", callback=expanded)],
    to: Annotated[
        Path | None,
        typer.Option(help="The file to write, - for stdout; default: RUN.html beside it.", callback=expanded),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", help="html, markdown, text, json, csv or parquet; default: by the file's name."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Write a saved run, or a saved tree of branches, down for others; prints the path.

    As one HTML page, Markdown, text, JSON, or its steps as a table (CSV, Parquet).

    Examples:

      coconut-tui export run.json --to run.html

      coconut-tui export run.json --format markdown --to - | less
    """
    from coconut_core.common.paths import check_outputs
    from coconut_tui.export import TracedTree, export_for, export_named, write_export

    chosen = None if form is None else export_named(form)
    if to == Path("-"):
        content = (chosen or export_named("text")).render(TracedTree.load(trace))
        if isinstance(content, bytes):
            sys.stdout.buffer.write(content)
        else:
            say(content, nl=False)
        return
    path = to or trace.with_suffix((chosen or export_named("html")).extension)
    check_outputs([path], [trace])
    chosen = chosen or export_for(path)
    say(write_export(TracedTree.load(trace), path, chosen, replace=force))


@commands.command("config", context_settings=HELP)
def show_config(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Print the settings in force and where each comes from, as a config file.

    A setting is taken from the command line, else from the environment (COCONUT_TUI_MODEL and so on; the file
    itself from COCONUT_TUI_CONFIG), else from the config file, else it has its default.
    """
    loaded = _settings(config)
    say(json.dumps(loaded.to_json(), ensure_ascii=False) if as_json else loaded.to_toml())


@commands.command("serve", context_settings={**HELP, "allow_extra_args": True, "ignore_unknown_options": True})
def serve_explorer(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = ("localhost"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    public_url: Annotated[
        str | None, typer.Option(help="The address browsers use; default: http://HOST:PORT.")
    ] = None,
) -> None:
    """Show the explorer in a browser; everything else on the line is for the explorer.

    Example:

      coconut-tui serve --port 9000 --model models/prosqa
    """
    from coconut_tui.serve import serve

    typer.main.get_command(app).make_context("coconut-tui", list(context.args))  # what is misspelt is said now
    serve(context.args, host, port, public_url)


def main() -> None:
    """Entry point of the `coconut-tui` command."""
    names = {command.name for command in commands.registered_commands}
    gc.disable()  # what is imported stays; the explorer turns it on again
    try:
        run_guarded(lambda: _run_alone(commands if names.intersection(sys.argv[1:2]) else app))
    finally:
        gc.enable()


def _run_alone(command: typer.Typer) -> None:
    only_main_speaks()
    refuse_several("coconut-tui")
    command()
