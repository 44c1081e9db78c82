"""With which library Keras computes, and with which of its kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.parametrize(
    ("given", "before", "expected"),
    [
        (None, "", "1"),
        ("0", "", "0"),
        # Too late to choose: what had no effect is not claimed.
        (None, "import tensorflow", "None"),
    ],
)
def test_onednn_is_asked_for_unless_the_user_said_otherwise(
    given: str | None, before: str, expected: str, tmp_path: Path
) -> None:
    """Modules of no content stand for the libraries: what counts is when the variable is set."""
    (tmp_path / "tensorflow.py").touch()
    (tmp_path / "keras.py").write_text(f"import os, tensorflow\nseen = os.environ.get({VARIABLE!r})\n")
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    code = f"""
import os
{before}
from bmcli.core.quiet import quiet_import
with quiet_import():
    import keras
print(keras.seen)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": str(tmp_path)} | ({VARIABLE: given} if given else {}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == expected
