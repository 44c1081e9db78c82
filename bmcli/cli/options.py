"""The arguments and options that several commands have, as annotations of their parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from bmcli.cli.completion import complete_run

_CONFIG = typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a config that ships with bm.")
ConfigArgument = Annotated[str, _CONFIG]
OptionalConfigArgument = Annotated[str | None, _CONFIG]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the config: training.epochs=3."),
]
RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run: id, name, latest, @tag or path.", autocompletion=complete_run),
]
RunsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Runs: ids, names, latest, @tags or paths.", autocompletion=complete_run
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="A run: id, name, latest, @tag or path.",
        autocompletion=complete_run,
    ),
]
InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...", help="Files, folders, quoted patterns, - for stdin; with --text, texts."
    ),
]
TextOption = Annotated[
    bool, typer.Option("--text", help="Take the arguments as texts; for pairs, two by two.")
]
LinesOption = Annotated[bool, typer.Option("--lines", help="Read one text per line.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
TrustCodeOption = Annotated[
    bool, typer.Option("--trust-code", help="Run the Python files stored in a run directory.")
]
