"""Reload an exported model in a process of its own and compare it with the stored samples.

    python -m bmcli.export.reload FORMAT MODEL SAMPLES

prints one line of JSON on stdout. A process that has just made the model could pass on state the file lacks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bmcli.core.errors import BmError
from bmcli.export.engines import Format, load
from bmcli.export.samples import Samples
from bmcli.export.verify import Agreement, verify


def check_in_new_process(format: Format, model: Path, samples: Path) -> Agreement:
    """Compare in a new process; any failure there becomes the reason for disagreement."""
    # -P: nothing in the working directory may pass for a library.
    command = [sys.executable, "-P", "-m", "bmcli.export.reload", format, str(model), str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    try:
        return Agreement(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = said[-1].strip()[:300] if said else f"the process exited with code {done.returncode}"
        return Agreement(0, None, f"it cannot be run: {reason}")


def main(format: Format, model: str, samples: str) -> None:
    """What the new process does."""
    stored = Samples.from_bytes(Path(samples).read_bytes(), origin=samples)
    try:
        agreement = verify(load(format, Path(model), tuple(stored.inputs)), stored)
    except BmError as error:
        agreement = Agreement(len(stored), None, error.message)
    except Exception as error:  # the runtimes' own exceptions share no base
        first = next(iter(str(error).strip().splitlines()), "")
        agreement = Agreement(len(stored), None, f"it cannot be run: {type(error).__name__}: {first[:300]}")
    print(json.dumps(asdict(agreement)))


if __name__ == "__main__":
    main(*sys.argv[1:4])  # type: ignore[arg-type]
