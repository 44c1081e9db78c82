"""Start-up: what bm needs before it answers, as a ratio to importing the libraries it answers with.

    python benchmarks/startup.py [--rounds 20] [--against PATH]

Each round runs `python -c 'import typer, yaml, pydantic'` and then, in turn, five commands that need no
model: --help, runs, models, check and a config error. A ratio is the least processor time of all rounds by
that of the import; the least, because all that other programs do to the machine makes it more. --against: the
checkout of another bm, run side by side.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from _sides import HERE, alternate, begin, new_parser, show

LIBRARIES = [sys.executable, "-c", "import typer, yaml, pydantic"]
COMMANDS = {
    "bm --help": ["--help"],
    "bm runs": ["runs"],
    "bm models": ["models"],
    "bm check": ["check", "digits_cnn"],
    "a config error": ["check", "broken.yaml"],
}
BROKEN = "modle: cnn\ntraining: {epochs: ten}\n"


def main() -> None:
    parser = new_parser(__doc__, quick="2 rounds")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout of bm")
    arguments = begin(parser)
    rounds = 2 if arguments.quick else arguments.rounds
    checkouts = {"bm": HERE.parent, **({"other": arguments.against} if arguments.against else {})}
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:
        (Path(folder) / "broken.yaml").write_text(BROKEN)
        sides = {("", "import"): partial(processor, LIBRARIES, folder, HERE.parent)}
        for name, given in COMMANDS.items():
            for side, checkout in checkouts.items():
                command = [sys.executable, "-c", "from bmcli.__main__ import main; main()", *given]
                sides[side, name] = partial(processor, command, folder, checkout)
        named = {" ".join(key): side for key, side in sides.items()}
        for warm in named.values():  # compiled modules are written, files are in memory
            warm(0)
        least = {name: min(times) for name, times in alternate(named, rounds).items()}
    base = least[" import"]
    rows = [["import typer, yaml, pydantic", *[f"{base * 1000:.0f} ms"] * len(checkouts)]]
    for name in COMMANDS:
        rows.append([name, *(f"{least[f'{side} {name}'] / base:.2f}" for side in checkouts)])
    show("Start-up", ["", *checkouts], rows)


def processor(command: list[str], folder: str, checkout: Path, _round: int) -> float:
    """Processor seconds of a process that runs the checkout's bm; its exit code is its own affair."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else every run would compile bm
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
