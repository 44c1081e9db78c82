"""What all commands share: the common options, and the session made from them.

A command is a plain function in `bmcli/cli/commands/<name>.py`, marked with `@command`. Its first parameter
is the `Session`; the others are its own arguments and options, declared as for Typer. Its docstring is
its help. The function named like its module is the command (`bm runs`); every other marked function of the
module is a subcommand (`bm runs show`):

    @command
    def runs(session: Session) -> None:
        \"\"\"List runs.\"\"\"

    @command
    def show(session: Session, run: RunArgument) -> None:
        \"\"\"Show a run.\"\"\"

A command module imports Typer and the standard library at the top, and everything else inside the function,
so that help, completion and usage errors are fast.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from typer.models import OptionInfo

from bmcli.cli import completion
from bmcli.core import streams
from bmcli.core.errors import UsageError
from bmcli.core.plain import Document
from bmcli.core.sanitize import safe
from bmcli.terminal import render

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from bmcli.core.components import Missing, Progress
    from bmcli.runs.store import RunStore

F = TypeVar("F", bound=Callable[..., None])


@dataclass(frozen=True)
class Session:
    """The common options of one invocation, and its output.

    Results go to stdout, everything else to stderr.
    """

    runs_dir: Path = Path("runs")
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    aside: bool = False
    """Results go to stderr, because a file is written to stdout."""

    def writing(self, output: Path | None, option: str = "--output") -> Session:
        """The session of a command that writes this file; if the file is standard output, other output goes
        to stderr. UsageError if `--json` uses stdout too, or if the file cannot be written."""
        from bmcli.runs import outputs

        if output is None:
            return self
        outputs.check(output, option)
        if not outputs.is_stdout(output):
            return self
        if self.json:
            raise UsageError(
                f"{option} {output} and --json both write to standard output",
                hint="write one of them to a file",
            )
        return replace(self, aside=True)

    @cached_property
    def store(self) -> RunStore:
        """The runs in `--runs-dir`."""
        from bmcli.runs.store import RunStore

        return RunStore(self.runs_dir)

    @cached_property
    def out(self) -> Console:
        """Rich on stdout."""
        return render.console(streams.out())

    @cached_property
    def err(self) -> Console:
        """Rich on stderr."""
        return render.console(sys.stderr)

    def result(
        self,
        document: Mapping[str, object],
        shown: RenderableType | Callable[[], RenderableType | None] | None = None,
    ) -> None:
        """The command's result: with --json, the document with `format: 1`, else `shown`.

        shown: text or any Rich renderable, or a function that makes one (so that --json need not import
            Rich); None if there is nothing to show. Text is written without wrapping it to the terminal's
            width.
        """
        if self.json:
            render.write_json({"format": 1, **document}, streams.out())
            return
        if callable(shown):
            shown = shown()
        if isinstance(shown, str):
            render.print_plain(shown, sys.stderr if self.aside else streams.out())
        elif shown is not None:
            (self.err if self.aside else self.out).print(shown)

    def result_line(self, document: Mapping[str, object]) -> None:
        """One result of many: the document with `format: 1` on one line of stdout (JSONL)."""
        render.write_json({"format": 1, **document}, streams.out(), indent=None)

    def note(self, text: str) -> None:
        """Write a note to stderr, unless -q is given."""
        if not self.quiet:
            render.print_plain(text)

    def warn(self, text: str) -> None:
        """Write a warning to stderr, even with -q."""
        render.print_plain(text, lead="warning: ", style=render.WARNING)

    def obtain(self, missing: Missing, download: Callable[[Progress | None], None]) -> None:
        """Download the weights that a config names, and show it; see `bmcli.config.resolve.load`."""
        from bmcli.cli import downloads

        downloads.obtain(self, missing, download)

    def confirm(self, question: str, flag: str) -> bool:
        """Ask yes or no on the terminal; UsageError naming `flag` ('--yes') if there is no terminal."""
        if self.json or not (render.is_terminal(sys.stdin) and render.is_terminal(sys.stderr)):
            raise UsageError(
                f"cannot ask for confirmation without a terminal: {question}", hint=f"pass {flag}"
            )
        sys.stderr.write(safe(f"{question} [y/N] "))
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def command(function: F) -> F:
    """Mark a function as a command (or subcommand) of its module; it stays a plain function."""
    function.__bm_command__ = True  # type: ignore[attr-defined]
    return function


def is_command(value: object) -> bool:
    """Whether it was marked with `@command`."""
    return callable(value) and getattr(value, "__bm_command__", False)


def _version(wanted: bool) -> None:
    if wanted:
        from bmcli._version import __version__

        if "--json" in sys.argv:
            render.write_json({"format": 1, "bm": __version__}, sys.stdout)
        else:
            print(f"bm {__version__}")
        raise typer.Exit


_COMMON: dict[str, tuple[object, object]] = {
    "runs_dir": (
        Annotated[
            str | None,
            typer.Option(
                "--runs-dir", metavar="DIR", help="Folder of the runs [default: BM_RUNS_DIR, or runs]."
            ),
        ],
        None,
    ),
    "json": (Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")], False),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")], False),
    "verbose": (
        Annotated[
            bool, typer.Option("--verbose", "-v", help="More detail, including TensorFlow's own messages.")
        ],
        False,
    ),
    "debug": (Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")], False),
    "version": (
        Annotated[
            bool, typer.Option("--version", "-V", help="Print the version.", is_eager=True, callback=_version)
        ],
        False,
    ),
}
"""The options of every command: annotation and default."""

COMMON_NAMES = frozenset(_COMMON)


def common_parameters() -> list[inspect.Parameter]:
    """The common options, as parameters of a signature."""
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in _COMMON.items()
    ]


def open_session(*given: Mapping[str, object]) -> Session:
    """A session of the common options given after `bm` and after the command; the later one counts."""
    import os

    values: Document = {"runs_dir": os.environ.get("BM_RUNS_DIR") or "runs"}
    for options in given:
        values |= {name: value for name, value in options.items() if name in COMMON_NAMES and value}
    values.pop("version", None)
    return Session(**{**values, "runs_dir": Path(values["runs_dir"])})


_COMPLETED: dict[str, Callable[..., object]] = {
    "CONFIG": completion.complete_config,
    "[CONFIG]": completion.complete_config,
    "[KEY=VALUE]...": completion.complete_change,
    "[TEMPLATE|PATH]": completion.complete_source,
    "--sort": completion.complete_sort,
    "--min": completion.complete_bound,
    "--max": completion.complete_bound,
    "--max-drop": completion.complete_bound,
}
"""The completion of arguments with this metavar, and of options with this name, in every command."""


def _complete(parameter: inspect.Parameter) -> None:
    """Add shell completion, unless the declaration has its own."""
    for about in getattr(parameter.annotation, "__metadata__", ()):
        if not hasattr(about, "autocompletion"):
            continue
        own = [f"--{parameter.name.replace('_', '-')}"] if isinstance(about, OptionInfo) else []
        names = [about.metavar, *(about.param_decls or own)]
        known = next((_COMPLETED[name] for name in names if name in _COMPLETED), None)
        if known is not None and about.autocompletion is None:
            about.autocompletion = known


def adapt(function: Callable[..., None], enter: Callable[[Session], None]) -> Callable[..., None]:
    """The function in the form Typer needs: without the session, with the common options.

    enter: called with the session before the function is.
    """
    signature = inspect.signature(function, eval_str=True)
    first, *own = signature.parameters.values()
    if first.name != "session":
        raise TypeError(f"{function.__module__}.{function.__name__}: the first parameter must be `session`")
    for parameter in own:
        _complete(parameter)

    def run(ctx: typer.Context, **values: object) -> None:
        session = open_session(ctx.find_root().params, values)
        enter(session)
        function(session, **{name: value for name, value in values.items() if name not in COMMON_NAMES})

    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *keyword_only, *common_parameters()])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    run.__doc__ = function.__doc__
    return run
