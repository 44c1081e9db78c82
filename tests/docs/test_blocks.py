"""Every code block and command of README and docs does what the page says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, Block, blocks, commands, mentioned, optional_parts, words
from tests.docs.conftest import Workspace
from tests.pretrained.architectures import BERT

pytestmark = pytest.mark.timeout(600)

BLOCKS = [block for block in blocks() if not block.excepted]
COMMANDS = [
    pytest.param(block, command, id=f"{block.id}-{number}")
    for block in BLOCKS
    for number, command in enumerate(one for line in commands(block) for one in optional_parts(line))
]

PLACEHOLDERS = {
    "CONFIG": "c.yaml",
    "NAME": "c",
    "STATUS": "completed",
    "KEY": "created",
    "PATH": "labelled.csv",
    "KIND": "models",
    "PROMPT": "fine",
}
"""What a reader puts in place of a word in capitals."""


def run_for(line: str) -> str:
    """The run that RUN stands for: one that has what the line asks for."""
    if "fraud" in line or "baseline" in line:
        return "fraud"
    if "--data" in line or "--importance" in line:
        return "prices"
    return "flowers" if "--explain" in line else "c"


def examined(line: str) -> str:
    """The config whose data the doctor looks at: a small set, and for `--folds` a small model."""
    return "fraud.yaml" if "--folds" in line else "c.yaml" if "--run" in line else "flowers.yaml"


def filled_in(command: str) -> list[str]:
    """The words of a command, with its placeholders replaced."""
    run = run_for(command)
    text = command.replace("RUN RUN...", "c-v1 c-v2").replace("RUN...", run)
    text = text.replace("@production", "fraud") if run == "fraud" and "--baseline" in text else text
    filled = []
    for word in shlex.split(text):
        if word == "CONFIG" and text.startswith("bm doctor"):
            filled.append(examined(text))
        elif word == "RUN":
            filled.append(run)
        elif word == "TAG":
            filled.append("good")
        elif word in ("N", "K"):
            filled.append("2")
        else:
            filled.append(PLACEHOLDERS.get(word, word))
    return filled


def made_harmless(given: list[str], workspace: Workspace) -> list[str]:
    """The same command, on runs that nothing else needs, and without a question to a terminal."""
    if given[:2] in (["runs", "remove"], ["runs", "prune"], ["runs", "slim"]):
        workspace.put_spare()
        given = [{"ID...": "gone-v1", "c": "gone"}.get(word, word) for word in given]
        if given[1] == "prune" and "--name" not in given:
            given += ["--name", "gone"]
        if given[1] != "slim" and "--yes" not in given:
            given += ["--yes"]
    if given[0] == "init":
        (workspace.path / f"{Path(given[-1]).name}.yaml").unlink(missing_ok=True)
    if given[0] == "train" and "--smoke" not in given:  # one epoch shows as much as twenty
        given = [word for word in given if not word.startswith("training.epochs=")] + ["training.epochs=1"]
        given += ["model=cnn"] if "flowers.yaml" in given else []  # and a small model as much as a large one
    return given


@pytest.mark.parametrize(("block", "command"), COMMANDS)
def test_the_commands_run(block: Block, command: str, workspace: Workspace) -> None:
    stdin = b""
    if piped := re.match(r"cat (\S+) \| (.*)", command):
        stdin, command = (workspace.path / piped[1]).read_bytes(), piped[2]
    given = made_harmless(filled_in(command)[1:], workspace)
    if "'" not in command:  # the shell replaces patterns that are not quoted
        given = [name for word in given for name in (_matching(word, workspace.path) or [word])]
    code, out, err = workspace.bm(given, stdin)
    assert code == 0, f"{shlex.join(['bm', *given])} ended with {code}\n{err}"
    assert out.strip() or err.strip(), f"{shlex.join(['bm', *given])} printed nothing"


def _matching(pattern: str, folder: Path) -> list[str]:
    if "*" not in pattern:
        return []
    return sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda block: block.id)
def test_the_configs_are_valid(block: Block, workspace: Workspace) -> None:
    import yaml

    text, given = block.text, yaml.safe_load(block.text)
    if "data" not in given:
        text += "data: mnist\n"
    elif "columns" in given["data"]:
        text = text.replace("data:\n", "data:\n  path: sales.csv\n  target: price\n")
        rows = "".join(f"0{i},{i}.5,{i} kg,{i % 28 + 1}.1.2024,x\n" for i in range(10, 60))
        (workspace.path / "sales.csv").write_text("zip,price,weight,sold,note\n" + rows)
    if "sentences.tsv" in text:
        (workspace.path / "sentences.tsv").write_text("sentence\tlabel\n" + "a fine film\t1\nno\t0\n" * 20)
        shutil.copytree(BERT, workspace.path / "models/all-MiniLM-L6-v2")
    if "code" in given:
        plugin = next(one for one in BLOCKS if one.page == block.page and one.language == "python")
        (workspace.path / given["code"]).write_text(plugin.text)
    if "model" not in given:
        text += (
            "model: linear\n"
            if "sales.csv" in text
            else "model: transformer\n"
            if "imdb" in text
            else "model: cnn\n"
        )
    (workspace.path / "example.yaml").write_text(f"name: example\n{text}")
    code, _, err = workspace.bm(["check", "example.yaml"])
    missing = "extra" in err and code == 2 and "trackers" in given  # said rightly, where it is not installed
    assert code == 0 or missing, err


PROGRAMS = [b for b in BLOCKS if b.language == "python" and b.page != "python.md"]
"""tests/test_api.py runs those of python.md, which build on one another."""


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.id)
def test_the_programs_run(block: Block, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        text = block.text.replace('"training.epochs": 10', '"training.epochs": 1')
        program = compile(text, block.id, "exec", dont_inherit=True)  # this file's annotations are its own
    monkeypatch.chdir(workspace.path)
    monkeypatch.syspath_prepend(str(workspace.path))
    exec(program, {"__name__": "__main__"})


def test_the_run_directory_is_as_shown(workspace: Workspace) -> None:
    (block,) = [one for one in BLOCKS if one.page == "README.md" and one.text.startswith("runs/")]
    names = re.findall(r"(?:^  |  )([\w.]+(?:/|\.\w+))(?=  )", block.text, re.M)
    assert len(names) >= 10
    missing = [name for name in names if not (workspace.path / "runs/c-v1" / name).exists()]
    assert not missing


def test_the_answers_are_as_shown(workspace: Workspace) -> None:
    """docs/predict.md: the same keys, in the same order, as real answers have."""
    (block,) = [one for one in BLOCKS if one.page == "predict.md" and one.language == "json"]
    (workspace.path / "broken.jpg").write_bytes(b"no image")
    shown = [_keys(line.replace("...]", "]")) for line in block.text.splitlines()]
    real = [
        _keys(workspace.bm(["predict", *given, "--json"])[1])
        for given in (["photo.jpg", "--run", "flowers"], ["rows.csv", "--run", "prices"])
    ]
    assert shown[:2] == real
    _, out, _ = workspace.bm(["predict", "photo.jpg", "broken.jpg", "--run", "flowers", "--json"])
    assert shown[3] == _keys(out.splitlines()[1])


SHOWN = {
    "explain.md": ("new.csv:1", ["explain", "new.csv", "--run", "prices"]),
    "doctor.md": ("· task", ["doctor", "flowers.yaml"]),
}
"""Page -> how the output that it shows begins, and the command that it is of."""


@pytest.mark.parametrize("page", SHOWN)
def test_the_outputs_are_as_shown(page: str, workspace: Workspace) -> None:
    """Line by line, but for the numbers and the length of bars."""
    begin, command = SHOWN[page]
    (block,) = [one for one in BLOCKS if one.page == page and one.text.startswith(begin)]
    code, out, err = workspace.bm(command)
    assert code == 0, err
    shown = [_without_numbers(line) for line in block.text.splitlines()]
    real = [_without_numbers(line) for line in out.splitlines()]
    assert shown == real, out


def _without_numbers(line: str) -> str:
    return " ".join(re.sub(r"[█░]+", "█", re.sub(r"[−+]?\d[\d,.]*", "#", line)).split())


def _keys(text: str) -> Any:
    document = json.loads(re.sub(r",\s*\]", "]", text.splitlines()[0]))
    return [(key, list(value) if isinstance(value, dict) else None) for key, value in document.items()]


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "json"], ids=lambda block: block.id)
def test_what_is_shown_as_json_is_json(block: Block) -> None:
    text = block.text.replace(", ...]", "]").replace("[...]", "[]")
    documents = [text] if text.lstrip().startswith("{\n") else text.splitlines()
    assert all(json.loads(document) for document in documents)


def options_of(name: str) -> set[str]:
    from bmcli.cli import root

    command = root.build_app(lambda session: None).get_command(None, name)
    assert command is not None
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def test_what_the_pages_mention_exists() -> None:
    """Every `bm COMMAND --option` in running text, against the command line's own declarations."""
    from bmcli.cli import root, startup

    names = root.command_names()
    subcommands = {name: {one.replace("_", "-") for one in startup.summaries(name)} for name in names}
    others = {"help", "version", *root._LISTS, "ls"}  # the last is an example of what a hint answers
    wrong = []
    for page, command in mentioned():
        given = words(command)[1:]
        name = next((word for word in given if not word.startswith(("-", "["))), None)
        if name is None:
            bm = root.build_app(lambda session: None)
            known = {option for parameter in bm.params for option in parameter.opts}
            known |= {"--help", "-h", "--install-completion", "--show-completion"}
        elif name == "COMMAND" or name in others:
            continue
        elif name not in names:
            wrong.append(f"{page}: `{command}`: there is no command {name}")
            continue
        else:
            rest = given[given.index(name) + 1 :]
            second = next((word for word in rest if word in subcommands[name] - {name}), None)
            known = options_of(f"{name} {second}" if second else name) | {"--help", "-h"}
        odd = [word for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", command) if word not in known]
        wrong += [f"{page}: `{command}` has no option {word}" for word in odd]
    assert not wrong, "\n".join(wrong)


def test_every_exception_says_why() -> None:
    marked = [block for block in blocks() if block.mark.startswith("not run")]
    assert all(block.excepted for block in marked), [block.id for block in marked if not block.excepted]


def test_the_pages_are_found() -> None:
    assert len(BLOCKS) > 20 and len(COMMANDS) > 35 and len(mentioned()) > 60
    assert {block.page for block in blocks()} >= {"README.md", "plugins.md", "cli.md"}
    assert (ROOT / "docs").is_dir()
