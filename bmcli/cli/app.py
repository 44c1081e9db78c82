"""`bm`: finds commands by their place, runs one, and turns whatever happens into an exit code.

A command is a module of `bmcli.cli.commands`; it is imported when it is invoked. `bm --help` reads the first
line of its docstring from the source, without importing it.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import pkgutil
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from inspect import Signature
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from bmcli.cli import commands as commands_package
from bmcli.cli import render, startup
from bmcli.cli.command import COMMON_NAMES, Session, adapt, common_parameters, is_command
from bmcli.core import plugin_calls, quiet, streams
from bmcli.core.errors import (
    BmError,
    ExitCode,
    InterruptedRunError,
    ResourceError,
    UsageError,
    is_out_of_memory,
)

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_NARROW = 52
"""Columns below which click, left alone, writes help pages that are wider than the terminal."""

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
"""How `bm --help` sorts what it finds: the way of a first experiment. Others follow by name."""

_LISTS = ("optimizers", "schedules", "augmentations", "metrics", "tasks", "tokenizers", "trackers", "formats")
"""What `bm list` lists and is no command of its own."""

_SUMMARY = re.compile(r'^@command\ndef (\w+)\(.*?\) -> None:\n    """(.*?)(?:\n|""")', re.M | re.S)
"""Name and first docstring line of each command in a module's source. Parsing the source would take a quarter
of the time of `bm --help`."""

_CLOSED_PIPE = 141
"""What a shell shows for a program that wrote to a reader who had gone (128 + SIGPIPE)."""

_RESOURCE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EFBIG,
    errno.EIO,
}


_own_process = False
"""Whether this is the console script, and no program that calls `run`."""


class _ReaderGone(Exception):
    """stdout was closed. Not an OSError, which Typer would turn into exit code 1."""


class _Interrupted(Exception):
    """Ctrl-C. Not a KeyboardInterrupt, which Typer would answer itself, with an empty line."""


@contextmanager
def _ours() -> Iterator[None]:
    """Ends that are told here, and not by Typer."""
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderGone from error
    except KeyboardInterrupt as error:
        raise _Interrupted from error


def command_names() -> list[str]:
    """Every command, in the order of the help."""
    found = [m.name for m in pkgutil.iter_modules(commands_package.__path__) if not m.name.startswith("_")]
    return sorted(found, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def summaries(name: str) -> dict[str, str]:
    """Function name -> first docstring line of the command and its subcommands, read without importing."""
    spec = importlib.util.find_spec(f"{commands_package.__name__}.{name}")
    if spec is None or spec.origin is None:
        return {}
    with open(spec.origin, encoding="utf-8") as file:  # noqa: PTH123 (Path costs more here than the reading)
        return dict(_SUMMARY.findall(file.read()))


class _Plain:
    """Hands on texts, and defaults that have their type already, as they are.

    Typer would load pydantic for it, which takes longer than all else on the way to `bm runs`.
    """

    def __init__(self, parameter: Any) -> None:
        self._annotation = parameter.type_descriptor.annotation
        self._original = type(parameter).get_runtime_param.__get__(parameter)

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None or self._annotation in (str, list[str]) or type(value) is self._annotation:
            return () if value is None and param.nargs == -1 else value
        return self._original().coerce(value, param=param, ctx=ctx)


def _without_pydantic(parameter: Any) -> Any:
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is not None and getattr(descriptor.parameter_info, "parser", None) is None:
        plain = _Plain(parameter)
        parameter.get_runtime_param = lambda: plain
    return parameter


_TYPE = re.compile(r"<(?:list\[)?str\]?>")
"""How Typer names the type of an option that takes any text."""


def _shown(argument: Any, *, bare: bool = False) -> str:
    """An argument in a usage line: RUN, RUN..., [CONFIG], [KEY=VALUE]...; bare: without the brackets."""
    name = (argument.metavar or argument.name.upper()).replace("...", "").strip("[]")
    if not bare and not argument.required:
        name = f"[{name}]"
    return f"{name}..." if argument.nargs == -1 else name


def _noted(error: typer.TyperException, ctx: Any, given: list[str]) -> typer.TyperException:
    """The same, with the command line it is about, for `_usage_error`."""
    if not hasattr(error, "given"):
        error.given = given  # type: ignore[attr-defined]
        if hasattr(error, "ctx"):
            error.ctx = error.ctx or ctx
    return error


class _Command(TyperCommand):
    """A command or subcommand; its help lists the common options apart, and its subcommands."""

    subcommands: dict[str, str]
    """Name -> summary."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [_without_pydantic(parameter) for parameter in super().get_params(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise _noted(error, ctx, given) from error.__cause__

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *map(_shown, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        own: list[Any] = []
        common: list[Any] = []
        arguments: list[Any] = []
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

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        from typer.core import CompletionItem

        offered = [
            CompletionItem(name, help=summary)
            for name, summary in self.subcommands.items()
            if name.startswith(incomplete)
        ]
        return offered + super().shell_complete(ctx, incomplete)


def _build(module_name: str, function_name: str) -> _Command:
    module = importlib.import_module(f"{commands_package.__name__}.{module_name}")
    function = getattr(module, function_name)
    name = function_name.replace("_", "-")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=_SETTINGS)
    app.command(name, cls=_Command)(adapt(function, _enter))
    built = typer.main.get_command(app)
    assert isinstance(built, _Command)
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

    def get_params(self, ctx: Any) -> list[Any]:
        return [_without_pydantic(parameter) for parameter in super().get_params(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
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

    def list_commands(self, ctx: Any) -> list[str]:
        return command_names()

    def get_command(self, ctx: Any, cmd_name: str) -> _Command | None:
        """By name; 'runs show' for a subcommand."""
        head, _, subcommand = cmd_name.partition(" ")
        if head not in command_names():
            return None
        return _build(head, subcommand.replace("-", "_") or head)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
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
        subcommands = {n.replace("_", "-") for n in summaries(name) if n != name}
        position = _first_argument(rest)
        if name == "runs" and position is not None and rest[position] == "list":
            rest.pop(position)  # what `bm runs` does is called so elsewhere
            position = _first_argument(rest)
        if position is not None and rest[position] in subcommands:
            full = f"{name} {rest.pop(position)}"
            return full, self.get_command(ctx, full), rest
        return name, self.get_command(ctx, name), rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summaries(name).get(name, "")) for name in command_names()])

    def make_context(self, *args: Any, **settings: Any) -> Any:
        with _ours():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        with _ours():
            return super().invoke(ctx)


def _first_argument(args: Sequence[str]) -> int | None:
    """Where the first word stands that is not a common option (or the value of one)."""
    skip = False
    for position, arg in enumerate(args):
        if skip:
            skip = False
        elif arg == "--runs-dir":
            skip = True
        elif not arg.startswith("-"):
            return position
    return None


def build_app() -> Any:
    """The command line as a Typer group; commands are built when asked for."""

    def bm(ctx: typer.Context, **common: Any) -> None:
        if ctx.invoked_subcommand is None:
            print(ctx.get_help())

    bm.__doc__ = "Turn a YAML file into a trained, measured, reusable Keras model."
    context = Signature.from_callable(bm).parameters["ctx"].replace(annotation=typer.Context)
    bm.__signature__ = Signature([context.replace(kind=context.KEYWORD_ONLY), *common_parameters()])  # type: ignore[attr-defined]
    bm.__annotations__ = {}
    settings: dict[str, Any] = dict(_SETTINGS)
    if (columns := render.terminal_width()) < _NARROW:
        settings["terminal_width"] = columns - 2
    app = typer.Typer(
        name="bm",
        cls=_Root,
        rich_markup_mode=None,
        invoke_without_command=True,
        add_completion=True,
        context_settings=settings,
        pretty_exceptions_enable=False,
    )
    app.callback()(bm)
    return typer.main.get_command(app)


def _enter(session: Session) -> None:
    """What must be so before a command runs."""
    quiet.prepare(verbose=session.verbose)
    if _own_process:
        quiet.alone()
        streams.keep_stdout()


def _usage_error(error: typer.TyperException) -> UsageError:
    """A mistake Typer's parser found, as ours."""
    from bmcli.cli import usage

    return usage.explained(error, getattr(error, "given", ()))


def _as_bm_error(error: BaseException) -> BmError | None:
    """Whatever was raised, as one of our errors; None where it is a fault of bm itself."""
    if isinstance(error, BmError):
        return error
    if (fault := plugin_calls.fault_of(error)) is not None:
        return fault
    if isinstance(error, typer.TyperException):
        return _usage_error(error)
    if is_out_of_memory(error):
        return ResourceError("out of memory", hint="a smaller training.batch_size or model needs less")
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = str(error.filename or "")
        return UsageError(f"too long for the name of a file: {name[:60]}{'…' * (len(name) > 60)}")
    if isinstance(error, OSError) and error.errno in _RESOURCE_ERRORS:
        where = f": {error.filename}" if error.filename else ""
        return ResourceError(f"{error.strerror or 'cannot use the disk'}{where}")
    return None


def _report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell what went wrong, once; the exit code."""
    known = _as_bm_error(error)
    if debug:
        import traceback

        with suppress(OSError):  # a full or closed stderr changes no exit code
            traceback.print_exception(error)
    if known is None:
        known = BmError(
            f"internal error: {type(error).__name__}: {error}",
            hint=None if debug else "the same command with --debug shows where",
        )
    if as_json and not _tell_json(known):
        as_json = False
    if not as_json:
        render.print_error(known)
    return known.signal_exit_code if isinstance(known, InterruptedRunError) else known.exit_code


def _tell_json(error: BmError) -> bool:
    """Write the error document to stdout; False where stdout itself is what fails (a full disk)."""
    try:
        render.write_json(render.error_document(error), streams.out())
    except BrokenPipeError:
        raise
    except OSError:
        _abandon_stdout()
        return False
    return True


def _wants(flag: str, args: Sequence[str]) -> bool:
    """Whether the flag was given, known even where the command line could not be parsed."""
    return flag in (args[: args.index("--")] if "--" in args else args)


def _program(args: Sequence[str]) -> str:
    """What usage lines call the program: as it was started, so that they can be typed again.

    What completes is `bm`, however the completion is asked for or installed.
    """
    about_completion = any("-completion" in arg for arg in args) or "_BM_COMPLETE" in os.environ
    if Path(sys.argv[0]).name == "__main__.py" and not about_completion:
        return "python -m bmcli"
    return "bm"


def run(args: Sequence[str]) -> int:
    """One invocation; the exit code. Raises nothing but what ends a process (SystemExit of completion)."""
    as_json, debug = _wants("--json", args), _wants("--debug", args)
    try:
        code = build_app().main(list(args), prog_name=_program(args), standalone_mode=False)
        streams.out().flush()
        return code if isinstance(code, int) else ExitCode.DONE
    except (_ReaderGone, BrokenPipeError):
        return _leave_closed_pipe()
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        raised = error.__cause__ if isinstance(error, _Interrupted) else error
        assert raised is not None
        if isinstance(raised, SystemExit) and plugin_calls.fault_of(raised) is None:
            raise
        if isinstance(raised, KeyboardInterrupt | typer.Abort) and plugin_calls.fault_of(raised) is None:
            return _interrupted(raised, as_json=as_json, debug=debug)
        try:
            return _report(raised, as_json=as_json, debug=debug)
        except BrokenPipeError:
            return _leave_closed_pipe()


def _interrupted(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Say that it was stopped; the exit code."""
    code = getattr(error, "exit_code", ExitCode.INTERRUPTED)
    if debug:
        import traceback

        with suppress(OSError):
            traceback.print_exception(error)
    told = InterruptedRunError("interrupted", signal_exit_code=code)
    try:
        if not (as_json and _tell_json(told)):
            render.print_plain(told.message)
    except BrokenPipeError:
        return _leave_closed_pipe()
    return code


def _leave_closed_pipe() -> int:
    _abandon_stdout()
    return _CLOSED_PIPE


def _abandon_stdout() -> None:
    # The interpreter flushes stdout once more when it ends, and would complain: let it write to nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), streams.out().fileno())


def _open_closed_streams() -> None:
    """Started with stdout or stderr closed (`>&-`), write to nowhere.

    Otherwise the next file opened, one of a run's, would get descriptor 1 or 2, and C++ code would write its
    messages into it.
    """
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            stream = os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)


def _take_ctrl_c() -> None:
    """Ctrl-C raises as in any Python program, but from here: that is how a KeyboardInterrupt that a plugin
    raises is told from it. Where it is ignored (as under nohup), it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The console script `bm`."""
    global _own_process
    _own_process = True
    _open_closed_streams()
    _take_ctrl_c()
    startup.hasten()
    startup.leave(run(sys.argv[1:]))
