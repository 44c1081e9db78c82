"""Errors in the command line: what is wrong, and what to type instead.

Loaded when something is wrong; needs neither the config's schema nor Rich.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol

from bmcli.config.parsing import foreign_names
from bmcli.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import typer


class Parameter(Protocol):
    """An option or argument of a command, as Typer's parser has it."""

    name: str
    opts: Sequence[str]
    metavar: str | None
    param_type_name: str


class Command(Protocol):
    """A command, as Typer's parser has it."""

    def get_params(self, context: Context) -> Sequence[Parameter]: ...


class Context(Protocol):
    """A command that is being parsed."""

    command: Command
    command_path: str


_OPTIONS: dict[str, str] = {
    "runs_dir": "output_dir out_dir outdir save_dir savedir logdir log_dir log_path project results work_dir",
    "run": "model weights checkpoint ckpt model_path load",
    "output": "out save o output_file destination dest",
    "top_k": "topk k n_best",
    "split": "dataset subset",
    "smoke": "dry_run dryrun fast_dev_run test_run",
    "resume": "resume_from resume_from_checkpoint continue",
    "quiet": "silent no_progress",
    "name": "run_name exp_name experiment experiment_name",
    "tag": "label",
    "format": "to export_format",
    "yes": "force y assume_yes",
    "batch_size": "batch bs",
    "keep": "keep_last",
    "build": "dry_run full deep load",
    "measure": "benchmark time profile",
    "text": "prompt sentence",
    "sort": "sort_by order order_by",
    "baseline": "against reference",
    "verbose": "log_level loglevel verbosity",
}
"""For each option: its names in other programs. Used only if the command has the option."""

_GPU = ("gpu", "cuda", "gpus", "use_gpu", "ngpu", "num_gpus", "accelerator")
_CPU = ("cpu", "no_cuda", "no_gpu", "cpu_only")
_CONFIG = ("config", "cfg", "config_file", "config_path", "yaml", "c")
_INPUT = ("input", "inputs", "image", "images", "file", "files", "source", "path", "i")

_VALUES: dict[str, dict[str, str]] = {
    "device": {"cuda": "gpu", "cuda:0": "gpu", "0": "gpu", "tpu": "auto", "mps": "auto", "any": "auto"},
    "format": {
        **dict.fromkeys(("tflite", "tf_lite", "tensorflow_lite", "lite"), "litert"),
        **dict.fromkeys(("savedmodel", "tf", "tensorflow", "pb"), "saved_model"),
        **dict.fromkeys(("onnxruntime", "ort"), "onnx"),
        **dict.fromkeys(("huggingface", "transformers", "safetensors"), "hf"),
    },
    "split": dict.fromkeys(("val", "valid", "dev"), "validation"),
    "status": {"done": "completed", "finished": "completed", "crashed": "failed", "stopped": "interrupted"},
}

_COMMANDS: dict[str, str] = {
    **dict.fromkeys(("ls", "ps", "history", "experiments", "experiment"), "bm runs"),
    **dict.fromkeys(("show", "info", "describe", "inspect"), "bm runs show RUN"),
    **dict.fromkeys(("rm", "remove", "delete", "del"), "bm runs remove RUN"),
    **dict.fromkeys(("prune", "clean", "gc"), "bm runs prune --keep N"),
    "verify": "bm runs verify RUN",
    **dict.fromkeys(("resume", "continue"), "bm train --resume RUN"),
    **dict.fromkeys(("smoke", "test-run"), "bm train CONFIG --smoke"),
    **dict.fromkeys(("fit", "run", "start", "learn"), "bm train CONFIG"),
    **dict.fromkeys(("test", "eval", "validate", "score", "val"), "bm evaluate RUN"),
    **dict.fromkeys(("infer", "inference", "classify", "pred"), "bm predict INPUT"),
    **dict.fromkeys(("new", "create", "draft", "template", "templates", "configs"), "bm init"),
    **dict.fromkeys(("lint", "config", "build"), "bm check CONFIG"),
    **dict.fromkeys(("diff",), "bm compare RUN RUN"),
    **dict.fromkeys(("convert", "onnx", "tflite"), "bm export RUN --format FORMAT"),
    **dict.fromkeys(("download", "fetch", "get"), "bm datasets get NAME"),
    **dict.fromkeys(("diagnose", "health", "env"), "bm doctor"),
}
"""Commands of other programs, and the equivalent in bm."""


def unknown_command(name: str, known: Sequence[str]) -> UsageError:
    """The error for `bm NAME`."""
    line = _COMMANDS.get(name.lower())
    hint = f"did you mean {line}?" if line is not None else did_you_mean(name, known)
    return UsageError(f"unknown command '{name}'", hint=hint or f"known: {', '.join(known)}")


def explained(error: typer.TyperException, args: Sequence[str]) -> UsageError:
    """An error found by Typer's parser. args: the command's arguments."""
    context: Context | None = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "bm"
    help_ = f"see {path} --help"
    kind = type(error).__name__
    option = str(getattr(error, "option_name", ""))
    parameter: Parameter | None = getattr(error, "param", None)
    if kind == "NoSuchOption":
        given = _as_given(option, args)
        name = given.partition("=")[0]
        return UsageError(f"{path} has no option {name}", hint=_for_option(name, context, args) or help_)
    if kind == "BadOptionUsage":
        return UsageError(f"{option} needs a value", hint=help_)
    if kind == "MissingParameter" and parameter is not None:
        choices = _choices(parameter)
        what = f"; choose from {', '.join(choices)}" if choices else ""
        return UsageError(f"missing {_called(parameter)}{what}", hint=help_)
    if kind == "BadParameter" and parameter is not None:
        message, hint = _bad_value(error, parameter)
        return UsageError(message, hint=hint or help_)
    message = error.format_message().rstrip(".")
    if "unexpected extra argument" in message and context is not None:
        words = message.rpartition("(")[2].rstrip(")").split(" ")
        message = f"{path} takes no further argument '{words[0]}'"
        if subcommands := getattr(context.command, "subcommands", {}):
            help_ = did_you_mean(words[0], subcommands) or f"subcommands: {', '.join(subcommands)}"
    return UsageError(message, hint=help_)


def _as_given(option: str, args: Sequence[str]) -> str:
    """`-lr`, if the parser, which reads it as several options, reports `-l`."""
    short = option.startswith("-") and not option.startswith("--")
    for arg in args:
        if arg.startswith(option) if not short else arg.startswith("-") and option[1:] in arg[1:]:
            return arg
    return option


def _options(context: Context) -> dict[str, Parameter]:
    """The command's options by parameter name."""
    return {
        parameter.name: parameter
        for parameter in context.command.get_params(context)
        if parameter.param_type_name == "option"
    }


def _called(parameter: Parameter) -> str:
    """`--format`, `RUN`."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return str(max(parameter.opts, key=len))


def _choices(parameter: object) -> list[str]:
    described = getattr(parameter, "type_descriptor", None)
    return [str(one) for one in getattr(described, "choices", None) or ()]


def _for_option(name: str, context: Context | None, args: Sequence[str]) -> str | None:
    """What to type instead of an option that the command does not have."""
    if context is None:
        return None
    word = name.lstrip("-").replace("-", "_").lower()
    options = _options(context)
    value = _value_of(name, args)
    line = context.command_path
    arguments = [one.name for one in context.command.get_params(context) if one.param_type_name == "argument"]
    takes_changes = "overrides" in arguments
    if "device" in options and word in (*_GPU, *_CPU):
        return f"write --device {'gpu' if word in _GPU else 'cpu'}"
    if word in (*_GPU, *_CPU, "device"):
        return "bm train takes --device"
    if "config" in arguments and word in _CONFIG:
        return f"give the config without an option: {line} {shlex.quote(value or 'CONFIG')}"
    if "inputs" in arguments and word in _INPUT:
        return f"give inputs without an option: {line} {shlex.quote(value or 'INPUT')}"
    for option, others in _OPTIONS.items():
        if option in options and word in others.split():
            return f"did you mean {_called(options[option])}?"
    if takes_changes and (change := _change(name, word, value)) is not None:
        return change
    if (close := _close(name, options.values())) is not None:
        return f"did you mean {close}?"
    if takes_changes:
        return (
            f"keys of the config are written as KEY=VALUE, for example training.epochs=3; see {line} --help"
        )
    return None


def _change(name: str, word: str, value: str | None) -> str | None:
    """`training.epochs=3` for `--epochs 3`."""
    dotted = name.lstrip("-")
    key = dotted if "." in dotted else foreign_names.key_of(word) if len(word) > 1 else None
    if key is None:
        return None
    if value is None:
        return f"write {key}=VALUE"
    if key == "data" and ("/" in value or "." in value):
        key = "data.path"
    return f"write {shlex.quote(f'{key}={value}')}"


def _value_of(name: str, args: Sequence[str]) -> str | None:
    """The value given with the option: `--lr=0.1` or `--lr 0.1`."""
    for position, arg in enumerate(args):
        if arg.startswith(f"{name}="):
            return arg.partition("=")[2]
        if arg == name:
            following = args[position + 1] if position + 1 < len(args) else None
            is_value = following is not None and (not following.startswith("-") or following[1:2].isdigit())
            return following if is_value and "=" not in (following or "") else None
    return None


def _close(name: str, options: Iterable[Parameter]) -> str | None:
    """The option that was probably meant: similar letters, or the same beginning.

    Compared without the dashes, which would make all options similar.
    """
    every = {opt.lstrip("-"): opt for option in options for opt in option.opts if opt.startswith("--")}
    every |= {"help": "--help"}
    word = name.lstrip("-").lower()
    begun = [opt for known, opt in every.items() if len(word) >= 3 and known.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    close = get_close_matches(word, every, n=1, cutoff=0.76)
    return every[close[0]] if close else None


def _bad_value(error: typer.TyperException, parameter: Parameter) -> tuple[str, str | None]:
    """'--device: expected auto, cpu or gpu, found 'cuda'', and what was meant."""
    called = _called(parameter)
    cause = error.__cause__
    found = cause.errors()[0] if cause is not None and hasattr(cause, "errors") else None
    value = str(found["input"]) if found is not None else ""
    choices = _choices(parameter)
    if choices:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
        meant = _VALUES.get(parameter.name, {}).get(value.lower())
        hint = f"did you mean {meant}?" if meant in choices else did_you_mean(value, choices)
        return f"{called}: expected {listed}, found '{value}'", hint
    wanted = {"int_parsing": "a whole number", "int_type": "a whole number", "float_parsing": "a number"}
    if found is not None and found["type"] in wanted:
        return f"{called}: expected {wanted[found['type']]}, found '{value}'", None
    said = str(found["msg"] if found is not None else error.message)
    said = said.removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{called}: {said}" + (f", found '{value}'" if value else ""), None
