"""`bm` as a group of commands; each is built on demand.

A command is a module of `bmcli.cli.commands`; it is imported when it is invoked. `bm --help` reads the first
line of its docstring from the source, without importing it.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import Signature
from typing import TYPE_CHECKING, TypedDict

import typer
from typer.core import TyperCommand, TyperGroup

from bmcli.cli import commands as commands_package
from bmcli.cli import startup
from bmcli.cli.command import COMMON_NAMES, Session, adapt, common_parameters, is_command
from bmcli.core.errors import UsageError
from bmcli.terminal import render

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer._click.core import Parameter
    from typer._click.shell_completion import CompletionItem


class _Settings(TypedDict, total=False):
    """Click's settings of a context."""

    help_option_names: list[str]
    terminal_width: int


_SETTINGS: _Settings = {"help_option_names": ["-h", "--help"]}
_NARROW = 52
"""Width below which click's own help pages are wider than the terminal."""

_ORDER = (
    "init",
    "check",
    "train",
    "runs",
    "evaluate",
    "predict",
    "explain",
    "compare",
    "gate",
    "report",
    "export",
)
"""The order in `bm --help`: that of a first experiment. Other commands follow by name."""

_LISTS = (
    *("optimizers", "schedules", "augmentations", "metrics", "tasks", "modalities"),
    *("tokenizers", "trackers", "formats"),
)
"""Kinds that `bm list` lists and that are not commands themselves."""


class ReaderGone(Exception):
    """stdout was closed. Not an OSError, which Typer would turn into exit code 1."""


class Interrupted(Exception):
    """Ctrl-C. Not a KeyboardInterrupt, which Typer would answer itself, with an empty line."""


@contextmanager
def _ours() -> Iterator[None]:
    """Exceptions that are reported here and not by Typer."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except KeyboardInterrupt as error:
        raise Interrupted from error


def command_names() -> list[str]:
    """Every command, in the order of the help."""
    found = [m.name for m in pkgutil.iter_modules(commands_package.__path__) if not m.name.startswith("_")]
    return sorted(found, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


_TYPE = re.compile(r"<(?:list\[)?str\]?>")
"""Typer's name for the type of an option that takes any text."""


def _shown(argument: Parameter, *, bare: bool = False) -> str:
    """An argument in a usage line: RUN, RUN..., [CONFIG], [KEY=VALUE]...; bare: without the brackets."""
    name = (argument.metavar or argument.name.upper()).replace("...", "").strip("[]")
    if not bare and not argument.required:
        name = f"[{name}]"
    return f"{name}..." if argument.nargs == -1 else name


def _noted(error: typer.TyperException, ctx: Context, given: list[str]) -> typer.TyperException:
    """The same, with the command line it concerns, for `_usage_error`."""
    about = vars(error)
    if "given" not in about:
        about["given"] = given
        if "ctx" in about:
            about["ctx"] = about["ctx"] or ctx
    return error


class BmCommand(TyperCommand):
    """A command or subcommand; its help lists the common options separately, and its subcommands."""

    subcommands: dict[str, str]
    """Name -> summary."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        return [startup.without_pydantic(parameter) for parameter in super().get_params(ctx)]

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise _noted(error, ctx, given) from error.__cause__

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *map(_shown, arguments)]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        arguments: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                arguments.append((_shown(parameter, bare=True), record[1].replace("  [required]", "")))
            else:
                record = (_TYPE.sub("TEXT", record[0]), record[1])
                (common if parameter.name in {*COMMON_NAMES, "help"} else own).append(record)
        sections = {
            "Arguments": arguments,
            "Options": own,
            "Common options": common,
            "Subcommands": list(self.subcommands.items()),
        }
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        from typer.core import CompletionItem

        offered = [
            CompletionItem(name, help=summary)
            for name, summary in self.subcommands.items()
            if name.startswith(incomplete)
        ]
        return offered + super().shell_complete(ctx, incomplete)


def _build(module_name: str, function_name: str, enter: Callable[[Session], None]) -> BmCommand:
    module = importlib.import_module(f"{commands_package.__name__}.{module_name}")
    function = getattr(module, function_name)
    name = function_name.replace("_", "-")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=dict(_SETTINGS))
    app.command(name, cls=BmCommand)(adapt(function, enter))
    built = typer.main.get_command(app)
    assert isinstance(built, BmCommand)
    is_head = function_name == module_name
    built.subcommands = {}
    if is_head:
        marked = {n: v for n, v in vars(module).items() if is_command(v) and v.__module__ == module.__name__}
        built.subcommands = {
            n.replace("_", "-"): (v.__doc__ or "").strip().split("\n")[0]
            for n, v in marked.items()
            if n != module_name
        }
    return built


class _Root(TyperGroup):
    """`bm` itself."""

    enter: Callable[[Session], None]
    """Called with the session before each command."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        return [startup.without_pydantic(parameter) for parameter in super().get_params(ctx)]

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """`bm help train`, `bm version` and `bm metrics` in full: --help, --version, `bm list metrics`."""
        position = _first_argument(args)
        word = args[position] if position is not None else None
        if position is not None and word == "help":
            args = [*args[:position], *args[position + 1 :], "--help"]
        elif position is not None and word == "version":
            args = [*args[:position], "--version", *args[position + 1 :]]
        elif position is not None and word in _LISTS:
            args = [*args[:position], "list", *args[position:]]
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise _noted(error, ctx, given) from error.__cause__

    def list_commands(self, ctx: Context) -> list[str]:
        return command_names()

    def get_command(self, ctx: Context, cmd_name: str) -> BmCommand | None:
        """By name; 'runs show' for a subcommand."""
        head, _, subcommand = cmd_name.partition(" ")
        if head not in command_names():
            return None
        return _build(head, subcommand.replace("-", "_") or head, self.enter)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find `bm runs` and `bm runs show`; common options may stand between the two words."""
        name, rest = args[0], args[1:]
        if name not in command_names():
            if ctx.resilient_parsing:
                return None, None, rest
            known = command_names()
            if name.startswith("-"):
                raise UsageError(f"bm has no option {name}", hint=f"see {ctx.command_path} --help")
            from bmcli.cli import usage

            raise usage.unknown_command(name, known)
        subcommands = {n.replace("_", "-") for n in startup.summaries(name) if n != name}
        position = _first_argument(rest)
        if name == "runs" and position is not None and rest[position] == "list":
            rest.pop(position)  # other programs' names for `bm runs`
            position = _first_argument(rest)
        if position is not None and rest[position] in subcommands:
            full = f"{name} {rest.pop(position)}"
            return full, self.get_command(ctx, full), rest
        return name, self.get_command(ctx, name), rest

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, startup.summaries(name).get(name, "")) for name in command_names()])

    def make_context(
        self, info_name: str | None, args: list[str], parent: Context | None = None, **extra: object
    ) -> Context:
        with _ours():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Context) -> object:
        with _ours():
            return super().invoke(ctx)


def _first_argument(args: Sequence[str]) -> int | None:
    """Position of the first word that is not a common option (or the value of one)."""
    skip = False
    for position, arg in enumerate(args):
        if skip:
            skip = False
        elif arg == "--runs-dir":
            skip = True
        elif not arg.startswith("-"):
            return position
    return None


def build_app(enter: Callable[[Session], None]) -> TyperGroup:
    """The command line as a Typer group; commands are built on demand.

    enter: called with the session before a command runs.
    """

    def bm(ctx: typer.Context, **common: object) -> None:
        if ctx.invoked_subcommand is None:
            print(ctx.get_help())

    bm.__doc__ = "Turn a YAML file into a trained, measured, reusable Keras model."
    context = Signature.from_callable(bm).parameters["ctx"].replace(annotation=typer.Context)
    bm.__signature__ = Signature([context.replace(kind=context.KEYWORD_ONLY), *common_parameters()])  # type: ignore[attr-defined]
    bm.__annotations__ = {}
    settings: _Settings = {**_SETTINGS}
    if (columns := render.terminal_width()) < _NARROW:
        settings["terminal_width"] = columns - 2
    app = typer.Typer(
        name="bm",
        cls=_Root,
        rich_markup_mode=None,
        invoke_without_command=True,
        add_completion=True,
        context_settings=dict(settings),
        pretty_exceptions_enable=False,
    )
    app.callback()(bm)
    built = typer.main.get_command(app)
    assert isinstance(built, _Root)
    built.enter = enter
    return built
